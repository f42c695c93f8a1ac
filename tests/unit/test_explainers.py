"""Explainers: values known by hand, properties, and what they leave as it was."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
import scipy.special
import torch
import torch.nn.functional as F
from captum.attr import KernelShap
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.ndimage import zoom
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from zennit.core import Hook

from voxplain import explain
from voxplain.activations import layer_activations, logit_gradients
from voxplain.errors import ConfigError, VoxplainError
from voxplain.explainers import BY_SUPERVOXELS, EXPLAINERS, occlusion
from voxplain.explainers.attnlrp import attention_relevance
from voxplain.explainers.backward import OwnDerivative, operation_name
from voxplain.explainers.coalitions import shown_by_shapley_kernel, shown_in_half, shown_less_hidden
from voxplain.explainers.gradcam import activation_norm
from voxplain.explainers.propagation import (
    Layer,
    _proportional_pooling,
    _winner_pooling,
    by_zennit,
    share,
    share_positive,
)
from voxplain.models.base import ModelSpec

METHODS = [plugin.name for plugin in EXPLAINERS]
CONSERVATIVE = [plugin.name for plugin in EXPLAINERS if plugin.traits["conservative"]]
CHEAP = {
    "integrated_gradients": {"steps": 3},
    "smoothgrad": {"samples": 2},
    "occlusion": {"n_segments": (4,)},
    **dict.fromkeys(("rise", "lime", "kernel_shap"), {"n_segments": (4,), "samples": 8}),
}
BOX = {"low": -3.0, "high": 3.0}
SHAPE = (4, 8, 8)


def clips(number: int = 2, seed: int = 0, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    return torch.rand(number, 3, *shape, generator=torch.Generator().manual_seed(seed)) * 4 - 2


def byte_clips(number: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (number, *SHAPE, 3), generator=generator, dtype=torch.uint8)


def seeded(model: nn.Module, seed: int = 0) -> nn.Module:
    """Give every parameter and statistic a random value, as training would."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            parameter.data.normal_(0, 0.3, generator=generator)
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return model.eval()


class Residual(nn.Module):
    """One of everything: batch norms, residual sums, concatenation, poolings, in place or not."""

    def __init__(self, inplace: bool = True) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(3, 4, 3, padding=1, bias=False), nn.BatchNorm3d(4), nn.ReLU(inplace)
        )
        self.conv1 = nn.Sequential(nn.Conv3d(4, 4, 3, padding=1), nn.BatchNorm3d(4), nn.ReLU(inplace))
        self.conv2 = nn.Sequential(nn.Conv3d(4, 4, 3, padding=1, bias=False), nn.BatchNorm3d(4))
        self.relu = nn.ReLU(inplace)
        self.branch = nn.Sequential(
            nn.MaxPool3d(3, 1, 1), nn.Conv3d(4, 2, 1), nn.BatchNorm3d(2), nn.ReLU(inplace)
        )
        self.pool = nn.MaxPool3d(2, padding=(0, 1, 1))
        self.norm = nn.BatchNorm3d(6)
        self.average = nn.AdaptiveAvgPool3d(1)
        self.head = nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        out = self.conv2(self.conv1(x))
        out += x
        out = self.relu(out)
        out = self.pool(torch.cat([out, self.branch(x)], 1))
        return self.head(self.average(F.relu(self.norm(out))).flatten(1))


def with_spec(model: nn.Module, last_conv: str = "branch.1") -> nn.Module:
    """Give a network the facts that voxplain.build_model would."""
    model.spec = ModelSpec(
        "toy", 5, {}, (110.0, 120.0, 130.0), (60.0, 55.0, 50.0), None, None, (), last_conv, "head"
    )
    return model


# What explain promises for every explainer


@pytest.mark.parametrize("method", METHODS)
def test_relevance_lies_on_the_clips_grid_and_does_not_depend_on_the_batch(method: str) -> None:
    model, frames = with_spec(seeded(Residual())), byte_clips(3)
    options = CHEAP.get(method, {})
    together = explain(model, frames, [0, 1, 2], method, **options)
    assert together.shape == (3, *SHAPE) and together.dtype == torch.float32 and not together.requires_grad
    alone = torch.cat([explain(model, frames[i : i + 1], i, method, **options) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-5)
    if not EXPLAINERS[method].traits["signed"]:
        assert together.min() >= 0


@pytest.mark.parametrize("method", METHODS)
def test_bytes_are_normalized_as_the_network_says(method: str) -> None:
    model, frames = with_spec(seeded(Residual())), byte_clips()
    mean, std = torch.tensor(model.spec.mean), torch.tensor(model.spec.std)
    inputs = ((frames - mean) / std).permute(0, 4, 1, 2, 3)
    options = dict(CHEAP.get(method, {}))
    if method in BY_SUPERVOXELS:
        options = {"labels": np.arange(1, 257).reshape(1, 1, *SHAPE).repeat(2, 0) // 64 + 1}
    from_bytes = explain(model, frames.numpy(), np.array([1, 2]), method, **options)
    from_floats = explain(model, inputs.numpy(), torch.tensor([1, 2]), method, **options)
    tolerance = {"rtol": 2, "atol": 2} if method == "random" else {"rtol": 1e-3, "atol": 1e-5}
    torch.testing.assert_close(from_bytes, from_floats, **tolerance)


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_the_network_is_left_as_it_was(method: str, trainable: bool) -> None:
    model = with_spec(seeded(Residual())).train().requires_grad_(trainable)
    model.pool.eval()
    model.head.bias.requires_grad_(not trainable)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    graded = [parameter.requires_grad for parameter in model.parameters()]
    with torch.no_grad():
        explain(model, byte_clips(), 1, method, **CHEAP.get(method, {}))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert modes == [module.training for module in model.modules()]
    assert graded == [parameter.requires_grad for parameter in model.parameters()]
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    torch.testing.assert_close(model.eval()(clips()), seeded(Residual())(clips()))


def test_the_network_is_restored_after_an_error() -> None:
    model = seeded(Residual()).train()
    for method in ("dtd", "gradcam", "gradient"):
        with pytest.raises(ConfigError, match="classes 0 to 4"):
            explain(model, clips(), 9, method)
        assert model.training and model.head.weight.requires_grad and not model.branch[1]._forward_hooks


def test_precision_around_it_does_not_matter() -> None:
    model = seeded(Residual())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = explain(model, clips(), 1, "dtd")
    torch.testing.assert_close(inside, explain(model, clips(), 1, "dtd"), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"method": "dtt"}, "did you mean 'dtd'"),
        ({"poling": "winner"}, "did you mean 'pooling'"),
        ({"pooling": "mean"}, "'pooling' cannot be 'mean'"),
        ({"method": "gradcam", "layer": "banch"}, "no layer 'banch'; did you mean 'branch'"),
        ({"method": "gradcam", "layer": "head"}, "gives no features"),
        ({"method": "occlusion"}, "uint8 clips"),
        ({"method": "occlusion", "labels": np.ones((2, 1, 4, 4, 4))}, r"give \(N, levels, T, H, W\)"),
        ({"targets": [1, 2, 3]}, "one for each of 2 clips"),
        ({"targets": 0.5}, "class number"),
        ({"targets": -1}, "classes 0 to 4"),
        ({"clips": clips()[:, :2]}, "give"),
        ({"clips": clips().permute(0, 2, 3, 4, 1)}, "give"),
        ({"clips": byte_clips()}, "does not say how its clips are normalized"),
        ({"low": -1.0, "high": 1.0}, "leave the bounds"),
    ],
)
def test_mistakes_are_named(change: dict, text: str) -> None:
    with pytest.raises(VoxplainError, match=text):
        explain(**{"model": seeded(Residual()), "clips": clips(), "targets": 1} | change)


