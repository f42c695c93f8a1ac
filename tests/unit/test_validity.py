"""Checks of validity: their parts by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from skimage.metrics import structural_similarity
from torch import nn
from torch.nn import functional as F

from voxplain import build_model
from voxplain.activation_store import LayerActivations
from voxplain.checks.findings import KEY, rank_agreement
from voxplain.checks.looking import answers, clip_gradients
from voxplain.checks.presets import compute as presets
from voxplain.checks.presets import variants
from voxplain.checks.presets.compute import select_by_variants
from voxplain.checks.presets.table import presets_table
from voxplain.checks.randomization.compute import (
    baseline,
    cascade,
    compare_maps,
    map_similarity,
    randomized,
    randomized_networks,
    weight_groups,
)
from voxplain.checks.randomization.rescoring import random_directions
from voxplain.checks.randomization.table import randomization_table
from voxplain.checks.stability.compute import converge, set_sizes, vary_videos
from voxplain.checks.stability.table import stability_table
from voxplain.concepts.random_sets import draw_sets
from voxplain.config import load_config
from voxplain.errors import ConfigError
from voxplain.models.build import build_shapes
from voxplain.models.external import library_networks
from voxplain.models.trained import TrainedModel
from voxplain.motion.precision import render_flow, render_relevance
from voxplain.motion.selective import selective_relevance
from voxplain.patches import OFFICIAL_GRAY
from voxplain.report.words import stability_sentences


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


def test_the_authors_code_renders_a_selective_map_by_itself():
    """By its two versions alone: what is faint beside the rest is relevant where the rest is not selected."""
    rng = np.random.default_rng(0)
    relevance, flow = rng.exponential(size=(6, 8, 8)) ** 3, rng.normal(size=(5, 8, 8, 2))
    names = ["official", "paper", "relevant_rendered", "relevant_official"]
    rows = select_by_variants(
        {"m": relevance}, flow, pairs=np.ones(5, bool), sigma=0.1, names=names,
        relevant={"unit": "share", "threshold": 0.05}, moving={"unit": "pixels", "threshold": 1.0},
    )  # fmt: skip
    found = pd.DataFrame(rows).set_index("variant")["motion_precision"]
    rendered, gray = render_flow(flow) > 12.75, lambda values: (render_relevance(values) > 12.75)[:-1]
    for name, preset, moving in (
        ("official", "official", rendered),
        ("paper", "paper", rendered),
        ("relevant_official", "corrected", np.linalg.norm(flow, axis=-1) > 1.0),
    ):
        chosen = gray(selective_relevance(relevance, 0.1, preset))
        assert found[name] == pytest.approx((chosen & moving).sum() / chosen.sum()), name
    whole = gray(relevance) & (selective_relevance(relevance, 0.1, "corrected") != 0)[:-1]
    assert whole.sum() < chosen.sum()
    assert found["relevant_rendered"] == pytest.approx((whole & moving).sum() / whole.sum())


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


def test_tau_is_with_the_first_variant_even_where_that_finds_nothing(monkeypatch):
    """Of two variants, the other one must not take the place of the first."""
    found = SimpleNamespace(
        table=pd.DataFrame({**dict.fromkeys(KEY, [0, 1]), "importance": [1.0, 2.0]}),
        scores=pd.DataFrame({"concept": [0, 1]}),
    )
    clips = SimpleNamespace(table=pd.DataFrame({"video": ["v"], "clip": 0, "class": "a"}))
    bench = SimpleNamespace(
        clips=clips, discovery=["v"], place=lambda variant: ("layer3", (1, 1, 1)),
        kept=lambda variant: pd.DataFrame({**dict.fromkeys(KEY, [0]), "class": "a"}).assign(video="v"),
    )  # fmt: skip
    first, second = ({"changes": name, "view": None} for name in ("first", "second"))
    tried = {"first": SimpleNamespace(**first), "second": SimpleNamespace(**second)}
    monkeypatch.setattr(
        presets,
        "_show",
        lambda bench, view, needed: {
            place: (rows, np.zeros((len(rows), 1))) for place, rows in needed.items()
        },
    )
    monkeypatch.setattr(presets, "members_table", lambda found: pd.DataFrame())
    for without, expected in (("first", [np.nan, np.nan]), ("second", [1.0, np.nan]), (None, [1.0, 1.0])):
        monkeypatch.setattr(
            presets,
            "_find",
            lambda bench, variant, *_, without=without: {} if variant.changes == without else {"a": found},
        )
        taus = presets.try_variants(bench, tried)["agreement"].set_index("variant")["tau"]
        np.testing.assert_array_equal(taus.loc[["first", "second"]], expected)


def test_supervoxels_that_one_place_lacks_stand_once_at_another(monkeypatch):
    """A row that is known at one layer or grid, and shown for another, is not there twice."""

    def rows(n):
        return pd.DataFrame({**dict.fromkeys(KEY, 0), "supervoxel": np.arange(n)}).assign(video="v")

    def looked(model, clips, supervoxels, shown, places, *, view, batch):
        told = shown["supervoxel"].to_numpy(np.float32)[:, None]
        return {place: told + 100 * number for number, place in enumerate(places)}

    monkeypatch.setattr(presets, "look_at_supervoxels", looked)
    known, other, view = ("layer3", (1, 1, 1)), ("layer3", (2, 4, 4)), variants.View()
    bench = SimpleNamespace(
        known={(view, known): (rows(5), -np.ones((5, 1), np.float32))},
        model=None, clips=None, supervoxels=None, batch=1,
    )  # fmt: skip
    seen = presets._show(bench, view, {known: rows(6), other: rows(4)})
    for place, expected in ((known, [-1, -1, -1, -1, -1, 5]), (other, [100, 101, 102, 103])):
        table, activations = seen[place]
        found = activations[presets._numbers(table, rows(len(expected)))]
        assert not table.duplicated(KEY).any() and found.ravel().tolist() == expected


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


class OpenNetwork(nn.Module):
    """Its head is declared first, one of its layers lies in a list, and one weight in no part at all."""

    def __init__(self):
        super().__init__()
        self.spec = SimpleNamespace(head="top.head")
        self.top = nn.ModuleDict({"head": nn.Linear(3, 2), "norm": nn.LayerNorm(3)})
        self.layers = nn.ModuleList([nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3)])
        self.token = nn.Parameter(torch.zeros(3))


def test_parts_with_weights_are_found_wherever_they_lie():
    assert weight_groups(OpenNetwork()) == ["top.head", "layers.2", "layers.0", "top.norm", ""]


@pytest.mark.parametrize(
    "name", [name for name in library_networks() if "create_" not in name and "detection" not in name]
)
def test_a_random_head_is_the_head_of_every_library_network(name):
    """pytorchvideo keeps all of a network in one list, which would make the head all of it."""
    network = build_shapes(name, 5)
    groups = weight_groups(network)
    assert groups[0] == network.spec.head and len(groups) > 3
    for group in groups[1:]:
        assert not f"{network.spec.head}.".startswith(f"{group}.") or group == ""
    held = sum(p.numel() for group in groups for p in network.get_submodule(group).parameters())
    assert held == sum(p.numel() for p in network.parameters())  # each once, and none in no part


def test_a_map_is_like_itself_and_unlike_its_negative():
    a = np.random.default_rng(0).random((8, 9, 9))
    assert map_similarity(a, 3 * a) == pytest.approx({"spearman": 1, "ssim": 1})
    assert map_similarity(a, -a)["spearman"] == pytest.approx(-1)


@pytest.mark.parametrize("shape", [(1, 9, 9), (2, 9, 9), (8, 2, 9), (2, 9, 1)])
def test_maps_with_less_than_a_window_along_an_axis_are_compared_slice_by_slice(shape):
    a, b = np.random.default_rng(0).normal(size=(2, *shape))
    assert map_similarity(a, 3 * a) == pytest.approx({"spearman": 1, "ssim": 1})
    a, b = (x / np.abs(x).max() for x in (a, b))  # by the whole map's largest value, not a frame's
    long = [axis for axis in range(3) if shape[axis] >= 3]
    slices = np.moveaxis(np.stack([a, b]), [axis + 1 for axis in long], range(-len(long), 0))
    slices = slices.reshape(2, -1, *(shape[axis] for axis in long))
    how = {"win_size": min(7, *(shape[axis] for axis in long)), "data_range": 2.0}
    expected = np.mean([structural_similarity(x, y, **how) for x, y in zip(*slices, strict=True)])
    assert map_similarity(a, b)["ssim"] == pytest.approx(expected)


def test_maps_without_a_window_have_no_structural_similarity():
    a = np.random.default_rng(0).random((2, 2, 2))
    assert np.isnan(map_similarity(a, a)["ssim"]) and map_similarity(a, a)["spearman"] == pytest.approx(1)


def test_a_map_that_is_wiped_out_has_no_rank_correlation_left():
    a = np.random.default_rng(0).random((8, 9, 9))
    for constant in (np.zeros_like(a), np.full_like(a, 0.3)):
        one, other = map_similarity(a, constant), map_similarity(constant, a)
        assert one["spearman"] == other["spearman"] == 0 and np.isfinite([one["ssim"], other["ssim"]]).all()
        assert np.isnan(map_similarity(constant, constant)["spearman"])
    assert np.isnan(map_similarity(a, np.full_like(a, np.nan))["spearman"])


def test_clips_whose_map_is_wiped_out_count_as_noticed():
    """Of 6 clips and 2 draws 3 maps are constant, and the others correlate by 0.9."""
    rng = np.random.default_rng(0)
    varied = rng.random((8, 9, 9))
    wiped = map_similarity(varied, np.zeros_like(varied))
    maps = likeness({"x": 0.9}, 6)
    maps = pd.concat([maps, maps[maps["part"] == "fc"].assign(draw=1)], ignore_index=True)
    fc = np.flatnonzero(maps["part"] == "fc")
    maps.loc[fc, "spearman"] = 0.9
    maps.loc[fc[[0, 2, 10]], "spearman"] = wiped["spearman"]  # clips 0 and 2 in one draw, 4 in the other
    ranks, _ = ranks_of({("none", 0): [1, 2, 3, 4]})
    table = randomization_table(ranks, maps, NO_GAPS, None).set_index(["part", "method", "measure"])
    row = table.loc["fc", "x", "spearman"]
    assert row["value"] == pytest.approx(0.675) and (row["n_units"], row["n_draws"]) == (6, 2)


def test_random_directions_have_unit_length_and_no_preference():
    found = random_directions({("a", 0): (np.zeros((500, 3)), np.ones(500))}, seed=0)["a", 0][0]
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)
    assert np.abs(found.mean(axis=0)).max() < 4 / np.sqrt(3 * 500)


def test_baselines_are_of_other_clips_and_of_the_negation():
    maps = np.random.default_rng(0).random((5, 8, 9, 9))
    rows = pd.DataFrame(baseline("m", maps, 2))
    unrelated = rows[rows["part"] == "unrelated"]
    # Every clip is in as many pairs, and each pair once under both of its clips: 5 clips, 10 pairs.
    assert unrelated["clip"].value_counts().to_dict() == dict.fromkeys(range(5), 4)
    assert len(unrelated["spearman"].unique()) == 10 and unrelated["spearman"].abs().max() < 0.2
    negated = rows[rows["part"] == "negated"]
    assert negated["spearman"].tolist() == pytest.approx([-1] * 5) and len(negated) == 5
    two = pd.DataFrame(baseline("m", maps[:2], 2))
    assert (two["part"] == "unrelated").sum() == 4


def test_maps_are_compared_with_those_of_random_networks_another_class_and_other_clips(model, clips):
    others = {
        ("weights", "none", 0): (0, model),  # the intact one is not compared with itself
        ("weights", "fc", 0): (1, randomized(model, ["fc"], seed=1)),
        ("weights", "same", 1): (2, model),
    }
    table = compare_maps(model, others, clips, list("abca"), {"gradcam": {}}, unrelated=1)
    assert table.groupby(["check", "part"]).size().to_dict() == {
        ("baseline", "negated"): 4, ("baseline", "unrelated"): 8, ("shuffled_targets", "next class"): 4,
        ("weights", "fc"): 4, ("weights", "same"): 4,
    }  # fmt: skip
    same = table[table["part"] == "same"]
    assert set(same["depth"]) == {2}
    assert same["ssim"].tolist() == pytest.approx([1] * 4)


def test_networks_of_other_steps_draws_and_names_are_other(model):
    fresh = {
        (name, key[1:]): network.network.fc.weight
        for name in "ab"
        for key, (depth, network) in randomized_networks(model, levels=2, draws=2, seed=0, name=name).items()
        if depth
    }
    assert len(fresh) == 8 and len({weight.sum().item() for weight in fresh.values()}) == 8
    again = randomized_networks(model, levels=2, draws=2, seed=0, name="a")
    assert torch.equal(again["weights", "stem", 1][1].network.fc.weight, fresh["a", ("stem", 1)])


NO_GAPS = pd.DataFrame(columns=["better", "worse"])


def ranks_of(orders, classes="abcdef"):
    """Ranks of four concepts of each class, of which the first two lie on the actor: orders by (part, depth)."""
    rows = [
        ("m", 0, "weights", part, depth, 0, class_name, n, rank, n + 1)
        for (part, depth), order in orders.items()
        for class_name in classes
        for n, rank in enumerate(order)
    ]
    names = "model seed check part depth draw class concept rank rank_run".split()
    table = pd.DataFrame(rows, columns=names).assign(layer="layer3")
    shares = table.drop_duplicates(["class", "concept"])[["model", "seed", "layer", "class", "concept"]]
    return table, shares.assign(variant="run", actor=[0.9, 0.9, 0.1, 0.1] * len(classes))


def likeness(values, clips, *, unrelated=0.4):
    """Similarities of maps by method, the same for both measures, and of unrelated maps."""
    rng, rows = np.random.default_rng(0), []
    for method, value in values.items():
        for clip in range(clips):
            known = ("m", 0, 0, method, clip)
            rows.append((*known, "weights", "fc", 1, value + 0.02 * rng.standard_normal() * (value < 1)))
            rows.append((*known, "baseline", "unrelated", 0, unrelated + 0.02 * rng.standard_normal()))
    names = "model seed draw method clip check part depth spearman".split()
    return pd.DataFrame(rows, columns=names).assign(ssim=lambda table: table["spearman"])


NO_MAPS = likeness({"none": 1.0}, 3)


def test_identical_maps_do_not_notice_and_unrelated_ones_do():
    maps = likeness({"same": 1.0, "other": 0.4, "half": 0.7}, 8)
    ranks, shares = ranks_of({("none", 0): [1, 2, 3, 4]})
    table = randomization_table(ranks, maps, NO_GAPS, shares).set_index(["part", "method", "measure"])
    for measure in ("spearman", "ssim"):
        same, other, half = (table.loc["fc", method, measure] for method in ("same", "other", "half"))
        assert not same["notices"] and same[["left", "fall", "left_ci_low"]].tolist() == pytest.approx(
            [1, 0, 1]
        )
        assert other["notices"] and other["verdict"] and abs(other["left"]) < 0.1
        assert other["unrelated"] == pytest.approx(0.4, abs=0.02) and other["fall"] == pytest.approx(
            0.6, abs=0.02
        )
        # Half of the way is at the limit, where nothing is told.
        assert half["notices"] is pd.NA and half["verdict"] is pd.NA


def test_few_data_tell_nothing():
    ranks, _ = ranks_of({("none", 0): [1, 2, 3, 4]}, "ab")
    table = randomization_table(ranks, likeness({"x": 0.4}, 2), NO_GAPS, None)
    assert table["notices"].isna().all() and table["verdict"].isna().all() and table["ci_low"].isna().all()
    # One map of three that stays the same: the interval is wide, and "notices" is not for the asking.
    wide = likeness({"x": 0.4}, 3)
    wide.loc[(wide["part"] == "fc") & (wide["clip"] == 0), ["spearman", "ssim"]] = 1.0
    found = randomization_table(ranks, wide, NO_GAPS, None)
    assert found.query("part == 'fc'")["notices"].isna().all()


def test_one_measure_alone_does_not_decide():
    maps = likeness({"x": 0.4}, 8)
    maps.loc[maps["part"] == "fc", "spearman"] = 0.95
    ranks, shares = ranks_of({("none", 0): [1, 2, 3, 4]})
    table = randomization_table(ranks, maps, NO_GAPS, shares).query("part == 'fc'").set_index("measure")
    assert table["notices"].to_dict() == {"spearman": False, "ssim": True} and not table["verdict"].any()


def test_orders_of_concepts_are_compared_with_the_intact_networks():
    orders = {("none", 0): [1, 2, 3, 4], ("fc", 1): [1, 2, 3, 4], ("stem", 6): [4, 3, 2, 1]}
    ranks, shares = ranks_of(orders)
    table = randomization_table(ranks, NO_MAPS, NO_GAPS, shares).set_index(["part", "method", "measure"])
    for measure, intact, random in (("spearman", 1, -1), ("actor_auroc", 1, 0)):
        none, fc, stem = (table.loc[part, "concept_score", measure] for part in ("none", "fc", "stem"))
        assert none["value"] == intact and none["notices"] is pd.NA
        assert not fc["notices"] and stem["notices"] and stem["value"] == random
        assert stem["fall"] == intact - random and (stem["n_units"], stem["n_draws"], stem["n_seeds"]) == (
            6,
            1,
            1,
        )
    # What the intact network does not find cannot be lost.
    blind, _ = ranks_of({("none", 0): [1, 3, 4, 2], ("fc", 1): [4, 3, 2, 1]})
    blind.loc[blind["class"].isin(list("abc")) & (blind["part"] == "none"), "rank"] = [4, 2, 1, 3] * 3
    row = (
        randomization_table(blind, NO_MAPS, NO_GAPS, shares)
        .set_index(["part", "measure"])
        .loc["fc", "actor_auroc"]
    )
    assert np.isnan(row["left"]) and row["notices"] is pd.NA


def test_gaps_notice_on_their_right_side_only():
    gaps = pd.DataFrame(
        [("concept_addition", "m", "top", "random_volume", 0.1, 0.02, 0.2, 9, 1),
         ("concept_removal", "m", "top", "random_volume", -0.1, -0.2, 0.01, 9, 1),
         ("concept_removal", "n", "top", "random_volume", 0.1, 0.05, 0.2, 9, 1)],
        columns="experiment model better worse gap ci_low ci_high n_classes n_seeds".split(),
    )  # fmt: skip
    ranks, shares = ranks_of({("none", 0): [1, 2, 3, 4]})
    table = randomization_table(ranks, NO_MAPS, gaps, shares).query("measure == 'accuracy_gap'")
    assert table["notices"].tolist() == [True, pd.NA, False] and table["verdict"].tolist() == [
        True,
        pd.NA,
        False,
    ]


# ---- stability ---------------------------------------------------------------------------------------


def test_two_disjoint_subsets_of_every_size():
    assert set_sizes(20) == [1, 2, 4, 8, 10]
    assert set_sizes(2) == [1]
    assert set_sizes(3) == [1]


def test_equal_cavs_converge_at_once():
    derivatives = np.repeat(np.array([[[1.0, 1.0]], [[1.0, -1.0]], [[-1.0, -1.0]]]), 6, axis=1)
    (row,) = converge(derivatives, np.ones((3, 6)), sizes=[1], draws=3)
    assert row == {"value": "1", "tau": 1.0, "pairs": 3, "spread": 0.0, "needed": 0.0}


def test_pairs_are_those_that_have_a_tau():
    """The first two of four sets rank both concepts alike, so that a pair with one of them has none."""
    derivatives = np.array([[1.0, 1, 2, 1], [1, 1, -1, -3]])[..., None]
    (row,) = converge(derivatives, np.ones((2, 4)), sizes=[1], draws=40, seed=0)
    rng = np.random.default_rng(0)
    assert row["pairs"] == sum(set(rng.permutation(4)[:2]) == {2, 3} for _ in range(40)) > 0
    assert row["tau"] == 1
    (alone,) = converge(derivatives[:1], np.ones((1, 4)), sizes=[1], draws=40)
    assert alone["pairs"] == 0 and np.isnan(alone["tau"])


def test_the_spread_of_a_score_falls_with_the_root_of_the_number_of_sets():
    # Each set decides by a coin whether every clip agrees: a score's deviation from n sets is 0.5 / sqrt(n).
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(30, 200))
    rows = converge(signs[..., None], np.ones((30, 200)), sizes=[1, 4, 16], draws=200)
    assert [row["spread"] for row in rows] == pytest.approx([0.5, 0.25, 0.125], rel=0.05)
    assert rows[0]["needed"] == pytest.approx(100, rel=0.05)


def test_stability_over_sets_seeds_and_layers():
    choices = pd.DataFrame(
        [("m", 0, "l", "random_sets", "1", class_name, 0.5, 0.2, 16.0, np.nan, 50) for class_name in "ab"]
        + [("m", 0, "l", "draws", "other seeds", class_name, tau, np.nan, np.nan, draw, np.nan)
           for draw, tau in ((1, 0.2), (2, 0.6)) for class_name in "ab"],
        columns="model seed layer what value class tau spread needed draw pairs".split(),
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
    assert table.loc[("seeds", "training"), ["tau", "n_pairs", "n_seeds"]].tolist() == [-1, 1, 2]
    assert table.loc[("layer", "top"), "tau"] == pytest.approx(0.3)
    assert table.loc[("random_sets", "1"), ["needed", "n_pairs"]].tolist() == [16, 50]
    assert table.loc[("layer", "top"), "n_pairs"] == 1
    assert len(table) == 4


def halves_of(noise, seed=0, groups=None):
    """tau by videos of concepts found in halves: four blobs, each in every video, whose logit differs; and noise."""
    rng = np.random.default_rng(seed)
    centres = np.eye(4) * np.array([9.0, 9, 9, 9])
    rows = [(f"v{video}", blob, number) for video in range(8) for blob in range(4) for number in range(8)]
    table = pd.DataFrame(rows, columns=["video", "blob", "supervoxel"]).assign(clip=0, level=0)
    table["supervoxel"] += 8 * table["blob"]
    clips = pd.DataFrame({"video": [f"v{video}" for video in range(8)], "class": "a", "clip": 0})
    activations = noise * rng.normal(size=(len(table), 4)) + (noise < 5) * centres[table["blob"]]
    gradients = np.tile([3.0, 1.0, -1.0, -3.0], (8, 1)) if noise < 5 else rng.normal(size=(8, 4))
    seen = LayerActivations(
        table.assign(**{"class": "a"}), activations.astype(np.float32), clips, np.zeros((8, 4), np.float32),
        gradients.astype(np.float32),
    )  # fmt: skip
    groups = groups or {video: video for video in clips["video"]}
    sets = draw_sets(seen.supervoxels, sets=4, size=20, seed=0)
    how = {"clustering": {"clusters": 4, "min_supervoxels": 8}, "cavs": {}, "rank_by": "effect"}
    found = vary_videos("a", seen, sets, groups, repeats=3, seed=0, rng=rng, **how)
    return pd.DataFrame(found).groupby("value")["tau"].mean()


def test_halves_of_the_videos_agree_where_there_is_a_ranking():
    assert halves_of(0.3).to_dict() == {"2": 1.0, "4": 1.0}
    pairs = {
        f"v{video}": f"g{video // 2}" for video in range(8)
    }  # four groups of two: halves of two groups each
    assert list(halves_of(0.3, groups=pairs).index) == ["2"]
    assert np.mean([halves_of(9.0, seed)["4"] for seed in range(6)]) < 0.5


def test_the_report_says_where_there_are_too_few_videos_to_rank():
    columns = ["model", "layer", "what", "value", "tau", "stable"]
    rows = [
        ("r3d", "l", "videos", "2", 0.1, False),
        ("r3d", "l", "videos", "16", 0.7, True),
        ("r3d", "l", "draws", "x", 0.9, True),
    ]
    sure, unsure = (
        stability_sentences(pd.DataFrame(some, columns=columns)) for some in (rows, [*rows[:1], *rows[2:]])
    )
    assert "is stable" in sure[0] and "16 videos or groups each by 0.70" in sure[0]
    assert "too few videos to rank" in unsure[0] and "2 videos or groups each by 0.10" in unsure[0]
    # Enough videos, but other seeds give another order; and what is not known is not told.
    seeds = [*rows[1:2], ("r3d", "l", "draws", "x", 0.3, False)]
    (sentence,) = stability_sentences(pd.DataFrame(seeds, columns=columns))
    assert "not stable: other seeds" in sentence and "too few videos" not in sentence
    unknown = pd.DataFrame([("r3d", "l", "draws", "x", np.nan, False)], columns=columns)
    assert stability_sentences(unknown) == []
    (sentence,) = stability_sentences(pd.concat([unknown, pd.DataFrame(rows[1:2], columns=columns)]))
    assert "nan" not in sentence and "is stable" in sentence


# ---- presets -----------------------------------------------------------------------------------------


def test_presets_are_compared_by_hand_made_numbers():
    agreement = pd.DataFrame({"model": "m", "seed": 0, "layer": "l", "class": ["a", "b"] * 2, "kept": [4.0, 6, 1, 3],
                              "tau": [1.0, 1, 0.2, 0.4], "variant": ["corrected"] * 2 + ["official"] * 2})  # fmt: skip
    scores = pd.DataFrame({"model": "m", "seed": 0, "class": ["a", "a", "b"], "cav_accuracy": [0.6, 0.8, 0.9],
                           "variant": "corrected"})  # fmt: skip
    edits = pd.DataFrame(
        [("m", 0, "l", "corrected", "concept_addition", strategy, draw, 1, correct, video)
         for video in "xy" for strategy, draw, correct in (("top", 0, True), ("random_volume", 0, False),
                                                           ("random", 0, True), ("random", 1, True), ("least", 0, False))],
        columns="model seed layer variant experiment strategy draw k correct video".split(),
    )  # fmt: skip
    edits["class"] = edits["video"].map({"x": "a", "y": "b"})
    selections = pd.DataFrame({"model": "m", "seed": 0, "variant": ["official", "official"], "method": "dtd",
                               "video": ["x", "y"], "selected_share": [0.1, 0.0], "motion_precision": [0.5, np.nan],
                               "base_rate": 0.2})  # fmt: skip
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
    assert official["selected_share"] == pytest.approx(0.05) and official["motion_precision"] == 0.5
    zero = presets_table(scores, edits, agreement, selections, empty="zero").set_index("variant")
    assert zero.loc["official", "motion_precision"] == 0.25
    assert np.isnan(official["cav_accuracy"]) and official["n_classes"] == 0
