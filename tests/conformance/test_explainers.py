"""Explainers against a golden map, captum and zennit; conservation on real architectures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.video import mc3_18, r2plus1d_18
from torchvision.models.video.resnet import BasicBlock
from zennit.composites import EpsilonGammaBox, EpsilonPlus, SpecialFirstLayerMapComposite
from zennit.rules import Epsilon, Gamma, Pass, ZBox, ZPlus
from zennit.types import Activation, Convolution, Linear

from voxplain import build_model, explain
from voxplain.explainers import EXPLAINERS, propagation

CONSERVATIVE = [plugin.name for plugin in EXPLAINERS if plugin.traits["conservative"]]
TARGETS = torch.tensor([1, 3])


def small_net(*, padding: int | tuple = 0) -> nn.Sequential:
    """The network of the golden map, or one whose second pooling is padded."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool3d((1, 2, 2)),
        nn.Conv3d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2, padding=padding), nn.Flatten(),
        nn.LazyLinear(12), nn.ReLU(), nn.Linear(12, 5),
    ).eval()  # fmt: skip


def clips(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(seed)) * 3 - 1.5


def trained_looking(model: nn.Module) -> nn.Module:
    """Replace fresh batch norms by such as training leaves: scales, shifts and statistics of all kinds."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.normal_(0, 0.3, generator=generator)
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return model.eval()


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    """Compare relative to the greatest value of the map."""
    assert expected.abs().max() > 0
    assert (found - expected).abs().max() <= tolerance * expected.abs().max()


# Golden map: torchexplain's DTD


def test_dtd_reproduces_the_golden_map(shared) -> None:
    with np.load(shared / "golden" / "dtd_small_net.npz") as arrays:
        golden = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    model = small_net()
    model.load_state_dict({name[2:]: value for name, value in golden.items() if name.startswith("p_")})
    torch.testing.assert_close(model(golden["input"]), golden["logits"])
    box = {"low": float(golden["low"]), "high": float(golden["high"])}
    relevance = explain(model, golden["input"], golden["target"], method="dtd", **box)
    expected = golden["relevance"].sum(1)
    close(relevance, expected)
    assert ((relevance - expected).abs() / expected).max() < 1e-5


# zennit


def by_zennit(composite, model: nn.Module, inputs: Tensor) -> Tensor:
    inputs = inputs.clone().requires_grad_()
    with composite.context(model) as explained:
        scores = explained(inputs)
        return torch.autograd.grad(scores, inputs, torch.eye(scores.shape[1])[TARGETS])[0].sum(1)


def no_bias(rule, *arguments, **options):
    return rule(*arguments, zero_params=["bias"], **options)


@pytest.mark.parametrize("padding", [0, (0, 1, 1)])
@pytest.mark.parametrize("method", CONSERVATIVE)
def test_propagation_agrees_with_zennit(method: str, padding: int | tuple) -> None:
    model, inputs = small_net(padding=padding), clips(8, 32, 32)
    model(inputs)
    exact = {"stabilizer": 1e-12}
    plus, gamma = no_bias(ZPlus, **exact), no_bias(Gamma, 0.25, **exact)
    dense = plus if method == "dtd" else no_bias(Epsilon, 1e-9)
    convolution = gamma if method == "lrp_gamma" else plus
    composite = SpecialFirstLayerMapComposite(
        layer_map=[(Activation, Pass()), (Convolution, convolution), (Linear, dense)],
        first_map=[] if method == "lrp_epsilon_plus" else [(Convolution, ZBox(-1.5, 1.5, **exact))],
    )
    if method == "lrp_gamma":  # zennit's gamma looks at the sign of the output with its bias, ours without
        for module in model:
            if isinstance(module, nn.Conv3d | nn.Linear):
                module.bias.data.zero_()
    box = {} if method == "lrp_epsilon_plus" else {"low": -1.5, "high": 1.5}
    close(
        explain(model, inputs, TARGETS, method, pooling="winner", **box), by_zennit(composite, model, inputs)
    )


@pytest.mark.parametrize("least", [0.0, -1.0])  # of the inputs: as after a ReLU, or anything
def test_gamma_in_fewer_passes_is_zennits(least: float) -> None:
    torch.manual_seed(0)
    layer = propagation.Layer(lambda x, w: F.conv3d(x, w, None, 2, 1), torch.randn(6, 4, 3, 3, 3))
    inputs = torch.rand(3, 4, 6, 7, 7) * (1 - least) + least
    upper = torch.randn(layer(inputs).shape)
    ours, theirs = (
        propagation.by_zennit(rule, layer)(upper, inputs)[0]
        for rule in (propagation.Gamma(0.25), Gamma(0.25, propagation.STABILIZER))
    )
    close(ours, theirs)


@pytest.mark.parametrize(
    ("method", "composite"),
    [("lrp_epsilon_plus", EpsilonPlus()), ("lrp_gamma", EpsilonGammaBox(-1.5, 1.5))],
)
def test_lrp_is_zennits_composite_where_there_are_no_biases(method: str, composite) -> None:
    model, inputs = small_net(), clips(8, 32, 32)
    model(inputs)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.data.zero_()
    box = {} if method == "lrp_epsilon_plus" else {"low": -1.5, "high": 1.5}
    found = explain(model, inputs, TARGETS, method, pooling="winner", **box)
    close(found, by_zennit(composite, model, inputs), 1e-3)  # zennit's own stabilizers take a little


# captum


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return trained_looking(build_model("r3d_18", num_classes=5))


@pytest.fixture(scope="module", params=["plain", "r3d_18"])
def case(request) -> tuple[nn.Module, nn.Module, str, Tensor]:
    """Network, its layer for Grad-CAM, that layer's name, clips."""
    if request.param == "plain":
        model, name, inputs = small_net(), "3", clips(8, 32, 32)
        model(inputs)
    else:
        model, name, inputs = request.getfixturevalue("network"), "layer3", clips(8, 32, 32)
    return model, model.get_submodule(name), name, inputs