# Propagation


@pytest.mark.parametrize("method", CONSERVATIVE)
@pytest.mark.parametrize("pooling", ["proportional", "winner"])
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_relevance_is_conserved(method: str, pooling: str, seed: int) -> None:
    model = seeded(Residual(), seed)
    features = []
    model.head.register_forward_pre_hook(lambda _, arguments: features.append(arguments[0]))
    relevance = explain(model, clips(seed=seed), [0, 4], method, pooling=pooling)
    assume(features[-1].any(1).all())  # else the epsilon rule has nothing to share by
    torch.testing.assert_close(relevance.sum((1, 2, 3)), torch.ones(2), rtol=0, atol=1e-2)


def test_dtd_of_one_layer_is_the_z_box_formula() -> None:
    model, inputs = seeded(nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 8 * 8, 5))), clips()
    weight = model[1].weight.data.view(5, 3, *SHAPE)[[1, 3]]
    low, high = torch.tensor([-2.0, -2.5, -3.0]), torch.tensor([2.0, 2.5, 3.0])
    parts = (
        inputs * weight
        - low.view(3, 1, 1, 1) * weight.clamp(min=0)
        - high.view(3, 1, 1, 1) * weight.clamp(max=0)
    )
    expected = parts.sum(1) / parts.sum((1, 2, 3, 4), keepdim=True)[:, 0]
    torch.testing.assert_close(explain(model, inputs, [1, 3], low=low, high=high.tolist()), expected)


def test_lrp_of_two_layers_is_the_z_plus_formula() -> None:
    first, second = torch.tensor([[1.0, -1, 2], [0.5, 1, -1]]), torch.tensor([[3.0, 1]])
    model = nn.Sequential(nn.Conv3d(3, 2, 1), nn.ReLU(), nn.Conv3d(2, 1, 1), nn.Flatten()).eval()
    model[0].weight.data, model[2].weight.data = first.view(2, 3, 1, 1, 1), second.view(1, 2, 1, 1, 1)
    model[0].bias.data.zero_(), model[2].bias.data.fill_(7)
    x = torch.tensor([2.0, 1, 1])
    hidden = torch.tensor([3.0, 1])  # (2 - 1 + 2, 1 + 1 - 1)
    upper = second[0] * hidden / 10
    parts = x * first.clamp(min=0)
    expected = (parts * (upper / parts.sum(1))[:, None]).sum()
    relevance = explain(model, x.view(1, 3, 1, 1, 1), 0, "lrp_epsilon_plus")
    torch.testing.assert_close(relevance.flatten(), expected.view(1))
    assert expected == 1


def test_rules_find_what_either_version_of_zennit_keeps_of_a_forward_pass() -> None:
    class Reading(Hook):
        def backward(self, module: nn.Module, grad_input: tuple, grad_output: tuple) -> tuple:
            (input,), kwargs = self.stored_tensors["input"], self.stored_tensors["kwargs"]
            return (grad_output[0] * module(input, **kwargs),)

    layer = Layer(lambda x: 3 * x)
    (lower,) = by_zennit(Reading(), layer)(torch.tensor([5.0]), torch.tensor([2.0]))
    assert lower.item() == 30


def test_gamma_goes_from_epsilon_to_z_plus() -> None:
    model, box = seeded(Residual()), dict(BOX, pooling="winner")
    strong = explain(model, clips(), 2, "lrp_gamma", gamma=1e4, **box)
    assert (
        strong - explain(model, clips(), 2, "lrp_gamma", gamma=1e3, **box)
    ).abs().max() < 0.02 * strong.abs().max()
    weak = explain(model, clips(), 2, "lrp_gamma", gamma=0.0, **box)
    assert (strong - weak).abs().max() > 0.1 * strong.abs().max()


def test_a_batch_norm_counts_as_part_of_its_convolution() -> None:
    conv, norm = nn.Conv3d(3, 4, 3, padding=1), nn.BatchNorm3d(4, eps=1e-2)
    tail = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 5))
    model = seeded(nn.Sequential(nn.Conv3d(3, 3, 1), nn.ReLU(), conv, norm, tail))
    merged = nn.Conv3d(3, 4, 3, padding=1)
    merged.weight, merged.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    folded = nn.Sequential(model[0], model[1], merged, tail)
    for method in CONSERVATIVE:
        torch.testing.assert_close(explain(model, clips(), 1, method), explain(folded, clips(), 1, method))


def test_a_plain_batch_norm_may_lack_scale_and_stand_alone() -> None:
    model = nn.Sequential(
        nn.Conv3d(3, 4, 1), nn.BatchNorm3d(4, affine=False), nn.ReLU(), nn.BatchNorm3d(4), nn.ReLU(),
        nn.Conv3d(4, 5, 1), nn.AdaptiveAvgPool3d(1), nn.Flatten(),
    )  # fmt: skip
    relevance = explain(seeded(model), clips(), 1)
    torch.testing.assert_close(relevance.sum((1, 2, 3)), torch.ones(2), rtol=0, atol=1e-2)


@pytest.mark.parametrize("method", [*CONSERVATIVE, "attnlrp"])
@pytest.mark.parametrize(
    "norm", [nn.BatchNorm3d(4, track_running_stats=False), nn.InstanceNorm3d(4)], ids=["batch", "instance"]
)
def test_a_norm_by_what_it_is_given_has_no_rule(norm: nn.Module, method: str) -> None:
    tail = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 5))
    model = nn.Sequential(nn.Conv3d(3, 4, 3), norm, tail).eval()
    with pytest.raises(VoxplainError, match="^Relevance has no rule for operations .*: native_batch_norm"):
        explain(model, clips(), 1, method)


