"""Checks of faithfulness against hand-computed values, analytic functions and scipy's estimators."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from voxplain.checks.concept_ablation.compute import ablate, concept_masks, total_effects
from voxplain.checks.concept_ablation.table import concept_ablation_agreement_table, concept_ablation_table
from voxplain.checks.concept_motion.compute import concept_shares, motion_shares, stand_still
from voxplain.checks.concept_motion.table import concept_motion_table
from voxplain.checks.concept_over_time.compute import window_indices, window_rows, window_starts
from voxplain.checks.faithfulness.compute import area, concept_map, curves, hide, random_masking, rank_voxels
from voxplain.checks.faithfulness.table import faithfulness_table
from voxplain.checks.motion_reliance.table import motion_reliance_table
from voxplain.errors import ConfigError

COLOR = np.array([9, 9, 9], dtype=np.uint8)


def strip(*values):
    """A clip of one frame and one row with these gray values."""
    return np.repeat(np.array(values, dtype=np.uint8)[None, None, :, None], 3, axis=-1)


def brightness(clips):
    return clips[..., 0].mean(axis=(1, 2, 3)) / 100


def test_previous_fill_repeats_what_the_pixel_showed_last():
    clip = np.repeat(np.arange(5, dtype=np.uint8)[:, None, None, None], 3, axis=-1)
    hidden = np.array([True, False, True, True, False])[:, None, None]
    assert hide(clip, hidden, fill="previous", color=COLOR)[:, 0, 0, 0].tolist() == [0, 1, 1, 1, 4]
    assert hide(clip, hidden, fill="mean", color=COLOR)[:, 0, 0, 0].tolist() == [9, 1, 9, 9, 4]
    whole = hide(clip, np.ones_like(hidden), fill="previous", color=COLOR)
    assert (whole == clip[0]).all()


def test_blur_keeps_a_plain_frame_and_what_is_shown():
    clip = np.full((2, 16, 16, 3), 77, dtype=np.uint8)
    assert (hide(clip, np.ones(clip.shape[:3], bool), fill="blur", color=COLOR) == 77).all()
    with pytest.raises(ConfigError, match="Known: mean, blur, previous"):
        hide(clip, np.ones(clip.shape[:3], bool), fill="mirror", color=COLOR)


def test_curves_of_an_additive_answer_by_hand():
    clip, level = strip(0, 100, 200), np.array([[[5, 7, 9]]])
    ranks = {
        "right": rank_voxels(clip[..., 0].astype(float), level),
        "wrong": rank_voxels(-1.0 * clip[..., 0], level),
    }
    black = np.zeros(3, np.uint8)
    table = curves(brightness, clip, ranks, fill="mean", color=black, steps=3).set_index(["method", "curve"])
    assert table.loc[("right", "deletion"), "probability"].tolist() == pytest.approx([1, 1 / 3, 0, 0])
    assert table.loc[("right", "insertion"), "probability"].tolist() == pytest.approx([0, 2 / 3, 1, 1])
    assert table.loc[("wrong", "deletion"), "probability"].tolist() == pytest.approx([1, 1, 2 / 3, 0])
    assert table.loc[("right", "deletion"), "share"].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    # Trapezoids by hand: (1/2 + 1/3 + 0 + 0) / 3.
    right = table.loc[("right", "deletion")]
    assert area(right["share"], right["probability"]) == pytest.approx((1 / 2 + 1 / 3) / 3)


def test_random_masking_finds_an_additive_answers_weights():
    clip, level = strip(0, 100, 200), np.array([[[1, 2, 3]]])
    found = random_masking(
        brightness, clip, level, masks=4000, seed=1, fill="mean", color=np.zeros(3, np.uint8)
    )
    assert found.ravel() == pytest.approx([0, 1 / 3, 2 / 3], abs=0.03)


LABELS = np.array([[[[1, 1, 2, 0]]], [[[1, 2, 2, 3]]]])  # two levels of four voxels
KEPT = np.array([[0, 1], [1, 2], [1, 3]])


def test_concepts_as_masks_and_as_a_map():
    concepts = np.array([0, 1, 0])
    masks = concept_masks(LABELS, KEPT, concepts, 3)
    assert masks[:, 0, 0].astype(int).tolist() == [[1, 1, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0]]
    values = concept_map(LABELS, KEPT, concepts, np.array([2.0, 4.0, 8.0]))
    assert values.ravel().tolist() == [2, 3, 4, 2]


def test_supervoxels_of_no_concept_are_in_no_mask_and_not_on_the_map():
    concepts = np.array([0, -1, 0])
    masks = concept_masks(LABELS, KEPT, concepts, 2)
    assert masks[:, 0, 0].astype(int).tolist() == [[1, 1, 0, 1], [0, 0, 0, 0]]
    values = concept_map(LABELS, KEPT, concepts, np.array([2.0, 4.0]))
    assert values.ravel().tolist() == [2, 2, 0, 2]


def ishigami(x):
    return np.sin(x[0]) + 7 * np.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * np.sin(x[0])


def test_total_effects_of_ishigamis_function_are_the_analytic_ones_and_scipys():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-np.pi, np.pi, (2, 3, 2**15))
    base = ishigami(a)
    squares = [np.mean((base - ishigami(np.where(np.arange(3)[:, None] == i, b, a))) ** 2) for i in range(3)]
    found = total_effects(squares, base.var(), flip=False)
    assert found == pytest.approx([0.5574, 0.4424, 0.2437], abs=0.02)
    other = stats.sobol_indices(
        func=ishigami, n=2**13, dists=[stats.uniform(-np.pi, 2 * np.pi)] * 3, rng=np.random.default_rng(0)
    )
    assert found == pytest.approx(other.total_order, abs=0.02)


def test_total_effects_of_a_flip_are_those_of_the_whole_truth_table():
    """f = x0 + 2 x1 x2 on fair bits: variance 1/4 + 3/4, total effects by hand 1/4, 1/2, 1/2."""
    f = lambda x: x[..., 0] + 2 * x[..., 1] * x[..., 2]  # noqa: E731
    points = np.array(list(product([0, 1], repeat=3)))
    flipped = points[:, None] ^ np.eye(3, dtype=int)
    squares = ((f(points)[:, None] - f(flipped)) ** 2).mean(axis=0)
    assert f(points).var() == 1
    assert total_effects(squares, f(points).var()) == pytest.approx([0.25, 0.5, 0.5])
    assert total_effects(np.zeros(3), 0.0).tolist() == [0, 0, 0]


def test_ablation_of_an_additive_answer_gives_its_weights():
    clip = strip(0, 100, 200, 50)
    masks = np.zeros((4, 1, 1, 4), dtype=bool)
    masks[0, ..., 1] = masks[1, ..., 2] = masks[2, ..., 0] = True  # the fourth concept is not in the clip
    found = ablate(brightness, clip, masks, subsets=40, seed=0, fill="mean", color=np.zeros(3, np.uint8))
    assert found["gains"][:, 0] == pytest.approx([0.25, 0.5, 0, 0])
    assert found["squares"][:, 0] == pytest.approx([0.25**2, 0.5**2, 0, 0])
    assert 0 < found["variance"][0] <= 0.75**2 / 4


def ablations(n=6):
    rows = []
    for video, class_name, concept in product(range(n), ("a", "b"), range(4)):
        gain = [3.0, 2.0, 1.0, 0.5][concept]
        rows.append((class_name, f"{class_name}{video}", concept, gain**2, gain))
    frame = pd.DataFrame(rows, columns=["class", "video", "concept", "squares", "gains"])
    return frame.assign(model="m", seed=0, layer="l", clip=0, outcome="logit", variance=4.0)


def scores(effect):
    rows = [
        {
            "model": "m",
            "seed": 0,
            "layer": "l",
            "class": class_name,
            "concept": c,
            "effect": effect[c],
            "score": 0.5,
        }
        for class_name in ("a", "b")
        for c in range(4)
    ]
    return pd.DataFrame(rows).assign(derivative=lambda t: t["effect"], rank=lambda t: t["concept"] + 1)


def test_ablation_table_and_agreement():
    table = concept_ablation_table(ablations(), scores([4, 3, 2, 1])).query("`class` == 'a'")
    assert table["total_effect"].tolist() == pytest.approx([9 / 16, 4 / 16, 1 / 16, 1 / 64])
    assert (table["total_effect_ci_low"] <= table["total_effect"] + 1e-12).all() and set(
        table["n_videos"]
    ) == {6}
    for effect, tau in (([4, 3, 2, 1], 1), ([1, 2, 3, 4], -1), ([4, 3, 1, 2], 2 / 3)):
        found = concept_ablation_agreement_table(ablations(), scores(effect))
        row = found.query("`class` == 'all' and direction == 'effect' and ablation == 'mean_effect'").iloc[0]
        assert (row["tau"], row["ci_low"], row["ci_high"]) == pytest.approx((tau, tau, tau))
        assert (row["n_concepts"], row["n_videos"]) == (8, 12)


def test_faithfulness_table_is_paired_with_the_random_order():
    rows = []
    for video, (method, gain), share in product(range(8), (("good", -0.2), ("random", 0.0)), (0.0, 1.0)):
        probability = 0.5 + 0.05 * video + gain
        rows.append(("deletion", method, f"v{video}", share, probability))
    frame = pd.DataFrame(rows, columns=["curve", "method", "video", "share", "probability"])
    table = faithfulness_table(frame.assign(model="m", seed=0, layer="l", fill="mean", clip=0)).set_index(
        "method"
    )
    assert table.loc["good", "area"] == pytest.approx(0.475)
    # Videos differ, but the difference does not.
    assert table.loc[
        "good", ["difference", "difference_ci_low", "difference_ci_high"]
    ].tolist() == pytest.approx([-0.2] * 3)
    assert table.loc["good", "area_ci_high"] - table.loc["good", "area_ci_low"] > 0.1
    assert table.loc["good", "p_value"] == pytest.approx(2 / 2**8, abs=0.004)
    assert np.isnan(table.loc["random", "difference"])


MASKS = np.zeros((2, 3, 1, 2), dtype=bool)
MASKS[0, :, 0, 0] = True  # the left column; the second concept is not there
MOVING = np.array([[[True, False]], [[False, True]]])
MAP = np.array([[[3.0, 1.0]], [[1.0, -5.0]], [[2.0, 3.0]]])
KEEPS = np.array([[[True, True]], [[False, False]], [[False, True]]])


def test_shares_of_concepts_by_hand():
    table = concept_shares(MASKS, MOVING, {"dtd": MAP}, {"dtd": KEEPS}, pairs=np.array([True, True]))
    row = table.iloc[0]
    assert row["volume_share"] == 0.5 and row["moving_share"] == 0.5
    assert row["relevance_share"] == pytest.approx(6 / 10) and row["selective_share"] == pytest.approx(3 / 7)
    assert table["relevance_share"][1] == 0 and np.isnan(table["moving_share"][1])
    one = concept_shares(MASKS, MOVING, {"dtd": MAP}, {"dtd": KEEPS}, pairs=np.array([True, False]))
    assert one["moving_share"][0] == 1
    whole = motion_shares(MOVING, {"dtd": MAP}, pairs=np.array([True, True]))
    assert whole["method"].tolist() == ["dtd"] and whole["moving_share"].tolist() == [0.5]
    assert whole["relevance_on_motion"].tolist() == pytest.approx([3 / 5])
    assert (stand_still(strip(1, 2).repeat(3, axis=0)) == strip(1, 2)).all()


def test_concept_motion_and_reliance_tables():
    maps, keeps = {"dtd": MAP, "lrp": MAP[..., ::-1]}, {"dtd": KEEPS, "lrp": KEEPS}
    part = concept_shares(MASKS, MOVING, maps, keeps, pairs=np.array([True, True]))
    place = {"model": "m", "seed": 0, "layer": "l", "class": "a", "clip": 0}
    shares = pd.concat([part.assign(video=f"v{n}", **place) for n in range(4)])
    table = concept_motion_table(shares, scores([4, 3, 2, 1]))
    contract = (
        "model layer class concept score volume_share moving_share method relevance_share selective_share"
    )
    assert set(contract.split()) <= set(table.columns) and len(table) == 4
    assert table.loc[0, ["volume_share", "volume_share_ci_low", "volume_share_ci_high"]].tolist() == [0.5] * 3
    own = table.set_index(["concept", "method"])
    assert own.loc[1, "moving_share"].isna().all() and set(own["n_videos"]) == {4}
    assert own.loc[0, "relevance_share"].to_dict() == pytest.approx({"dtd": 6 / 10, "lrp": 4 / 10})
    assert own.loc[0, "relevance_share_ci_low"].to_dict() == pytest.approx({"dtd": 6 / 10, "lrp": 4 / 10})
    clips = pd.DataFrame(
        {"class": list("aabb"), "video": list("wxyz"), "probability": 0.9, "moving_share": 0.2}
    )
    clips = clips.assign(model="m", seed=0, clip=0, still=[0.9, 0.9, 0.1, 0.1])
    clips = pd.concat(
        [clips.assign(method=m, relevance_on_motion=s) for m, s in (("dtd", 0.3), ("lrp", 0.6))]
    )
    found = motion_reliance_table(clips, table)
    assert found["class"].tolist() == list("bbaa") and found["method"].tolist() == ["dtd", "lrp"] * 2
    assert found["reliance"].tolist() == pytest.approx([0.8, 0.8, 0, 0]) and found["rank"].tolist() == [
        1,
        1,
        2,
        2,
    ]
    assert found["relevance_on_motion"].tolist() == pytest.approx([0.3, 0.6] * 2)
    assert found["relevance_on_motion_ci_high"].tolist() == pytest.approx([0.3, 0.6] * 2)


def test_windows_overlap_and_end_with_the_video():
    assert window_starts(20, 16, 1).tolist() == [0, 1, 2, 3, 4]
    assert window_starts(20, 16, 3).tolist() == [0, 3, 4]
    assert window_starts(10, 16, 3).tolist() == [0]
    assert window_indices(9, frames=3, between=2, step=4).tolist() == [[0, 2, 4], [4, 6, 8]]
    assert window_indices(2, frames=3, between=1, step=1).tolist() == [[0, 1, 0]]


def test_rows_of_a_window():
    vectors = np.array([[[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [-1.0, 0.0]]])
    rows = window_rows(MASKS, np.array([2.0, 4.0]), vectors)
    assert rows["share"].tolist() == [0.5, 0] and rows["derivative"].tolist() == [3, -2]
    assert rows["derivative_ci_low"].tolist() == pytest.approx([2.05, -2])
