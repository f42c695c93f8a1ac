"""Checks of faithfulness against hand-computed values, analytic functions and scipy's estimators."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from voxplain.checks.answers import answers_of, answers_of_two
from voxplain.checks.concept_ablation.compute import (
    ablate,
    concept_masks,
    independent_variance,
    total_effects,
)
from voxplain.checks.concept_ablation.table import concept_ablation_agreement_table, concept_ablation_table
from voxplain.checks.concept_motion.compute import concept_shares, motion_shares, stand_still
from voxplain.checks.concept_motion.table import concept_motion_table
from voxplain.checks.concept_over_time import compute as over_time
from voxplain.checks.concept_over_time.compute import (
    middle_frames,
    read_longest,
    window_indices,
    window_rows,
    window_starts,
)
from voxplain.checks.concept_over_time.figure import concept_over_time_figure
from voxplain.checks.faithfulness.compute import (
    areas,
    concept_map,
    curves,
    curves_by_fill,
    hide,
    random_masking,
    rank_supervoxels,
    step_counts,
    supervoxel_scores,
)
from voxplain.checks.faithfulness.controls import explained_and_controls
from voxplain.checks.faithfulness.table import faithfulness_controls_table, faithfulness_table
from voxplain.checks.motion_reliance.table import motion_reliance_table
from voxplain.checks.randomization.compute import random_head
from voxplain.cli.explain import write_video
from voxplain.errors import ConfigError, VideoError, VoxplainError
from voxplain.explaining import activation_control
from voxplain.models.build import build_model
from voxplain.models.trained import TrainedModel
from voxplain.pixel_maps import PIXEL_MAPS
from voxplain.streams import stream

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


def two(clips):
    """Brightness, its half as margin, and what is not bright."""
    return np.stack([brightness(clips), brightness(clips) / 2, 2 - brightness(clips)], axis=1)


BLACK = np.zeros(3, np.uint8)


def test_curves_of_an_additive_answer_by_hand():
    clip, level = strip(0, 100, 200, 100), np.array([[[5, 7, 9, 7]]])
    _, scores = supervoxel_scores(clip[..., 0].astype(float), level)
    ranks = {("right", "", 0): rank_supervoxels(scores), ("wrong", "", 0): rank_supervoxels(-scores)}
    table = curves(two, clip, level, ranks, fill="mean", color=BLACK, steps=3).assign(chance=0.5)
    found = table.set_index(["method", "curve"])
    assert found.loc[("right", "deletion"), "probability"].tolist() == pytest.approx([1, 1 / 2, 0])
    assert found.loc[("right", "insertion"), "probability"].tolist() == pytest.approx([0, 1 / 2, 1])
    assert found.loc[("wrong", "deletion"), "probability"].tolist() == pytest.approx([1, 1, 0])
    assert found.loc[("right", "deletion"), "share"].tolist() == pytest.approx([0, 1 / 4, 1])
    assert (found["margin"] == found["probability"] / 2).all()
    area = areas(table, ["method", "curve"]).set_index(["method", "curve", "outcome"])
    # Trapezoids by hand: (1 + 1/2) / 2 / 4 + (1/2 + 0) / 2 * 3 / 4.
    assert area.loc[("right", "deletion", "probability"), "area"] == pytest.approx(3 / 16 + 3 / 16)
    assert area.loc[("right", "deletion", "margin"), "area"] == pytest.approx(3 / 16)
    # After the first step 1/2 is left, which is chance, and by the wrong order all.
    assert area["floor"].xs("probability", level="outcome").to_dict() == {
        ("right", "deletion"): 1, ("right", "insertion"): 1, ("wrong", "deletion"): 0, ("wrong", "insertion"): 1
    }  # fmt: skip


def test_steps_start_with_a_single_supervoxel_and_grow():
    assert step_counts(45, 5).tolist() == [0, 1, 2, 7, 16, 29, 45]
    assert step_counts(3, 8).tolist() == [0, 1, 2, 3] and step_counts(1, 4).tolist() == [0, 1]
    assert (np.diff(step_counts(200, 8), 2)[1:] >= 0).all()


def test_ties_are_broken_at_random():
    first = [int(np.argmin(rank_supervoxels(np.zeros(4), seed))) for seed in range(200)]
    assert set(np.bincount(first) > 25) == {True}
    assert rank_supervoxels(np.array([1.0, 3, 2])).tolist() == [2, 0, 1]


def test_random_masking_finds_an_additive_answers_weights():
    clip, level = strip(0, 100, 200), np.array([[[1, 2, 3]]])
    found = random_masking(two, clip, level, masks=4000, seed=1, fill="mean", color=BLACK)
    assert found[:, 0] == pytest.approx([0, 1 / 3, 2 / 3], abs=0.03)
    # The other class's probability has the opposite weights.
    assert found[:, 2] == pytest.approx(-found[:, 0])


def test_every_method_has_its_controls_and_random_orders_of_their_own():
    clip, level = strip(0, 100, 200, 50, 25), np.array([[[1, 2, 3, 4, 5]]])
    maps = {("dtd", ""): clip[..., 0].astype(float), ("control_other_class", "dtd"): -1.0 * clip[..., 0]}
    options = dict(fills=["mean", "blur"], color=BLACK, steps=4, masks=8, orders=3)
    draw = lambda *names: stream(0, *names)  # noqa: E731
    table = curves_by_fill(two, two, clip, maps, level, draw=draw, **options)
    orders = table[["method", "control_of"]].drop_duplicates().itertuples(index=False, name=None)
    assert set(orders) == {*maps, ("random_masking", ""), ("control_other_class", "random_masking"),
                           ("control_random_head", "random_masking"), ("random", "")}  # fmt: skip
    random = table[(table["method"] == "random") & (table["curve"] == "deletion") & (table["fill"] == "mean")]
    assert random.groupby("draw")["probability"].agg(tuple).nunique() == 3
    same = curves_by_fill(two, two, clip, maps, level, draw=draw, **options)
    pd.testing.assert_frame_equal(table, same)


def test_controls_of_an_explainer_are_of_another_class_and_of_a_random_head():
    network = build_model("r3d_18", None, 3, seed=0, width=4, depth=[1, 1, 1, 1])
    model = TrainedModel(network, ["a", "b", "c"], torch.device("cpu"))
    head = random_head(model, seed=1)
    changed = {
        name.partition(".")[0] for name, value in head.network.state_dict().items()
        if not torch.equal(value, network.state_dict()[name])
    }  # fmt: skip
    assert changed == {"fc"}
    clip = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    labels = np.ones((1, 8, 16, 16), np.uint16)
    explain = lambda model, own, other: explained_and_controls(  # noqa: E731
        model, head, clip, own, other, {"gradcam": {}}, labels=labels, segmentation={"n_segments": [1]}
    )
    ab, ba = explain(model, "a", "b"), explain(model, "b", "a")
    np.testing.assert_allclose(ab["control_other_class", "gradcam"], ba["gradcam", ""], atol=1e-6)
    own = explain(head, "a", "b")["gradcam", ""]
    np.testing.assert_allclose(ab["control_random_head", "gradcam"], own, atol=1e-6)
    general = {f"control_{name}" for name in PIXEL_MAPS} | {"control_activation"}
    np.testing.assert_allclose(
        ab["control_activation", ""], activation_control(model, clip[None])["control_activation"][0]
    )
    assert {name for name, of in ab if not of} == {"gradcam", *general}
    answers = answers_of_two(model, "a", "b")(clip[None])[0]
    logits = [answers_of(model, name, logits=True)(clip[None])[0] for name in "ab"]
    assert answers == pytest.approx([logits[0][0], logits[0][1] - logits[1][1], logits[1][0]])


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
    assert found["variance"][0] == pytest.approx((0.25**2 + 0.5**2) / 4, rel=0.3)


def test_a_clip_without_any_of_the_concepts_changes_by_nothing():
    clip, masks = strip(0, 100, 200, 50), np.zeros((3, 1, 1, 4), dtype=bool)
    two = lambda clips: np.stack([brightness(clips), -brightness(clips)], axis=1)  # noqa: E731
    for answer, outcomes in ((brightness, 1), (two, 2)):
        found = ablate(answer, clip, masks, subsets=5, seed=0, fill="mean", color=np.zeros(3, np.uint8))
        for name, shape in {
            "squares": (3, outcomes),
            "gains": (3, outcomes),
            "variance": (outcomes,),
        }.items():
            np.testing.assert_array_equal(found[name], np.zeros(shape))


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
        # Two classes are too few for an interval.
        assert row["tau"] == pytest.approx(tau) and row[["ci_low", "ci_high", "p_value"]].isna().all()
        assert (row["n_classes"], row["n_concepts"], row["n_videos"]) == (2, 8, 12)


def flat_curves(orders, videos, *, curve="deletion"):
    """Curves that do not change, of the given level in each video: (method, control_of) to (videos,) areas."""
    rows = [
        (curve, *order, f"v{video}", share, values[video])
        for order, values in orders.items()
        for video, share in product(range(videos), (0.0, 1.0))
    ]
    frame = pd.DataFrame(rows, columns=["curve", "method", "control_of", "video", "share", "probability"])
    place = {"model": "m", "seed": 0, "layer": "l", "fill": "mean", "clip": 0, "draw": 0, "chance": 0.5}
    return frame.assign(margin=frame["probability"], **place)


def test_a_method_is_compared_with_the_best_of_its_controls():
    base = 0.5 + 0.05 * np.arange(8)
    orders = {
        ("good", ""): base - 0.2,
        ("random", ""): base,
        ("control_center", ""): base - 0.1,
        ("control_other_class", "good"): base - 0.15,
        ("control_other_class", "other"): base - 0.3,  # not good's own
        ("other", ""): base - 0.25,
    }
    curves_ = flat_curves(orders, 8)
    table = faithfulness_table(curves_).query("outcome == 'probability'").set_index(["method", "control_of"])
    good, other = table.loc[("good", "")], table.loc[("other", "")]
    assert good["area"] == pytest.approx(0.475) and good["best_control"] == "control_other_class"
    # Videos differ, but the difference does not.
    ends = ["difference", "difference_ci_low", "difference_ci_high"]
    assert good[ends].tolist() == pytest.approx([-0.05] * 3)
    assert good[[f"random_{name}" for name in ends]].tolist() == pytest.approx([-0.2] * 3)
    assert good["area_ci_high"] - good["area_ci_low"] > 0.1
    assert good["p_value"] == pytest.approx(2 / 2**8, abs=0.004) and good["beats_controls"]
    assert other["difference"] == pytest.approx(0.05) and not other["beats_controls"]
    controls = table[table.index.get_level_values("method").str.startswith(("control", "random"))]
    assert controls["beats_controls"].isna().all() and controls["difference"].isna().all()
    each = faithfulness_controls_table(curves_).query("outcome == 'probability' and method == 'good'")
    assert each.set_index("control")["difference"].to_dict() == pytest.approx(
        {"random": -0.2, "control_center": -0.1, "control_other_class": -0.05}
    )
    insertion = faithfulness_table(flat_curves(orders, 8, curve="insertion")).set_index(
        ["method", "control_of"]
    )
    assert insertion["best_control"].dropna().unique().tolist() == ["random"]
    assert not insertion["beats_controls"].any() and insertion["floor"].isna().all()


def test_two_videos_tell_nothing():
    table = faithfulness_table(flat_curves({("good", ""): [0, 0], ("random", ""): [1, 1]}, 2))
    row = table[table["method"] == "good"].iloc[0]
    assert row["difference"] == -1 and row[["difference_ci_low", "p_value"]].isna().all()
    assert row["beats_controls"] is pd.NA


def test_the_variance_of_few_subsets_is_not_too_small():
    """f of the truth table above has variance 1; of 4 points and their changes all together it is less."""
    f = lambda x: x[..., 0] + 2 * x[..., 1] * x[..., 2]  # noqa: E731
    rng, found, plain = np.random.default_rng(0), [], []
    for _ in range(4000):
        points = rng.integers(0, 2, (4, 3))
        groups = f(np.concatenate([points[:, None], points[:, None] ^ np.eye(3, dtype=int)], axis=1))
        found.append(independent_variance(groups))
        plain.append(groups.var())
    assert np.mean(found) == pytest.approx(1, abs=0.03) and np.mean(plain) < 0.97
    assert independent_variance(np.ones((3, 2, 5))).tolist() == [0] * 5


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
        {"class": list("aaabbb"), "video": list("uvwxyz"), "probability": 0.9, "moving_share": 0.2}
    )
    clips = clips.assign(model="m", seed=0, clip=0, still=[0.9] * 3 + [0.1] * 3)
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


def test_windows_of_short_videos_are_repeated_as_clips_are():
    """Frames 0, 3 and 6, and from the beginning: not frame 9 of 7, counted on from the beginning."""
    assert window_indices(7, frames=4, between=3, step=1).tolist() == [[0, 3, 6, 0]]
    assert window_indices(10, frames=4, between=3, step=1).tolist() == [[0, 3, 6, 9]]


def test_the_figure_shows_the_frames_that_the_numbers_are_of():
    clips = np.random.default_rng(0).integers(0, 255, (2, 5, 8, 8, 3), dtype=np.uint8)
    place = {"model": "m", "seed": 0, "video": "v"}
    table = pd.DataFrame(
        {"window": [0, 1], "rank": 1, "derivative": [1.0, -1.0], "share": 0.5, "first_frame": [0, 4]}
    )
    table = table.assign(last_frame=table["first_frame"] + 4, probability=0.5, **place)
    other = middle_frames(255 - clips).assign(**place | {"seed": 1})  # of another network
    figure = concept_over_time_figure(table, pd.concat([other, middle_frames(clips).assign(**place)]))
    shown = [image.get_array() for axes in figure.subfigs[0].axes for image in axes.get_images()]
    shown = [image for image in shown if image.shape == (8, 8, 3)]
    np.testing.assert_array_equal(shown, clips[:, 2])


def test_the_longest_videos_that_can_be_read_are_followed(tmp_path, capsys):
    """By what of the file lies between start and end; of each class, which the log says, without those that are gone."""
    for number, seconds in enumerate([1, 2, 3]):
        frames = np.full((10 * seconds, 16, 16, 3), number, np.uint8)
        write_video(tmp_path / f"{seconds}.mp4", frames, 10)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    nan = np.nan
    rows = [
        ("until 2 of 2", "a", "2.mp4", nan, 99.0),
        ("until 1 of 3", "a", "3.mp4", nan, 1.0),
        ("from 2.5 of 3", "a", "3.mp4", 2.5, nan),
        ("gone", "a", "gone.mp4", 0.0, 50.0),
        ("broken", "b", "broken.mp4", nan, nan),
        ("past its end", "c", "3.mp4", 7.0, 50.0),
        ("from 0.5 of 2", "c", "2.mp4", 0.5, nan),
        ("whole, of 1", "c", "1.mp4", nan, nan),
        ("fails as it is decoded", "c", "3.mp4", nan, nan),
        ("whole, of 3", "d", "3.mp4", nan, nan),
    ]
    table = pd.DataFrame(rows, columns=["video", "class", "path", "start", "end"])
    table["path"] = [str(tmp_path / name) for name in table["path"]]
    how = {
        "step": 4,
        "frames": 8,
        "between": 1,
        "sampling": "center",
        "size": 16,
        "crop": "center",
        "most": 9,
    }
    real = over_time.read_windows

    def read(video, **windows):
        if video.video == "fails as it is decoded":
            raise VideoError(f"{video.path}: the frames' size changes within the video")
        return real(video, **windows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(over_time, "read_windows", read)
        found = list(read_longest(table, 2, **how))
    assert [(name, row.video) for name, row, _, _ in found] == [("a", "until 2 of 2"), ("c", "from 0.5 of 2")]
    assert [(indices.min(), indices.max()) for _, _, _, indices in found] == [(0, 19), (5, 19)]
    told = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in told] == [
        f"{name} is not followed" for name in ("gone", "broken", "fails as it is decoded")
    ]
    with pytest.raises(VoxplainError, match="None of 2 videos can be followed"):
        list(read_longest(table.iloc[3:5], 2, **how))


def test_the_window_of_a_whole_video_is_its_clip():
    how = {"frames": 4, "between": 1, "step": 2, "sampling": "whole"}
    assert window_indices(40, **how).tolist() == [[5, 15, 25, 35]]  # the middles of four parts
    assert window_indices(3, **how).tolist() == [[0, 1, 2, 0]]


def test_rows_of_a_window():
    vectors = np.array([[[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [-1.0, 0.0]]])
    rows = window_rows(MASKS, np.array([2.0, 4.0]), vectors)
    assert rows["share"].tolist() == [0.5, 0] and rows["derivative"].tolist() == [3, -2]
    assert rows["derivative_low"].tolist() == pytest.approx([2.05, -2])