def test_shares_of_a_sum() -> None:
    upper, a, b = torch.tensor([6.0, 6, 6, 6]), torch.tensor([1.0, 3, -1, 0]), torch.tensor([2.0, -1, -2, 0])
    torch.testing.assert_close(
        share(upper, a, b), (torch.tensor([2.0, 9, 2, 3]), torch.tensor([4.0, -3, 4, 3]))
    )
    torch.testing.assert_close(
        share_positive(upper, a, b), (torch.tensor([2.0, 6, 2, 3]), torch.tensor([4.0, 0, 4, 3]))
    )


def test_proportional_pooling_by_hand() -> None:
    x = torch.tensor([1.0, 3, 0, 2]).view(1, 1, 1, 1, 4).requires_grad_()
    pooled = _proportional_pooling(F.max_pool3d, x, (1, 1, 2))
    assert pooled.flatten().tolist() == [3, 2]
    pooled.backward(torch.tensor([8.0, 4]).view_as(pooled))
    torch.testing.assert_close(x.grad.flatten(), torch.tensor([2.0, 6, 0, 4]))
    x.grad.zero_(), x.data.zero_()  # nothing to go by: equal shares
    _proportional_pooling(F.max_pool3d, x, (1, 1, 2)).sum().backward()
    assert x.grad.flatten().tolist() == [0.5, 0.5, 0.5, 0.5]


