"""Networks of the libraries: the page of what is right on which, and measured again what is quick."""

from __future__ import annotations

import importlib
import re
import warnings

import pytest
import torch
from benchmarks.networks import ABSENT, CASES, PAGE, STATES, all_networks, page_block, read_cells, survey
from torch import nn

from voxplain import build_model, explain
from voxplain.activations import layer_activations, logit_gradients
from voxplain.errors import ConfigError
from voxplain.explainers import EXPLAINERS
from voxplain.models.pathways import TwoPathways, with_pathways
from voxplain.models.shapes import feature_view, layer_names

EXPLAINED = [plugin.name for plugin in EXPLAINERS] + ["concepts"]
# Networks of every kind, and explainers that go different ways in them; the command measures the rest.
QUICK = {
    "r3d": ["dtd", "attnlrp", "guided_backprop", "guided_gradcam", "concepts"],
    "pytorchvideo:create_x3d": ["dtd", "lrp_gamma", "attnlrp"],
    "pytorchvideo:create_multiscale_vision_transformers": EXPLAINED,
    "torchvision:swin3d_t": ["dtd", "attnlrp", "gradcam", "concepts", "guided_backprop"],
    "torchvision:mvit_v2_s": ["attnlrp"],
    "pytorchvideo:slow_r50_detection": EXPLAINED,
    "pytorchvideo:mvit_base_16": EXPLAINED,
}


def test_the_page_has_every_network_that_is_registered_today_and_no_silent_error():
    cells = read_cells()
    measured: dict[str, set[str]] = {}
    for cell in cells:
        assert cell.state in STATES, cell
        assert cell.text and (cell.state == "right") == bool(cell.error), cell
        measured.setdefault(cell.network, set()).update([cell.explainer] if cell.explainer else EXPLAINED)
    assert measured == dict.fromkeys(all_networks(), set(EXPLAINED)), (
        "run: python -m benchmarks.networks --missing"
    )
    assert set(CASES) == set(all_networks())
    block = re.search(r"<!-- networks: [^\n]*-->\n\n(.*?)<!-- end -->", PAGE.read_text(), re.DOTALL)
    assert block[1].strip() == page_block(cells).strip(), "run: python -m benchmarks.networks --write"


def test_absent_networks_are_none_that_can_be_named():
    for name in ABSENT:
        homes = ("resnet", "slowfast", "audio_visual_slowfast")
        assert any(hasattr(importlib.import_module(f"pytorchvideo.models.{home}"), name) for home in homes)
        with pytest.raises(ConfigError, match="has no such function"):
            build_model(f"pytorchvideo:{name}")


@pytest.mark.parametrize("name", QUICK)
def test_the_page_is_what_is_measured(name):
    told = {cell[:3]: cell for cell in read_cells() if cell.network == name}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = list(survey(name, QUICK[name]))
    for cell in found:
        assert (cell.state, cell.text.partition("(")[0]) == (
            told[cell[:3]].state,
            told[cell[:3]].text.partition("(")[0],
        )


# What makes networks of the libraries like others


class Pathways(nn.Module):
    """Says what it was given, as blocks of pytorchvideo's SlowFast are given it."""

    def forward(self, given: list[torch.Tensor]) -> torch.Tensor:
        slow, fast = given
        return torch.stack([slow[:, 0, :, 0, 0].sum(1), fast[:, 0, :, 0, 0].sum(1)], 1)


def test_the_slow_pathway_is_every_fourth_frame_from_the_first_to_the_last():
    clip = torch.zeros(1, 3, 32, 1, 1, dtype=torch.float64)
    clip[0, 0, :, 0, 0] = 2.0 ** torch.arange(32)
    # linspace(0, 31, 8) without its fractions, as in pytorchvideo's tutorial of SlowFast
    frames = [0, 4, 8, 13, 17, 22, 26, 31]
    slow, fast = TwoPathways(nn.ModuleList([Pathways()]), 4)(clip)[0].tolist()
    assert slow == sum(2.0**frame for frame in frames) and fast == 2.0**32 - 1
    with pytest.raises(ValueError, match="clips of 3 frames"):
        TwoPathways(nn.ModuleList([Pathways()]), 4)(clip[:, :, :3])


