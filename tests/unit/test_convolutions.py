"""Convolutions of few clips: the same results as PyTorch's own, by the faster kernel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.profiler import ProfilerActivity, profile

from voxplain import build_model, explain
from voxplain.convolutions import FewClips, conv3d
from voxplain.models.build import in_fastest_order
from voxplain.models.trained import load_trained
from voxplain.models.training import train
from voxplain.models.weights import save_weights


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
        assert output.is_contiguous()  # as what it was given: a network may view it in another shape
        wanted = [inputs, own, *([offset] if bias else [])]
        found.append([output.detach(), *torch.autograd.grad(output.square().sum(), wanted)])
    for own, other in zip(*found, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4 * float(other.abs().max() + 1e-6))


@pytest.mark.parametrize("kernel", [(1, 1, 1), (3, 1, 1), (1, 3, 3), (3, 3, 3)])
def test_the_order_of_the_input_is_kept(kernel):
    layer = nn.Conv3d(4, 6, kernel, padding=[size // 2 for size in kernel]).to(
        memory_format=torch.channels_last_3d
    )
    many = layer(torch.randn(16, 4, 5, 6, 7).to(memory_format=torch.channels_last_3d))
    assert many.is_contiguous(memory_format=torch.channels_last_3d)
    with FewClips():
        few = layer(torch.randn(2, 4, 5, 6, 7).to(memory_format=torch.channels_last_3d))
    assert few.is_contiguous(memory_format=torch.channels_last_3d)


class Viewing(nn.Module):
    """A network that wants what its convolutions give in the usual order, as most of people's own do."""

    def __init__(self, num_classes: int = 3):
        super().__init__()
        self.stem, self.point = nn.Conv3d(3, 8, 3, padding=1), nn.Conv3d(8, 4, 1)
        self.relu1, self.relu2, self.pool = nn.ReLU(), nn.ReLU(), nn.MaxPool3d(2)
        self.fc = nn.Linear(4 * 4 * 8 * 8, num_classes)

    def forward(self, clips):
        maps = self.relu2(self.point(self.pool(self.relu1(self.stem(clips)))))
        return self.fc(maps.view(clips.size(0), -1))


@pytest.mark.parametrize("clips", [1, 2, 15, 16])
@pytest.mark.parametrize("method", ["dtd", "gradcam", "guided_backprop", "integrated_gradients"])
def test_a_network_that_views_is_explained(method, clips):
    torch.manual_seed(0)
    network = Viewing().eval()
    shown = torch.randn(clips, 3, 8, 16, 16)
    together = explain(network, shown, [1] * clips, method)
    alone = torch.cat([explain(network, one[None], [1], method) for one in shown])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-5 * float(alone.abs().max()))


class InPlace(nn.Module):
    """A network that changes in place what its convolutions give, with no batch norm between.

    Where the change is none, it sums in place.
    """

    def __init__(self, kernel, change):
        super().__init__()
        self.stem, self.change = nn.Conv3d(3, 8, (3, 1, 1), padding=(1, 0, 0)), change
        self.body, self.fc = nn.Conv3d(8, 8, kernel, padding=[k // 2 for k in kernel]), nn.Linear(8, 3)

    def forward(self, clips):
        maps = self.change(self.stem(clips))
        changed = self.change(self.body(maps))
        changed += maps
        return self.fc(changed.mean((2, 3, 4)))


@pytest.mark.parametrize("kernel", [(3, 3, 3), (3, 1, 1), (1, 1, 1)])
@pytest.mark.parametrize("change", [nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SiLU, nn.Identity])
@pytest.mark.parametrize("method", ["dtd", "lrp_gamma", "lrp_epsilon_plus", "attnlrp"])
def test_a_network_that_works_in_place_is_explained_as_in_a_larger_batch(method, change, kernel):
    torch.manual_seed(0)
    network, shown = InPlace(kernel, change(inplace=True)).eval(), torch.randn(16, 3, 7, 18, 26)
    together = explain(network, shown, [1] * 16, method)  # by PyTorch's own kernels
    for few in (1, 2, 3):
        found = explain(network, shown[:few], [1] * few, method)
        torch.testing.assert_close(
            found, together[:few], rtol=1e-3, atol=1e-5 * float(together[:few].abs().max())
        )


def test_a_network_that_views_is_trained_and_shown_clips(tmp_path):
    name = f"{__name__}:Viewing"
    network = build_model(name, num_classes=3)
    clips = np.random.default_rng(0).integers(0, 256, (20, 8, 16, 16, 3)).astype(np.uint8)
    train(network, lambda rows: clips[rows], np.arange(20) % 3, np.arange(20) > 16, epochs=1, batch=4)
    assert network.stem.weight.is_contiguous()
    about = {"classes": ["a", "b", "c"], "clips": {"frames": 8, "size": 16}}
    save_weights(network, tmp_path / "weights.safetensors", about)
    trained = load_trained(tmp_path / "weights.safetensors", trust=[name])
    with torch.no_grad():
        expected = network(trained.inputs(clips)).numpy()
    for some in (clips[:1], clips[:2], clips):
        np.testing.assert_allclose(trained.logits(some), expected[: len(some)], rtol=1e-3, atol=1e-4)
        assert explain(trained.network, some, [1], "gradcam").shape == some.shape[:4]


def test_networks_that_run_in_the_faster_order_have_it():
    last = {"memory_format": torch.channels_last_3d}
    for name, options in (("r3d_18", {"width": 4}), ("torchvision:r3d_18", {})):
        network = build_model(name, num_classes=3, **options).train()
        assert in_fastest_order(network, (8, 32, 32)).training
        kernels = [values for values in network.state_dict().values() if values.dim() == 5]
        assert kernels and all(values.is_contiguous(**last) for values in kernels)
    unknown = in_fastest_order(build_model(f"{__name__}:Viewing", num_classes=3), None)
    assert all(values.is_contiguous() for values in unknown.state_dict().values())


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