def test_winners_of_a_pooling_by_hand() -> None:
    """Where several are the greatest, none of a window's corners is preferred."""
    x = torch.tensor([2.0, 2, 1, 3, 5, 5, 5, 0]).view(1, 1, 1, 2, 4).requires_grad_()
    pooled = _winner_pooling(F.max_pool3d, x, (1, 2, 2))
    assert pooled.flatten().tolist() == [5, 5]
    pooled.backward(torch.tensor([8.0, 3]).view_as(pooled))
    assert x.grad.flatten().tolist() == [0, 0, 0, 0, 4, 4, 3, 0]
    x.grad.zero_(), x.data.fill_(7)
    _winner_pooling(F.max_pool3d, x, (1, 2, 2)).sum().backward()
    assert x.grad.flatten().tolist() == [0.25] * 8


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(1, 3),
    stride=st.integers(1, 3),
    padded=st.booleans(),
    dilation=st.integers(1, 2),
    ceil_mode=st.booleans(),
    length=st.integers(5, 9),
)
def test_a_single_winner_gets_what_autograd_gives_it(
    size, stride, padded, dilation, ceil_mode, length
) -> None:
    x = torch.randn(1, 2, 3, length, length, generator=torch.Generator().manual_seed(0)).requires_grad_()
    more = {"stride": (1, stride, stride), "padding": (0, size // 2, size // 2) if padded else 0}
    more |= {"dilation": (1, dilation, dilation), "ceil_mode": ceil_mode}
    own, plain = (pool(*given, **more) for pool, given in (
        (_winner_pooling, (F.max_pool3d, x, (1, size, size))), (F.max_pool3d, (x, (1, size, size))),
    ))  # fmt: skip
    assert torch.equal(own, plain)
    upper = torch.randn(plain.shape, generator=torch.Generator().manual_seed(1))
    found, wanted = (torch.autograd.grad(pooled, x, upper)[0] for pooled in (own, plain))
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(("method", "more"), [("dtd", BOX), ("lrp_epsilon_plus", {})])
def test_winners_of_a_plain_clip_lean_to_no_side(method: str, more: dict) -> None:
    model = nn.Sequential(
        nn.Conv3d(3, 4, 1), nn.ReLU(), nn.MaxPool3d(2), nn.Conv3d(4, 5, 1), nn.AdaptiveAvgPool3d(1), nn.Flatten()
    )  # fmt: skip
    relevance = explain(seeded(model), torch.ones(1, 3, *SHAPE), 1, method, pooling="winner", **more)
    assert relevance.abs().max() > 0
    torch.testing.assert_close(relevance, relevance.mean().expand_as(relevance))


@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(1, 3),
    stride=st.integers(1, 3),
    padded=st.booleans(),
    ceil_mode=st.booleans(),
    length=st.integers(3, 8),
)
def test_proportional_pooling_keeps_relevance_in_its_window(
    size: int, stride: int, padded: bool, ceil_mode: bool, length: int
) -> None:
    x = torch.rand(1, 2, 3, length, length, generator=torch.Generator().manual_seed(0)) + 0.1
    x.requires_grad_()
    window = {"stride": (1, stride, stride), "padding": (0, size // 2, size // 2) if padded else 0}
    pooled = _proportional_pooling(F.max_pool3d, x, (1, size, size), ceil_mode=ceil_mode, **window)
    winner = F.max_pool3d(x, (1, size, size), ceil_mode=ceil_mode, **window)
    assert torch.equal(pooled, winner)
    for row in range(pooled.shape[3]):
        upper = torch.zeros_like(pooled)
        upper[..., row, :] = 1
        (lower,) = torch.autograd.grad(pooled, x, upper, retain_graph=True)
        torch.testing.assert_close(lower.sum(), upper.sum())
        first = row * stride - (size // 2 if padded else 0)
        assert (
            lower[..., : max(first, 0), :].count_nonzero()
            == lower[..., first + size :, :].count_nonzero()
            == 0
        )


class Functional(nn.Module):
    """The same arithmetic as its module form, by functions, in place, and with constants."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Conv3d(3, 4, 3), nn.Conv3d(4, 4, 3, padding=1), nn.Linear(4, 5)
        self.scale = nn.Parameter(torch.rand(4, 1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.a(F.pad(x, (1,) * 6))
        F.relu(x, inplace=True)
        y = self.b(x).relu_()
        y = y * 2
        y.div_(2)
        y = (self.scale * y + 0.0) / self.scale
        y.add_(x)
        x = F.max_pool3d(F.dropout(y, training=self.training), 2)
        return self.head(x.mean((2, 3, 4)))


class Modular(Functional):
    """The network that Functional is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        relu, pool = nn.ReLU(), nn.MaxPool3d(2)
        x = relu(F.conv3d(x, self.a.weight, self.a.bias, padding=1))
        return self.head(nn.AdaptiveAvgPool3d(1)(pool(relu(self.b(x)) + x)).flatten(1))


@pytest.mark.parametrize("method", [*CONSERVATIVE, "guided_backprop", "gradient"])
def test_functions_and_operations_in_place_are_met_like_modules(method: str) -> None:
    model = seeded(Functional())
    model.scale.data.abs_().add_(0.1)
    modular = Modular().eval()
    modular.load_state_dict(model.state_dict())
    torch.testing.assert_close(model(clips()), modular(clips()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = explain(model, clips(), [0, 3], method)
    torch.testing.assert_close(found, explain(modular, clips(), [0, 3], method), rtol=1e-4, atol=1e-6)


class OwnSwish(torch.autograd.Function):
    """An activation that derives itself, so that no operation of torch tells of it."""

    @staticmethod
    def forward(ctx, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, upper: torch.Tensor) -> torch.Tensor:
        share = torch.sigmoid(ctx.saved_tensors[0])
        return upper * share * (1 + ctx.saved_tensors[0] * (1 - share))


# What stands between a hidden layer and the head, and the name by which it is refused, if it is.
BETWEEN = {
    "gated": (lambda x, y: x * torch.sigmoid(y), None),
    "gated by a mean": (lambda x, y: F.hardsigmoid(y.mean((2, 3, 4), keepdim=True)) * x, None),
    "difference": (lambda x, y: (x + 1) - y.clone().sub_(x), None),
    "broadcast sum": (lambda x, y: x + y.mean((2, 3, 4), keepdim=True), None),
    "larger constant": (lambda x, y: (x + y).mean((2, 3, 4), keepdim=True) * torch.ones(2, 1, 1, 1, 1), None),
    "product": (lambda x, y: x * y, "mul"),
    "square": (lambda x, y: (x + y) ** 2, "pow"),
    "softmax": (lambda x, y: x + y.softmax(1), "softmax"),
    "own derivative": (lambda x, y: x + OwnSwish.apply(y), "own_swish"),
    "quotient": (lambda x, y: x / (y + 1), "div"),
    "exponential": (lambda x, y: x + y.exp(), "exp"),
}


@pytest.mark.parametrize("method", CONSERVATIVE)
@pytest.mark.parametrize("case", BETWEEN)
def test_what_has_no_rule_is_refused_and_the_rest_conserved(case: str, method: str) -> None:
    between, refused = BETWEEN[case]

    class Network(Functional):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = F.relu(self.a(x))
            return self.head(between(x, F.relu(self.b(x))).mean((2, 3, 4)))

    model = seeded(Network())
    if refused:
        with pytest.raises(
            VoxplainError, match=rf"no rule for operations of this network: {refused}\. .*attnlrp"
        ):
            explain(model, clips(), 1, method)
    else:
        sums = explain(model, clips(1), 1, method).sum((1, 2, 3))
        torch.testing.assert_close(sums, torch.ones(1), rtol=0, atol=1e-2)


def test_a_gate_takes_no_relevance() -> None:
    model = nn.Sequential(nn.Conv3d(3, 2, 1, bias=False), nn.ReLU()).eval()
    model[0].weight.data = torch.tensor([[1.0, 0, 0], [0, 1, 0]]).view(2, 3, 1, 1, 1)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = model

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.features(x)
            return (x[:, :1] * torch.sigmoid(x[:, 1:])).flatten(1)

    x = torch.tensor([[[[[2.0, 0, 0]]], [[[0, 5.0, 0]]], [[[0, 0, 1.0]]]]])
    found = explain(Network(), x, 0, "lrp_epsilon_plus")
    torch.testing.assert_close(found.flatten(), torch.tensor([1.0, 0, 0]))


class Pathways(nn.Module):
    """Every second frame, and all: two layers see the clip itself."""

    def __init__(self) -> None:
        super().__init__()
        self.slow, self.fast = nn.Conv3d(3, 2, (1, 3, 3)), nn.Conv3d(3, 2, (2, 3, 3), stride=(2, 1, 1))
        self.head = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        both = [F.relu(self.slow(x[:, :, ::2])), F.relu(self.fast(x))]
        return self.head(torch.cat(both, 1).mean((2, 3, 4)))


def test_each_layer_that_sees_the_clip_gets_its_rule_and_its_bounds() -> None:
    model, inputs = seeded(Pathways()), clips(1)
    # One layer that does what both do: the slow one sees the first frame of each two.
    joint = nn.Conv3d(3, 4, (2, 3, 3), stride=(2, 1, 1))
    with torch.no_grad():
        joint.weight.zero_()
        joint.weight[:2, :, :1], joint.weight[2:] = model.slow.weight, model.fast.weight
        joint.bias.copy_(torch.cat([model.slow.bias, model.fast.bias]))
    plain = nn.Sequential(joint, nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), model.head).eval()
    torch.testing.assert_close(model(inputs), plain(inputs))
    low, high = [-2.0, -2.5, -3.0], [2.0, 2.5, 3.0]
    for method in ("dtd", "lrp_gamma", "attnlrp"):
        torch.testing.assert_close(
            explain(model, inputs, 1, method, low=low, high=high),
            explain(plain, inputs, 1, method, low=low, high=high),
        )


@pytest.mark.parametrize("whole", [True, False])
def test_compiled_networks_are_explained_as_what_was_compiled(whole: bool) -> None:
    model = with_spec(seeded(Residual(inplace=False)))
    expected = {
        method: explain(model, byte_clips(), 1, method, **CHEAP.get(method, {})) for method in METHODS
    }
    if whole:
        compiled = torch.compile(model, backend="eager")
    else:
        compiled, model.branch[3] = model, torch.compile(model.branch[3], backend="eager")
        model.conv1.compile(backend="eager")
    compiled(clips())
    for method in METHODS:
        found = explain(compiled, byte_clips(), 1, method, **CHEAP.get(method, {}))
        torch.testing.assert_close(found, expected[method])
    layers = [layer_activations(each, clips(), ["conv2"])[0]["conv2"] for each in (compiled, model)]
    torch.testing.assert_close(*layers)
    slopes = [
        logit_gradients(each, clips(), torch.tensor([1, 2]), ["conv2"])["conv2"] for each in (compiled, model)
    ]
    torch.testing.assert_close(*slopes)


def test_guided_backpropagation_says_where_nothing_is_rectified() -> None:
    smooth = nn.Sequential(nn.Conv3d(3, 2, 1), nn.GELU(), nn.Flatten(), nn.Linear(2 * 4 * 8 * 8, 5))
    with pytest.warns(UserWarning, match="Nothing in the network is rectified"):
        found = explain(seeded(smooth), clips(), 1, "guided_backprop")
    torch.testing.assert_close(found, explain(smooth, clips(), 1, "gradient"))


# Attention


class Attention(nn.Module):
    """A transformer of one block: patches, a class token, positions, layer norms, two heads, GELU, residual sums."""

    def __init__(self, fused: bool = False) -> None:
        super().__init__()
        self.fused = fused
        self.patches = nn.Conv3d(3, 8, (2, 4, 4), stride=(2, 4, 4))
        self.token, self.position = nn.Parameter(torch.zeros(1, 1, 8)), nn.Parameter(torch.zeros(1, 9, 8))
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(8), nn.LayerNorm(8), nn.LayerNorm(8)
        self.qkv, self.project = nn.Linear(8, 24), nn.Linear(8, 8)
        self.mlp = nn.Sequential(nn.Linear(8, 12), nn.GELU(), nn.Linear(12, 8))
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).mT
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position
        q, k, v = self.qkv(self.norm1(x)).unflatten(2, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        if self.fused:
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = (q @ k.mT * 0.5).softmax(-1) @ v
        x = x + self.project(mixed.transpose(1, 2).flatten(2))
        x = x + self.mlp(self.norm2(x))
        return self.head(self.norm3(x)[:, 0] + x[:, 1:].mean(1))


def attention_by_formulas(model: Attention, clip: np.ndarray, target: int) -> np.ndarray:
    """Relevance (3, T, H, W) of `Attention` by the paper's formulas in terms of relevance, in numpy's doubles.

    Independent of the library: every operation's input relevances are written out from its output's.
    """
    p = {name: value.detach().double().numpy() for name, value in model.state_dict().items()}

    def linear(x, w, r, y):  # epsilon rule: x_i w_ji r_j / y_j
        return x * ((r / y) @ w)

    def norm(x, name):
        d = np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return (x - x.mean(-1, keepdims=True)) / d * p[f"{name}.weight"] + p[f"{name}.bias"], d

    def norm_back(x, name, d, r, y):  # a linear layer whose matrix is (1 - 1/n) w / d
        n = x.shape[-1]
        out = np.zeros_like(x)
        for i in range(n):
            for j in range(n):
                out[:, i] += (
                    x[:, i] * ((i == j) - 1 / n) * p[f"{name}.weight"][j] / d[:, 0] * r[:, j] / y[:, j]
                )
        return out

    # forward
    blocks = clip.reshape(3, 2, 2, 2, 4, 2, 4).transpose(1, 3, 5, 0, 2, 4, 6).reshape(8, -1)
    w0 = p["patches.weight"].reshape(8, -1)
    patches = blocks @ w0.T + p["patches.bias"]
    x0 = np.concatenate([p["token"][0], patches]) + p["position"][0]
    a, da = norm(x0, "norm1")
    qkv = a @ p["qkv.weight"].T + p["qkv.bias"]
    heads = qkv.reshape(9, 3, 2, 4).transpose(1, 2, 0, 3)
    q, k, v = heads
    s = np.einsum("hic,hjc->hij", q, k) * 0.5
    e = np.exp(s - s.max(-1, keepdims=True))
    t = e / e.sum(-1, keepdims=True)
    o = np.einsum("hij,hjc->hic", t, v)
    flat = o.transpose(1, 0, 2).reshape(9, 8)
    proj = flat @ p["project.weight"].T + p["project.bias"]
    x1 = x0 + proj
    b, db = norm(x1, "norm2")
    h = b @ p["mlp.0.weight"].T + p["mlp.0.bias"]
    g = h * 0.5 * (1 + scipy.special.erf(h / np.sqrt(2)))
    m = g @ p["mlp.2.weight"].T + p["mlp.2.bias"]
    x2 = x1 + m
    c, dc = norm(x2, "norm3")
    mean = x2[1:].mean(0)
    pooled = c[0] + mean
    scores = p["head.weight"] @ pooled + p["head.bias"]
    # backward
    r_pooled = pooled * p["head.weight"][target]  # of r = score: x w r / y
    r_c, r_mean = c[0] / pooled * r_pooled, mean / pooled * r_pooled
    r_x2 = np.zeros_like(x2)
    r_x2[1:] = x2[1:] / 8 / mean * r_mean
    full = np.zeros_like(c)
    full[0] = r_c
    r_x2 += norm_back(x2, "norm3", dc, full, c)
    r_x1, r_m = x1 / x2 * r_x2, m / x2 * r_x2
    r_h = linear(g, p["mlp.2.weight"], r_m, m)  # identity rule of GELU
    r_b = linear(b, p["mlp.0.weight"], r_h, h)
    r_x1 = r_x1 + norm_back(x1, "norm2", db, r_b, b)
    r_x0, r_proj = x0 / x1 * r_x1, proj / x1 * r_x1
    r_o = linear(flat, p["project.weight"], r_proj, proj).reshape(9, 2, 4).transpose(1, 0, 2)
    r_t, r_q, r_k, r_v = np.zeros_like(t), np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for head, i, j, d in np.ndindex(2, 9, 9, 4):  # uniform rule
        part = t[head, i, j] * v[head, j, d] * r_o[head, i, d] / (2 * o[head, i, d])
        r_t[head, i, j] += part
        r_v[head, j, d] += part
    r_s = s * (r_t - t * r_t.sum(-1, keepdims=True))  # deep Taylor of the softmax
    for head, i, j, d in np.ndindex(2, 9, 9, 4):
        part = 0.5 * q[head, i, d] * k[head, j, d] * r_s[head, i, j] / (2 * s[head, i, j])
        r_q[head, i, d] += part
        r_k[head, j, d] += part
    r_qkv = np.stack([r_q, r_k, r_v]).transpose(2, 0, 1, 3).reshape(9, 24)
    r_a = linear(a, p["qkv.weight"], r_qkv, qkv)
    r_x0 = r_x0 + norm_back(x0, "norm1", da, r_a, a)
    r_patches = patches / x0[1:] * r_x0[1:]
    z = blocks[:, None] * w0 - BOX["low"] * w0.clip(0) - BOX["high"] * w0.clip(None, 0)  # z-box
    r_blocks = (z / z.sum(-1, keepdims=True) * r_patches[:, :, None]).sum(1)
    assert abs(scores[target]) > 0.1
    return r_blocks.reshape(2, 2, 2, 3, 2, 4, 4).transpose(3, 0, 4, 1, 5, 2, 6).reshape(3, *SHAPE)


@pytest.mark.parametrize("fused", [True, False])
def test_relevance_through_attention_is_that_of_the_papers_formulas(fused: bool) -> None:
    model, inputs = seeded(Attention(fused), 3), clips()
    found = explain(model, inputs, [1, 4], "attnlrp", **BOX)
    for relevance, clip, target in zip(found, inputs.double().numpy(), [1, 4], strict=True):
        expected = attention_by_formulas(model, clip, target).sum(0)
        np.testing.assert_allclose(relevance, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_what_does_not_reach_the_clip_is_what_constants_absorb(seed: int) -> None:
    model, inputs, targets = seeded(Attention(), seed), clips(seed=seed), torch.tensor([0, 3])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        relevance, absorbed = attention_relevance(model, inputs, targets, **BOX)
    scores = model(inputs).gather(1, targets[:, None]).sum().item()
    assert set(absorbed) == {"biases", "constants", "softmaxes"}
    assert abs(relevance.sum().item() + sum(absorbed.values()) - scores) < 1e-2 * abs(scores) + 1e-3


def test_without_constants_and_softmax_all_relevance_reaches_the_clip() -> None:
    model = seeded(
        nn.Sequential(nn.Conv3d(3, 4, 3, bias=False), nn.SiLU(), nn.Flatten(), nn.Linear(288, 5, False))
    )
    relevance, absorbed = attention_relevance(model, clips(), torch.tensor([1, 2]), **BOX)
    torch.testing.assert_close(relevance.sum((1, 2, 3)), model(clips())[[0, 1], [1, 2]], rtol=1e-4, atol=1e-4)
    assert not any(absorbed.values())


def test_relevance_through_what_attention_has_no_rule_for_is_refused() -> None:
    class Network(Attention):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x).exp()

    with pytest.raises(VoxplainError, match="no rule for operations of this network: exp"):
        explain(seeded(Network()), clips(), 1, "attnlrp")
    with pytest.raises(VoxplainError, match="no rule .* softmax.* Choose attnlrp"):
        explain(seeded(Attention()), clips(), 1, "dtd")


def test_names_of_operations() -> None:
    assert [operation_name(name) for name in ("relu_", "__iadd__", "index", "__radd__")] == [
        "relu", "add", "index", "radd",
    ]  # fmt: skip


def test_own_derivative_may_be_anything() -> None:
    x = torch.tensor([2.0], requires_grad=True)
    y = OwnDerivative.apply(torch.square, lambda upper, x: (upper * 10 + x,), x)
    assert y.item() == 4 and torch.autograd.grad(y, x)[0].item() == 12


@pytest.mark.parametrize("method", ["dtd", "guided_backprop", "gradient"])
def test_relevance_moves_with_the_clip(method: str) -> None:
    circular = {"padding": 1, "padding_mode": "circular"}
    model = seeded(
        nn.Sequential(
            nn.Conv3d(3, 4, 3, **circular), nn.ReLU(), nn.Conv3d(4, 4, 3, **circular), nn.ReLU(),
            nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 5),
        )
    )  # fmt: skip
    moved = explain(model, clips().roll((1, 3), (2, 4)), 2, method)
    torch.testing.assert_close(moved, explain(model, clips(), 2, method).roll((1, 3), (1, 3)))


# Gradients


def linear_model() -> tuple[nn.Module, torch.Tensor]:
    model = seeded(nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 8 * 8, 5)))
    return model, model[1].weight.data.view(5, 3, *SHAPE)[[1, 3]]


@pytest.mark.parametrize(
    ("method", "options", "factor"),
    [
        ("gradient", {}, lambda x: 1),
        ("guided_backprop", {}, lambda x: 1),
        ("smoothgrad", {"samples": 3}, lambda x: 1),
        ("input_x_gradient", {}, lambda x: x),
        ("integrated_gradients", {"steps": 1, "baseline": 0.5}, lambda x: x - 0.5),
        ("lrp_epsilon_plus", {}, None),
    ],
)
def test_explanations_of_a_linear_network(method: str, options: dict, factor) -> None:
    model, weight = linear_model()
    if factor is None:
        positive = (clips() * weight).clamp(min=0)
        expected = positive.sum(1) / positive.sum((1, 2, 3, 4), keepdim=True)[:, 0]
    else:
        expected = (weight * factor(clips())).sum(1)
    torch.testing.assert_close(
        explain(model, clips(), [1, 3], method, **options), expected, rtol=1e-4, atol=1e-5
    )


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**16), baseline=st.floats(-1, 1))
def test_integrated_gradients_are_complete(seed: int, baseline: float) -> None:
    smooth = nn.Sequential(nn.Conv3d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 2 * 6 * 6, 5))
    model, inputs = seeded(smooth, seed), clips(seed=seed)
    relevance = explain(model, inputs, 2, "integrated_gradients", steps=64, baseline=baseline)
    difference = (model(inputs) - model(torch.full_like(inputs, baseline)))[:, 2]
    torch.testing.assert_close(relevance.sum((1, 2, 3)), difference, rtol=1e-2, atol=1e-2)