def test_gradcam_agrees_with_captum(case) -> None:
    attr = pytest.importorskip("captum.attr")
    model, layer, name, inputs = case
    heat = attr.LayerGradCam(model, layer).attribute(inputs, TARGETS, relu_attributions=True)
    expected = attr.LayerAttribution.interpolate(heat, tuple(inputs.shape[2:]), "trilinear")[:, 0]
    close(explain(model, inputs, TARGETS, "gradcam", layer=name), expected.detach())


def test_gradcams_default_layer_is_the_last_convolution() -> None:
    model = small_net()
    model(clips(8, 32, 32))
    maps = [explain(model, clips(8, 32, 32), TARGETS, "gradcam", layer=layer) for layer in (None, "3", "0")]
    assert torch.equal(maps[0], maps[1]) and not torch.equal(maps[0], maps[2])


def test_guided_backpropagation_agrees_with_captum(case) -> None:
    attr = pytest.importorskip("captum.attr")
    model, _, _, inputs = case
    expected = attr.GuidedBackprop(model).attribute(inputs, TARGETS).sum(1)
    close(explain(model, inputs, TARGETS, "guided_backprop"), expected)


def test_guided_gradcam_agrees_with_captum(case) -> None:
    attr = pytest.importorskip("captum.attr")
    model, layer, name, inputs = case
    expected = (
        attr.GuidedGradCam(model, layer).attribute(inputs, TARGETS, interpolate_mode="trilinear").sum(1)
    )
    close(explain(model, inputs, TARGETS, "guided_gradcam", layer=name), expected.detach())


def test_gradients_agree_with_captum() -> None:
    attr = pytest.importorskip("captum.attr")
    model, inputs = small_net(), clips(8, 32, 32)
    model(inputs)
    saliency = attr.Saliency(model).attribute(inputs, TARGETS, abs=False).sum(1)
    close(explain(model, inputs, TARGETS, "gradient"), saliency)
    product = attr.InputXGradient(model).attribute(inputs, TARGETS).sum(1)
    close(explain(model, inputs, TARGETS, "input_x_gradient"), product.detach())
    integrated = attr.IntegratedGradients(model).attribute(inputs, 0.5, TARGETS, n_steps=8).sum(1)
    close(explain(model, inputs, TARGETS, "integrated_gradients", steps=8, baseline=0.5), integrated.float())


def test_occlusion_agrees_with_captums_feature_ablation() -> None:
    attr = pytest.importorskip("captum.attr")
    model, inputs = small_net(), clips(8, 32, 32)
    model(inputs)
    labels = torch.arange(8 * 32 * 32).reshape(1, 8, 32, 32) // 1024 + 1
    expected = attr.FeatureAblation(model).attribute(inputs, 0.0, TARGETS, feature_mask=labels[None] - 1)[
        :, 0
    ]
    found = explain(model, inputs, TARGETS, "occlusion", labels=labels.expand(2, 1, -1, -1, -1), batch=3)
    close(found, expected.detach())


# Conservation


@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        ("c3d", {"width": 16, "fc_width": 256, "size": 64}, (16, 64, 64)),
        ("c3d", {"width": 8, "fc_width": 64, "size": 64, "batch_norm": True}, (16, 64, 64)),
        ("i3d", {}, (16, 48, 48)),
        ("i3d", {"width": 0.125, "small_input": True}, (16, 64, 64)),
        ("r3d_18", {}, (8, 32, 32)),
    ],
)
def test_relevance_is_conserved_on_our_networks(name: str, options: dict, shape: tuple) -> None:
    model = trained_looking(build_model(name, num_classes=5, **options))
    frames = torch.randint(
        0, 256, (1, *shape, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    for method in CONSERVATIVE:
        relevance = explain(model, frames, 2, method)
        assert abs(relevance.sum() - 1) < 0.01, method
        assert method != "dtd" or relevance.min() >= 0


@pytest.mark.parametrize("network", [mc3_18, r2plus1d_18])
def test_relevance_is_conserved_on_torchvisions_own_blocks(network) -> None:
    """They add in place, reuse one ReLU and use it in place: what zennit's own canonizers get wrong."""
    model = trained_looking(network(num_classes=5))
    assert abs(explain(model, clips(8, 32, 32)[:1], 2, "dtd").sum() - 1) < 0.01


def test_blocks_that_add_in_place_get_the_same_relevance_as_ours() -> None:
    ours = trained_looking(build_model("r3d_18", num_classes=5))
    stock = trained_looking(build_model("r3d_18", num_classes=5))
    for module in stock.modules():
        if hasattr(module, "inplace"):
            module.inplace = True
        if type(module).__name__ == "AddingBlock":
            module.__class__ = BasicBlock
    maps = [explain(model, clips(8, 32, 32)[:1], 1, "dtd") for model in (ours, stock)]
    close(maps[1], maps[0])