def test_slowfast_takes_one_clip_and_explains_its_slow_pathway():
    options = {"stem_dim_outs": (16, 2), "head_pool_kernel_sizes": ((2, 1, 1), (8, 1, 1))}
    model = build_model("pytorchvideo:create_slowfast", num_classes=5, **options)
    assert isinstance(model, TwoPathways) and model.ratio == 4
    assert model.spec.last_conv == "blocks.4.multipathway_blocks.0"
    clip = torch.randn(1, 3, 8, 32, 32, generator=torch.Generator().manual_seed(0)).clamp(-2, 2)
    torch.testing.assert_close(explain(model, clip, 1, "dtd").sum(), torch.tensor(1.0), rtol=0, atol=1e-2)
    assert layer_activations(model, clip, [model.spec.last_conv])[0][model.spec.last_conv].shape == (1, 512)
    with pytest.raises(ConfigError, match="gives no features .*, but a list: choose another"):
        feature_view(model, "blocks.3", (8, 32, 32))
    assert with_pathways(nn.Sequential(model)) is not model


def test_x3ds_swish_is_an_activation_of_torch_with_the_same_values():
    from pytorchvideo.layers.swish import Swish

    model = build_model(
        "pytorchvideo:create_x3d", num_classes=5, input_clip_length=4, input_crop_size=32, depth_factor=1.0
    )
    kinds = {type(module).__name__ for module in model.modules()}
    assert "SiLU" in kinds and "Swish" not in kinds
    values = torch.linspace(-9, 9, 99)
    torch.testing.assert_close(nn.SiLU()(values), Swish()(values))


@pytest.fixture(scope="module")
def mvit():
    return build_model(
        "pytorchvideo:create_multiscale_vision_transformers", num_classes=5,
        spatial_size=32, temporal_size=8, patch_embed_dim=16, depth=3,
    )  # fmt: skip


def test_tokens_beside_their_grid_are_features(mvit):
    clip = torch.randn(2, 3, 8, 32, 32, generator=torch.Generator().manual_seed(0))
    kept = []
    handle = mvit.blocks[1].register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    with torch.no_grad():
        mvit(clip)
    handle.remove()
    (tokens, grid), view = kept[0], feature_view(mvit, "blocks.1", (8, 32, 32))
    features = view.features(kept[0])
    t, h, w = map(int, grid)
    assert tokens.shape[1] == 1 + t * h * w and features.shape == (2, 16, t, h, w)
    torch.testing.assert_close(features[1, :, 2, 3, 4], tokens[1, 1 + 2 * h * w + 3 * w + 4])
    same, _ = view.replaced(kept[0], features)
    assert torch.equal(same, tokens)
    moved, _ = view.replaced(kept[0], features + 1)
    torch.testing.assert_close(moved[:, 1:], tokens[:, 1:] + 1)
    assert torch.equal(moved[:, 0], tokens[:, 0])
    told = {layer.name: layer for layer in layer_names(mvit, frames=8, size=32)}
    assert told["blocks.1"].shape == (16, t, h, w) and told["blocks.1"].extra == 1


def test_the_last_tokens_beside_a_class_token_have_no_effect_and_are_refused(mvit):
    clip = torch.randn(1, 3, 8, 32, 32, generator=torch.Generator().manual_seed(0))
    assert mvit.spec.last_conv == "blocks.1"
    with pytest.raises(ConfigError, match="reads its class token alone. Choose the block before it"):
        explain(mvit, clip, 1, "gradcam", layer="blocks.2")
    with pytest.raises(ConfigError, match="reads its class token alone"):
        logit_gradients(mvit, clip, torch.tensor([1]), ["blocks.2"])
    assert logit_gradients(mvit, clip, torch.tensor([1]), ["blocks.1"])["blocks.1"].any()


def test_compiled_networks_of_ones_own_are_taken_as_they_were(tmp_path, monkeypatch):
    (tmp_path / "compiled_networks.py").write_text(
        "import torch\nfrom torch import nn\n\n\ndef build(num_classes, part=False):\n"
        "    first = nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.ReLU())\n"
        "    rest = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, num_classes))\n"
        "    if part:\n        first = torch.compile(first, backend='eager')\n"
        "    model = nn.Sequential(first, rest)\n"
        "    return model if part else torch.compile(model, backend='eager')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for part in (True, False):
        model = build_model("compiled_networks:build", num_classes=5, part=part)
        assert not any("_orig_mod" in name for name in model.state_dict())
        clip = torch.rand(1, 3, 4, 8, 8)
        found = layer_activations(model, clip, ["0.0"])[0]["0.0"]
        torch.testing.assert_close(found, model[0][0](clip).mean((2, 3, 4)))