def test_smoothgrad_without_noise_is_the_gradient_and_with_it_depends_on_the_seed() -> None:
    model = seeded(Residual())
    torch.testing.assert_close(
        explain(model, clips(), 1, "smoothgrad", samples=2, noise=0.0), explain(model, clips(), 1, "gradient")
    )
    first, again, other = (
        explain(model, clips(), 1, "smoothgrad", samples=2, seed=seed) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


# Grad-CAM


class Maps(nn.Module):
    """A network whose feature maps and their gradients are known."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 2, 1, bias=False)
        self.conv.weight.data = torch.tensor([[1.0, 0, 0], [0, 1, 0]]).view(2, 3, 1, 1, 1)
        self.head = nn.Conv3d(2, 5, 1, bias=False)
        self.register_buffer("gradient", torch.zeros(5, 2, 4, 8, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.conv(x)
        pooled = torch.einsum("ncthw,kcthw->nk", maps, self.gradient)
        return pooled + 0 * self.head(maps.mean((2, 3, 4), keepdim=True)).flatten(1)


@pytest.mark.parametrize("pool", ["clip", "frame"])
def test_gradcam_by_hand(pool: str) -> None:
    model, inputs = Maps(), clips()
    model.gradient.normal_(generator=torch.Generator().manual_seed(1))
    weights = model.gradient[2].mean((1, 2, 3) if pool == "clip" else (2, 3), keepdim=True)
    expected = (weights * inputs[:, :2]).sum(1).clamp(min=0)
    # The head, though the last convolution, sees one position only and is passed over.
    torch.testing.assert_close(explain(model, inputs, 2, "gradcam", pool=pool), expected)


def test_the_activations_norm_knows_neither_class_nor_gradient() -> None:
    model, inputs = Maps(), clips()
    torch.testing.assert_close(activation_norm(model, inputs), inputs[:, :2].square().sum(1).sqrt())
    with pytest.raises(ConfigError, match="no convolution"):
        activation_norm(nn.Flatten(), inputs)


def test_hirescam_and_layercam_by_hand() -> None:
    model, inputs = Maps(), clips()
    model.gradient.normal_(generator=torch.Generator().manual_seed(1))
    gradient, maps = model.gradient[2], inputs[:, :2]
    torch.testing.assert_close(explain(model, inputs, 2, "hirescam"), (gradient * maps).sum(1).relu())
    layercam = (gradient.clamp(min=0) * maps).sum(1).relu()
    torch.testing.assert_close(explain(model, inputs, 2, "layercam"), layercam)


def test_hirescam_is_gradcam_where_gradients_are_the_same_everywhere() -> None:
    """Draelos and Carin, section 3.3: of networks that end in pooling and one linear layer."""
    model = seeded(
        nn.Sequential(nn.Conv3d(3, 6, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(6, 5)), 2
    )
    ways = [explain(model, clips(), 1, method, layer="0") for method in ("gradcam", "hirescam")]
    torch.testing.assert_close(*ways)
    assert not torch.allclose(ways[0], explain(model, clips(), 1, "layercam", layer="0"))


def test_hirescam_before_a_layer_norm_is_refused() -> None:
    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.head = nn.Conv3d(3, 6, 3), nn.LayerNorm(6, eps=0), nn.Linear(6, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.norm(self.conv(x).movedim(1, -1)).relu().mean((1, 2, 3)))

    model = seeded(Normed())
    with pytest.raises(ConfigError, match="Take gradcam or layercam"):
        explain(model, clips(), 1, "hirescam", layer="conv")
    assert explain(model, clips(), 1, "layercam", layer="conv").max() > 0


def test_gradcam_upsamples_between_the_centers_of_its_cells() -> None:
    model = seeded(
        nn.Sequential(nn.Conv3d(3, 2, (4, 4, 8), stride=(4, 4, 8)), nn.Flatten(), nn.Linear(4, 5)), 3
    )
    weights = model[2].weight[3].view(2, 2).mean(1)
    low, high = (weights[:, None] * model[0](clips(1))[0, :, 0, :, 0]).sum(0).relu().tolist()
    ramp = low + (high - low) * torch.tensor([0, 0, 1, 3, 5, 7, 8, 8]) / 8
    found = explain(model, clips(1), 3, "gradcam")[0]
    torch.testing.assert_close(found, ramp.view(1, 8, 1).expand(4, 8, 8))
    assert low != high


def test_gradcam_by_spline_is_scipys_zoom() -> None:
    model = seeded(nn.Sequential(nn.Conv3d(3, 2, 2, stride=2), nn.Flatten(), nn.Linear(64, 5)))
    cells = explain(model, clips(), 1, "gradcam", upsampling="spline")
    features = model[0](clips())
    weights = model[2].weight[1].view(2, 2, 4, 4).mean((1, 2, 3), keepdim=True)
    heat = (weights * features).sum(1).relu().detach().numpy()
    np.testing.assert_allclose(cells, [zoom(clip, 2, order=3) for clip in heat], atol=1e-6)


def test_guided_gradcam_is_the_product_and_takes_a_layer() -> None:
    model = with_spec(seeded(Residual()), last_conv="conv2.0")
    for options in ({}, {"layer": "stem"}):
        product = explain(model, clips(), 1, "guided_backprop") * explain(
            model, clips(), 1, "gradcam", **options
        )
        assert torch.equal(explain(model, clips(), 1, "guided_gradcam", **options), product)
    assert torch.equal(
        explain(model, clips(), 1, "gradcam"), explain(model, clips(), 1, "gradcam", layer="conv2.0")
    )


def test_guided_backprop_lets_through_what_is_positive_both_ways() -> None:
    model = nn.Sequential(
        nn.Conv3d(3, 3, 1, groups=3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(3, 2)
    ).eval()
    model[0].weight.data.fill_(2), model[3].weight.data.copy_(torch.tensor([[5.0, 5, -5], [0, 0, 0]]))
    inputs = torch.tensor([1.0, -1, 1]).view(1, 3, 1, 1, 1)  # only the first is active and spoken for
    assert explain(model, inputs, 0, "guided_backprop").item() == 10
    assert explain(model, inputs, 0, "gradient").item() == 0


# Occlusion and control


def test_occlusion_of_a_linear_network_is_what_each_supervoxel_adds() -> None:
    model, weight = linear_model()
    coarse = torch.ones(SHAPE, dtype=torch.int64)
    coarse[:, :, 4:] = 2
    fine = torch.arange(4).view(4, 1, 1).expand(SHAPE)  # the first frame is labeled 0: in no supervoxel
    labels = torch.stack([coarse, fine]).expand(2, -1, -1, -1, -1)
    relevance = explain(model, clips(), [1, 3], "occlusion", labels=labels, fill=0.25, batch=2)
    added = (weight * (clips() - 0.25)).sum(1)
    expected = torch.zeros_like(added)
    for level in (coarse, fine):
        for label in range(1, int(level.max()) + 1):
            expected += (level == label) * (added * (level == label)).sum((1, 2, 3), keepdim=True) / 2
    torch.testing.assert_close(relevance, expected, rtol=1e-4, atol=1e-4)


def test_a_clip_is_occluded_once_for_all_classes_that_are_asked_about(monkeypatch) -> None:
    model, _ = linear_model()
    frames = np.random.default_rng(0).integers(0, 256, (2, *SHAPE, 3), dtype=np.uint8)[[0, 0, 0, 1]]
    targets = [2, 1, 0, 0]
    model.spec = ModelSpec("toy", 5, {}, (110.0,) * 3, (60.0,) * 3, None, None, (), None, "1")
    segmented, shown = [], []
    segment = occlusion.segment_supervoxels
    monkeypatch.setattr(
        occlusion, "segment_supervoxels", lambda *a, **o: segmented.append(1) or segment(*a, **o)
    )
    model.register_forward_hook(lambda module, given, found: shown.append(len(given[0])))
    how = {"method": "occlusion", "n_segments": (3, 5)}
    together = explain(model, torch.from_numpy(frames), targets, **how)
    asked = sum(shown) - len(frames)  # without the clips as they are
    assert len(segmented) == 2
    shown.clear()
    alone = [
        explain(model, torch.from_numpy(frames[[n]]), target, **how)[0] for n, target in enumerate(targets)
    ]
    torch.testing.assert_close(together, torch.stack(alone))
    assert together.unique(dim=0).shape == together.shape
    assert asked < (sum(shown) - len(frames)) / 1.5


class Game(nn.Module):
    """Scores depend on which of the four quarters of the clip are shown (are not 0), and not only on each alone."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b, c, d = ((part != 0).flatten(1).any(1).float() for part in x.split(2, dim=4))
        score = 3 * a - 2 * b + 5 * a * c - 4 * b * c * d + 1
        return torch.stack([score, -score], dim=1)

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))


