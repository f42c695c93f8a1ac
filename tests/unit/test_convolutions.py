"""Convolutions of few clips: the same results as PyTorch's own, by the faster kernel."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.profiler import ProfilerActivity, profile

from voxplain import build_model, explain
from voxplain.convolutions import FewClips, conv3d


@settings(deadline=None)
@given(
    clips=st.integers(1, 17),
    channels=st.integers(1, 4),
    kernel=st.tuples(*[st.integers(1, 3)] * 3),
    stride=st.one_of(st.integers(1, 2), st.tuples(*[st.integers(1, 2)] * 3)),
    padding=st.one_of(st.integers(0, 1), st.sampled_from(["valid", "same", (0, 1, 1)])),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2]),
    bias=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_results_and_gradients_are_those_of_pytorch(
    clips, channels, kernel, stride, padding, dilation, groups, bias, seed
):
    if padding == "same":  # which PyTorch has of stride 1 alone
        stride = 1
    torch.manual_seed(seed)
    shape = clips, groups * channels, 5, 6, 7
    weight = torch.randn(2 * groups, channels, *kernel, dtype=torch.float32)
    found = []
    for function in (torch.conv3d, conv3d):
        torch.manual_seed(seed)
        inputs, own = torch.randn(shape, requires_grad=True), weight.clone().requires_grad_()
        offset = torch.randn(2 * groups, requires_grad=True) if bias else None
        output = function(inputs, own, offset, stride, padding, dilation, groups)
        wanted = [inputs, own, *([offset] if bias else [])]
        found.append([output.detach(), *torch.autograd.grad(output.square().sum(), wanted)])
    for own, other in zip(*found, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4 * float(other.abs().max() + 1e-6))


def test_what_is_no_batch_of_float32_clips_goes_to_pytorch():
    weight = torch.randn(2, 3, 1, 1, 1)
    alone = torch.randn(3, 2, 4, 4)
    torch.testing.assert_close(conv3d(alone, weight), torch.conv3d(alone, weight))
    double = torch.randn(1, 3, 2, 4, 4, dtype=torch.float64)
    assert conv3d(double, weight.double()).dtype == torch.float64
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert conv3d(double.float(), weight).dtype == torch.bfloat16


def kernels(network, clips):
    """Names of the kernels of a pass, forth and back."""
    clips = clips.clone().requires_grad_()
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        network(clips).square().sum().backward()
    return {event.key for event in recorded.key_averages()}


OLDER = {"aten::slow_conv3d_forward", "aten::_slow_conv2d_forward", "aten::thnn_conv2d"}


@pytest.mark.parametrize(
    ("clips", "layer"),
    [(1, nn.Conv3d(8, 8, 3, padding=1)), (1, nn.Conv3d(8, 8, (1, 3, 3))), (1, nn.Conv3d(8, 32, (3, 1, 1))), (3, nn.Conv3d(8, 32, (3, 1, 1), padding=(1, 0, 0))), (8, nn.Conv3d(8, 16, 1)), (1, nn.Conv3d(8, 16, 1))],
)  # fmt: skip
def test_no_layer_of_few_clips_goes_to_the_older_kernel(clips, layer):
    """PyTorch's rule, which another version may mend: then this module can go."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        inputs = torch.randn(clips, 8, 4, 28, 28)
        assert OLDER & kernels(layer, inputs)
        with FewClips():
            assert not OLDER & kernels(layer, inputs)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(
    "method", ["dtd", "lrp_gamma", "gradcam", "guided_backprop", "integrated_gradients", "attnlrp"]
)
def test_a_clip_is_explained_without_the_older_kernel(method):
    network = build_model("r3d_18", num_classes=3, width=8).eval()
    clip = torch.randint(0, 256, (1, 8, 32, 32, 3), dtype=torch.uint8)
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        explain(network, clip, [1], method)
    assert not OLDER & {event.key for event in recorded.key_averages()}
