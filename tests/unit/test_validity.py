"""Checks of validity: their parts by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from voxplain import build_model
from voxplain.checks.findings import KEY, rank_agreement
from voxplain.checks.looking import answers, clip_gradients
from voxplain.checks.presets import variants
from voxplain.checks.presets.compute import select_by_variants
from voxplain.checks.presets.table import presets_table
from voxplain.checks.randomization.compute import (
    cascade,
    map_similarity,
    randomized,
    weight_groups,
)
from voxplain.checks.randomization.rescoring import random_directions
from voxplain.checks.randomization.table import randomization_table
from voxplain.checks.stability.compute import converge, set_sizes
from voxplain.checks.stability.table import stability_table
from voxplain.concepts.tables import GAPS
from voxplain.config import load_config
from voxplain.errors import ConfigError
from voxplain.models.trained import TrainedModel
from voxplain.patches import OFFICIAL_GRAY


@pytest.fixture(scope="module")
def model():
    network = build_model("r3d_18", None, 3, seed=0, width=4, depth=[1, 1, 1, 1])
    return TrainedModel(network, ["a", "b", "c"], torch.device("cpu"))


@pytest.fixture(scope="module")
def clips():
    return np.random.default_rng(0).integers(0, 256, (4, 8, 16, 16, 3), dtype=np.uint8)


# ---- variants ----------------------------------------------------------------------------------------


def test_every_single_deviation_of_the_official_form_is_a_variant_of_its_own():
    official, corrected = variants.VARIANTS["official"], variants.CORRECTED
    for field in ("grid", "negatives", "classifier", "gradient"):
        alone = [
            v for v in variants.VARIANTS.values()
            if getattr(v, field) == getattr(official, field) != getattr(corrected, field)
        ]  # fmt: skip
        assert len(alone) >= 2, field
    assert variants.OFFICIAL_GRAY == OFFICIAL_GRAY


def test_unknown_variants_and_explainers_say_the_mend():
    models = {"r3d": {"network": "r3d_18", "layers": ["layer3"]}}
    with pytest.raises(ConfigError, match="did you mean 'official'"):
        variants.chosen(["offical"], variants.VARIANTS)
    with pytest.raises(ConfigError, match="there is no 'rise'"):
        load_config({"models": models, "checks": {"randomized_explainers": ["rise"]}})


def test_a_variant_of_one_paper_is_no_error_in_the_other():
    assert list(variants.chosen(["padding_zero"], variants.VARIANTS)) == ["corrected"]
    assert list(variants.chosen(["padding_zero"], variants.SELECTIONS)) == ["corrected", "padding_zero"]


def test_other_layers_are_neither_the_given_nor_the_top_one():
    usual = ("layer3", "layer2", "layer4")
    found = {v.layer: variants.with_layer(v, "layer3", "layer4", usual) for v in variants.VARIANTS.values()}
    assert found == {"given": "layer3", "top": "layer4", "other": "layer2"}


def test_selection_variants_change_what_they_say():
    relevance = np.zeros((6, 4, 4))
    relevance[2:4] = 1.0
    flow = np.zeros((5, 4, 4, 2))
    flow[:, :2] = 3.0
    rows = select_by_variants(
        {"m": relevance}, flow, pairs=np.ones(5, bool), sigma=0.5, names=["corrected", "sign_decreasing"],
        relevant={"unit": "share", "threshold": 0.05}, moving={"unit": "pixels", "threshold": 0.5},
    )  # fmt: skip
    found = pd.DataFrame(rows).set_index("variant")
    # Rising at frame 2, falling at 3: both are selected, or only the latter.
    assert found["selected_share"].to_dict() == {"corrected": 1.0, "sign_decreasing": 0.5}
    assert (found["motion_precision"] == 0.5).all()


def test_loss_gradients_are_those_of_autograd_with_the_sign_turned(model, clips):
    place = ("layer3", (1, 1, 1))
    found = clip_gradients(model, clips, ["a", "b", "c", "a"], [place], of="loss")[place]
    inputs, targets = model.inputs(clips), torch.tensor([0, 1, 2, 0])
    shift = torch.zeros(4, found.shape[1], 1, 1, 1, requires_grad=True)
    handle = model.network.layer3.register_forward_hook(lambda _m, _i, output: output + shift)
    loss = F.cross_entropy(model.network(inputs), targets, reduction="sum")
    handle.remove()
    (expected,) = torch.autograd.grad(loss, shift)
    np.testing.assert_allclose(found, -expected.flatten(1).numpy(), rtol=1e-3, atol=1e-6)


# ---- concepts ----------------------------------------------------------------------------------------


def test_rank_agreement_is_kendalls_tau_over_shared_supervoxels():
    a = pd.DataFrame(
        {"video": "v", "clip": 0, "level": 0, "supervoxel": [1, 2, 3, 4], "importance": [1, 0.5, 0.5, 0]}
    )
    b = a.iloc[:3].assign(importance=[0.0, 0.5, 1.0])
    # Of the three shared, one pair is tied in a: tau-b = -2 / sqrt(2 * 3).
    assert rank_agreement(a, b) == pytest.approx(-2 / np.sqrt(6))
    assert np.isnan(rank_agreement(a, b.iloc[:1]))
    assert KEY == ["video", "clip", "level", "supervoxel"]


# ---- randomization -----------------------------------------------------------------------------------


def test_weights_are_random_from_the_top_down(model, clips):
    groups = weight_groups(model.network)
    assert groups == ["fc", "layer4", "layer3", "layer2", "layer1", "stem"]
    assert cascade(groups, 3) == [["fc"], groups[:4], groups] or len(cascade(groups, 3)) == 3
    assert cascade(groups, 99) == [groups[:end] for end in range(1, 7)]
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    other = randomized(model, ["fc", "layer4"], seed=5)
    changed = {
        name.partition(".")[0] for name, value in other.network.state_dict().items()
        if not torch.equal(value, before[name])
    }  # fmt: skip
    assert changed == {"fc", "layer4"}
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())
    place = ("layer3", (1, 1, 1))
    np.testing.assert_array_equal(
        answers(model, clips, [place])[place], answers(other, clips, [place])[place]
    )


def test_a_map_is_like_itself_and_unlike_its_negative():
    a = np.random.default_rng(0).random((8, 9, 9))
    assert map_similarity(a, 3 * a) == pytest.approx({"spearman": 1, "ssim": 1})
    assert map_similarity(a, -a)["spearman"] == pytest.approx(-1)
    assert np.isnan(map_similarity(a, np.zeros_like(a))["spearman"])


def test_random_directions_have_unit_length_and_no_preference():
    found = random_directions({("a", 0): (np.zeros((500, 3)), np.ones(500))}, seed=0)["a", 0][0]
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)
    assert np.abs(found.mean(axis=0)).max() < 4 / np.sqrt(3 * 500)


def test_who_does_not_notice_is_said_to_fail():
    ranks = pd.DataFrame(
        [
            ("m", 0, "weights", level, depth, 0, class_name, n, rank, n + 1)
            for level, depth, order in (
                ("none", 0, [1, 2, 3, 4]),
                ("fc", 1, [1, 2, 3, 4]),
                ("stem", 6, [4, 3, 2, 1]),
            )
            for class_name in "abc"
            for n, rank in enumerate(order)
        ],
        columns="model seed check part depth draw class concept rank rank_run".split(),
    )
    maps = pd.DataFrame(
        [("m", 0, "weights", "fc", 1, 0, method, clip, value, value)
         for method, value in (("same", 0.99), ("other", 0.1)) for clip in range(5)],
        columns="model seed check part depth draw method clip spearman ssim".split(),
    )  # fmt: skip
    gaps = pd.DataFrame(
        [("concept_addition", "m", "top", "random_volume", 0.1, 0.02, 0.2, 9, 1),
         ("concept_removal", "m", "top", "random_volume", -0.1, -0.2, 0.01, 9, 1)],
        columns="experiment model better worse gap ci_low ci_high n_videos n_seeds".split(),
    )  # fmt: skip
    ranks["layer"] = "layer3"
    shares = ranks[ranks["part"] == "none"][["model", "seed", "layer", "class", "concept"]].assign(
        variant="run", actor=[0.9, 0.9, 0.1, 0.1] * 3
    )
    table = randomization_table(ranks, maps, gaps, shares).set_index(["part", "method", "measure"])
    notices = table["notices"]
    assert notices["none", "concept_score", "spearman"] is pd.NA
    assert not notices["fc", "concept_score", "spearman"] and notices["stem", "concept_score", "spearman"]
    assert table.loc[("none", "concept_score", "actor_auroc"), "value"] == 1
    assert (
        not notices["fc", "concept_score", "actor_auroc"] and notices["stem", "concept_score", "actor_auroc"]
    )
    assert not notices["fc", "same", "ssim"] and notices["fc", "other", "ssim"]
    assert notices["concept_addition", "concept_score", "accuracy_gap"]
    assert not notices["concept_removal", "concept_score", "accuracy_gap"]
    assert ("top", "random_volume") in GAPS


# ---- stability ---------------------------------------------------------------------------------------


def test_two_disjoint_subsets_of_every_size():
    assert set_sizes(20) == [1, 2, 4, 8, 10]
    assert set_sizes(2) == [1]
    assert set_sizes(3) == [1]


def test_equal_cavs_converge_at_once():
    derivatives = np.repeat(np.array([[[1.0, 1.0]], [[1.0, -1.0]], [[-1.0, -1.0]]]), 6, axis=1)
    (row,) = converge(derivatives, np.ones((3, 6)), sizes=[1], draws=3)
    assert row == {"value": "1", "tau": 1.0, "spread": 0.0, "needed": 0.0}


def test_the_spread_of_a_score_falls_with_the_root_of_the_number_of_sets():
    # Each set decides by a coin whether every clip agrees: a score's deviation from n sets is 0.5 / sqrt(n).
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(30, 200))
    rows = converge(signs[..., None], np.ones((30, 200)), sizes=[1, 4, 16], draws=200)
    assert [row["spread"] for row in rows] == pytest.approx([0.5, 0.25, 0.125], rel=0.05)
    assert rows[0]["needed"] == pytest.approx(100, rel=0.05)


def test_stability_over_sets_seeds_and_layers():
    choices = pd.DataFrame(
        [("m", 0, "l", "random_sets", "1", class_name, 0.5, 0.2, 16.0, np.nan) for class_name in "ab"]
        + [("m", 0, "l", "draws", "other seeds", class_name, tau, np.nan, np.nan, draw)
           for draw, tau in ((1, 0.2), (2, 0.6)) for class_name in "ab"],
        columns="model seed layer what value class tau spread needed draw".split(),
    )  # fmt: skip
    importance = pd.concat(
        [pd.DataFrame({"model": "m", "seed": seed, "layer": "l", "class": "a", "video": "v", "clip": 0, "level": 0,
                       "supervoxel": [1, 2, 3], "importance": values})
         for seed, values in ((0, [1, 0.5, 0]), (1, [0, 0.5, 1]))]
    )  # fmt: skip
    variants_table = pd.DataFrame({"model": "m", "seed": 0, "layer": "l", "class": "a", "tau": [0.3, 0.9],
                                   "variant": ["layer_top", "official"]})  # fmt: skip
    table = stability_table(choices, importance, variants_table).set_index(["what", "value"])
    assert table.loc[("draws", "other seeds"), ["tau", "n_pairs"]].tolist() == [pytest.approx(0.4), 2]
    assert table.loc[("seeds", "training"), "tau"] == -1
    assert table.loc[("layer", "top"), "tau"] == pytest.approx(0.3)
    assert table.loc[("random_sets", "1"), "needed"] == 16
    assert len(table) == 4


# ---- presets -----------------------------------------------------------------------------------------


def test_presets_are_compared_by_hand_made_numbers():
    agreement = pd.DataFrame({"model": "m", "seed": 0, "layer": "l", "class": ["a", "b"] * 2, "kept": [4.0, 6, 1, 3],
                              "tau": [1.0, 1, 0.2, 0.4], "variant": ["corrected"] * 2 + ["official"] * 2})  # fmt: skip
    scores = pd.DataFrame({"model": "m", "seed": 0, "class": ["a", "a", "b"], "cav_accuracy": [0.6, 0.8, 0.9],
                           "variant": "corrected"})  # fmt: skip
    edits = pd.DataFrame(
        [("m", 0, "l", "corrected", "concept_addition", strategy, 0, 1, correct, video)
         for video in "xy" for strategy, correct in (("top", True), ("random_volume", False), ("random", True),
                                                     ("least", False))],
        columns="model seed layer variant experiment strategy draw k correct video".split(),
    )  # fmt: skip
    selections = pd.DataFrame({"model": "m", "seed": 0, "variant": ["official", "official"], "method": "dtd",
                               "video": ["x", "y"], "selected_share": [0.1, 0.3], "motion_precision": [0.5, np.nan]})  # fmt: skip
    table = presets_table(scores, edits, agreement, selections).set_index("variant")
    corrected, official = table.loc["corrected"], table.loc["official"]
    assert (corrected["kept"], official["kept"]) == (5, 2)
    assert corrected["concepts"] == 1.5 and corrected["cav_accuracy"] == pytest.approx(0.8)
    assert official["tau"] == pytest.approx(0.3)
    assert (
        corrected["addition_gap"] == 1
        and np.isnan(corrected["removal_gap"])
        and np.isnan(official["addition_gap"])
    )
    assert official["selected_share"] == pytest.approx(0.2) and official["motion_precision"] == 0.5
    assert np.isnan(official["cav_accuracy"]) and official["n_classes"] == 0