QUARTERS = (torch.arange(8) // 2 + 1).expand(1, 1, *SHAPE)


def shapley(score: Callable[[frozenset], float], players: int) -> list[float]:
    """Shapley values by their definition: what a player adds, mean over all orders."""
    values = [0.0] * players
    orders = list(permutations(range(players)))
    for order in orders:
        before: frozenset = frozenset()
        for player in order:
            values[player] += (score(before | {player}) - score(before)) / len(orders)
            before = before | {player}
    return values


def test_kernel_shap_of_all_sets_is_shapleys_value() -> None:
    def score(shown: frozenset) -> float:
        a, b, c, d = (float(player in shown) for player in range(4))
        return 3 * a - 2 * b + 5 * a * c - 4 * b * c * d + 1

    inputs = torch.ones(1, 3, *SHAPE)
    for target, sign in ((0, 1), (1, -1)):
        found = explain(Game(), inputs, target, "kernel_shap", labels=QUARTERS, samples=14, batch=5)
        expected = sign * torch.tensor(shapley(score, 4)).repeat_interleave(2)
        torch.testing.assert_close(found, expected.expand(1, *SHAPE), rtol=1e-4, atol=1e-5)


def test_sampled_kernel_shap_keeps_the_sum_and_comes_near_captum() -> None:
    model, labels = seeded(Residual()), torch.arange(1, 257).view(1, 1, *SHAPE) // 16 + 1
    inputs = clips(1)
    found = explain(model, inputs, 2, "kernel_shap", labels=labels, samples=3000, agreement=1.0)
    values = torch.stack([found[labels[0] == label][0] for label in labels.unique()])
    with torch.no_grad():
        difference = model(inputs)[0, 2] - model(0 * inputs)[0, 2]
    torch.testing.assert_close(values.sum(), difference, rtol=1e-3, atol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        masks = (labels - 1).expand(1, 3, -1, -1, -1)
        torch.manual_seed(0)
        oracle = KernelShap(model).attribute(inputs, target=2, feature_mask=masks, n_samples=3000)
    assert np.corrcoef(found.flatten(), oracle[:, 0].flatten())[0, 1] > 0.98


@pytest.mark.parametrize("method", ["rise", "kernel_shap", "lime"])
def test_asking_about_a_linear_network_finds_what_each_supervoxel_adds(method: str) -> None:
    model, weight = linear_model()
    labels = torch.arange(4).view(4, 1, 1).expand(1, 1, *SHAPE)  # the first frame is in no supervoxel
    options = {"samples": 400, "agreement": 1.0, "fill": 0.25} | (
        {"penalty": 1e-9} if method == "lime" else {}
    )
    found = explain(model, clips(), [1, 3], method, labels=labels.expand(2, -1, -1, -1, -1), **options)
    added = (weight * (clips() - 0.25)).sum(1)
    expected = added.sum((2, 3), keepdim=True).expand_as(added).clone()
    expected[:, 0] = 0
    tolerance = {"rtol": 1e-3, "atol": 1e-2}
    if method == "rise":  # alone takes the others' parts for chance; of 400 samples 200 are no complements
        tolerance = {"rtol": 0, "atol": 4 * expected[..., 0, 0].norm(dim=1).max().item() / 200**0.5}
    torch.testing.assert_close(found, expected, **tolerance)


def test_rise_is_the_difference_of_means() -> None:
    shown = shown_in_half(np.random.default_rng(0), 5, 9)
    assert shown.shape == (8, 5) and (shown[::2] != shown[1::2]).all()
    scores = np.arange(8.0)
    expected = [scores[some].mean() - scores[~some].mean() for some in shown.T]
    np.testing.assert_allclose(shown_less_hidden(shown, scores), expected)


def test_lime_weighs_sets_by_their_distance_from_the_whole_clip() -> None:
    """A game with interactions: near the whole clip a supervoxel is worth what it adds to all others."""
    inputs = torch.ones(1, 3, *SHAPE)
    options = {"labels": QUARTERS, "samples": 400, "agreement": 1.0, "penalty": 1e-6}
    near = explain(Game(), inputs, 0, "lime", kernel_width=0.06, **options)[0, 0, 0, ::2]
    torch.testing.assert_close(near, torch.tensor([8.0, -6.0, 1.0, -4.0]), rtol=1e-2, atol=5e-2)


def test_sets_come_as_often_as_the_shapley_kernel_says() -> None:
    shown = shown_by_shapley_kernel(np.random.default_rng(0), 20, 20_000)
    assert (shown[::2] != shown[1::2]).all()
    sizes = np.arange(1, 20)
    expected = 1 / (sizes * (20 - sizes))
    found = np.bincount(shown.sum(axis=1), minlength=20)[1:] / len(shown)
    np.testing.assert_allclose(found, expected / expected.sum(), atol=0.01)
    assert len(shown_by_shapley_kernel(np.random.default_rng(0), 4, 14)) == 14
    assert len(np.unique(shown_by_shapley_kernel(np.random.default_rng(0), 4, 100), axis=0)) == 14


def test_sampling_ends_when_halves_agree_and_warns_where_they_do_not(caplog) -> None:
    asked = []

    class Counting(Game):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            asked.append(len(x))
            return super().forward(x)

    labels = (torch.arange(8) + 1).expand(1, 1, *SHAPE)
    explain(Counting(), torch.ones(1, 3, *SHAPE), 0, "rise", labels=labels, samples=4000, agreement=0.5)
    assert sum(asked) < 4000 and not caplog.records
    explain(Game(), torch.ones(1, 3, *SHAPE), 0, "rise", labels=labels, samples=16, agreement=1.0)
    assert "samples are too few" in caplog.text


@pytest.mark.parametrize("method", ["rise", "lime", "kernel_shap"])
def test_a_clip_of_one_supervoxel_or_none(method: str) -> None:
    model, inputs = seeded(Residual()), clips(1)
    one, none = torch.ones(1, 1, *SHAPE), torch.zeros(1, 1, *SHAPE)
    assert torch.equal(explain(model, inputs, 1, method, labels=none), torch.zeros(1, *SHAPE))
    found = explain(model, inputs, 1, method, labels=one)
    with torch.no_grad():
        difference = model(inputs)[0, 1] - model(0 * inputs)[0, 1]
    if method == "lime":  # the penalty shrinks it
        assert found.sign().unique() == difference.sign()
    else:
        torch.testing.assert_close(found, difference.expand(1, *SHAPE), rtol=1e-3, atol=1e-4)


def test_explainers_by_supervoxels_are_those_that_take_labels() -> None:
    assert set(BY_SUPERVOXELS) == {
        plugin.name for plugin in EXPLAINERS if "labels" in plugin.schema.model_fields
    }


def test_random_is_uniform_and_differs_between_clips_and_seeds() -> None:
    model = seeded(Residual())
    maps = explain(model, clips(shape=(4, 32, 32)), 1, "random")
    assert maps.min() >= 0 and maps.max() < 1 and abs(maps.mean() - 0.5) < 0.02
    assert not torch.equal(maps[0], maps[1])
    assert not torch.equal(maps, explain(model, clips(shape=(4, 32, 32)), 1, "random", seed=1))
