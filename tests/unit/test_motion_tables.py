"""Clip scores and tables of the second paper, against figures worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from voxplain.artifacts import create_h5, store
from voxplain.explanation_store import packed
from voxplain.motion import figures, tables
from voxplain.motion.clips import open_motion
from voxplain.motion.scores import agreements, relevant_voxels, score_clip
from voxplain.motion.sweeps import sweep_clip
from voxplain.motion.truth import truth_masks
from voxplain.videos.embedded import make_embedded_videos, read_ground_truth

NAN = float("nan")
SHARE = {"unit": "share", "threshold": 0.1}


def test_relevant_is_a_share_of_the_largest_relevance():
    relevance = np.array([[[10.0, 1.1, 0.9, -20.0]]])
    assert relevant_voxels(relevance, **SHARE).tolist() == [[[True, True, False, False]]]
    assert relevant_voxels(relevance, **SHARE, peak=20).tolist() == [[[True, False, False, False]]]
    assert not relevant_voxels(-np.ones((1, 2, 2)), **SHARE).any()
    # Rendered, a map with negative values shows absolute ones: 127, 2 (of 255) and so on.
    assert relevant_voxels(relevance, unit="rendered", threshold=126).tolist() == [
        [[False, False, False, True]]
    ]
    assert relevant_voxels(relevance, unit="rendered", threshold=100).tolist() == [
        [[True, False, False, True]]
    ]


def test_scores_of_one_clip():
    # 3 frames of 1 x 4 voxels; between the last two the clip jumps back, so that only frame 0 has motion.
    relevance = np.array([[[4.0, 2.0, 0.1, -3.0]], [[1.0, 1.0, 1.0, 1.0]], [[4.0, 0.0, 0.0, 0.0]]])
    mask = np.array([[[1, 0, 0, 1]], [[1, 1, 0, 0]], [[0, 0, 0, 0]]], bool)
    moving = np.array([[[1, 0, 0, 0]], [[1, 1, 1, 1]]], bool)
    truth = {"actor": np.array([[[1, 1, 0, 0]], [[0, 0, 0, 0]], [[1, 0, 0, 0]]], bool), "moving": moving[:1]}
    scores, found = score_clip(
        {"m": relevance}, {"m": mask}, moving, truth, pairs=np.array([True, False]), relevant=SHARE
    )
    whole, selected = scores
    assert whole == {"method": "m", "selective": False, "precision": 0.5, "base_rate": 0.25}
    # Selected: 4 in frame 0 (and -3, which does not count), 1 and 1 in frame 1, of 14.1 in 8 voxels.
    assert selected["precision"] == 1.0 and selected["base_rate"] == 0.25
    assert selected["area_share"] == pytest.approx(3 / 8)
    assert selected["relevance_share"] == pytest.approx(6 / 14.1)
    by = {(row["selective"], row["target"]): row for row in found}
    # Relevant: 2 voxels of frame 0, 4 of frame 1, 1 of frame 2; the actor has 2, 0 and 1.
    assert by[False, "actor"] | {"auroc": 0} == {
        "method": "m",
        "selective": False,
        "target": "actor",
        "share": pytest.approx(3 / 12),
        "precision": pytest.approx(3 / 7),
        "recall": 1.0,
        "iou": pytest.approx(3 / 7),
        "auroc": 0,
    }
    assert by[False, "actor"]["auroc"] == 1.0  # 4, 2 and 4 are above all others
    assert by[True, "actor"]["recall"] == pytest.approx(1 / 3)
    assert by[False, "moving"]["precision"] == 0.5 and by[False, "moving"]["recall"] == 1.0


def test_a_clip_without_two_frames_in_order_has_no_precision():
    maps = {"m": np.ones((3, 2, 2))}
    scores, found = score_clip(
        maps,
        {"m": np.ones((3, 2, 2), bool)},
        np.ones((2, 2, 2), bool),
        {"moving": np.zeros((0, 2, 2), bool)},
        pairs=np.zeros(2, bool),
        relevant=SHARE,
    )
    assert all(np.isnan(row["precision"]) and np.isnan(row["base_rate"]) for row in scores)
    assert all(np.isnan(row["recall"]) for row in found)


def test_agreement_of_all_pairs():
    a, b = np.zeros((1, 1, 4)), np.zeros((1, 1, 4))
    a[..., :2], b[..., 1:] = 1, 1
    rows = agreements({"a": a, "b": b, "c": a}, relevant=SHARE)
    assert [(row["method_a"], row["method_b"], row["agreement"]) for row in rows] == [
        ("a", "b", 0.25),
        ("a", "c", 1.0),
        ("b", "c", 0.25),
    ]


@given(arrays(np.float32, (4, 3, 3), elements=st.floats(0, 1, width=16)))
@settings(deadline=None, max_examples=30)
def test_higher_thresholds_select_less(relevance):
    rng = np.random.default_rng(0)
    rows = sweep_clip(
        {"m": relevance},
        rng.random((3, 3, 3)),
        pairs=np.ones(3, bool),
        relevant=SHARE,
        sigmas=[0, 1, 3],
        thresholds=[0.2, 0.6],
        preset="corrected",
        options={},
    )
    table = pd.DataFrame(rows)
    assert len(table) == 4 * 2
    shares = table[table["flow_threshold"] == 0.2].set_index("sigma")["relevance_share"]
    if not shares.isna().any():
        assert shares.loc[0] >= shares.loc[1] >= shares.loc[3] and table["relevance_share"].max() <= 1 + 1e-6


def scores_table(rows):
    names = ["selective", "video", "clip", "precision", "base_rate", "area_share", "relevance_share"]
    return pd.DataFrame(rows, columns=names).assign(model="net", seed=0, method="dtd", label="x")


ROWS = scores_table(
    [
        (False, "a", 0, 0.2, 0.1, NAN, NAN),
        (False, "a", 1, 0.4, 0.3, NAN, NAN),
        (False, "b", 0, 0.9, 0.2, NAN, NAN),
        (True, "a", 0, 0.5, 0.1, 0.1, 0.2),
        (True, "a", 1, NAN, 0.3, 0.0, 0.0),
        (True, "b", 0, 0.7, 0.2, 0.2, 0.6),
        (True, "c", 0, NAN, NAN, 0.3, 0.4),  # no two frames follow each other
    ]
)
CELLS = pd.DataFrame(
    {
        "method": ["dtd", "gradcam"],
        "selective": [False, True],
        "published_mean": [0.2779, 0.3612],
        "published_sd": [0.1672, 0.1711],
    }
)


def test_motion_precision():
    table = tables.motion_precision_table(ROWS, CELLS).set_index("selective")
    whole, selective = table.loc[False], table.loc[True]
    assert whole["mean"] == pytest.approx(0.5) and whole["sd"] == pytest.approx(
        np.std([0.2, 0.4, 0.9], ddof=1)
    )
    assert whole["video_mean"] == pytest.approx((0.3 + 0.9) / 2)
    assert whole["base_rate"] == pytest.approx(0.2) and whole["lift"] == pytest.approx(2.5)
    assert (whole["n_clips"], whole["n_videos"], whole["n_empty"]) == (3, 2, 0)
    assert whole["published_mean"] == 0.2779 and np.isnan(selective["published_mean"])
    assert selective["mean"] == pytest.approx(0.6) and selective["base_rate"] == pytest.approx(0.15)
    assert (selective["n_clips"], selective["n_empty"]) == (2, 1)
    official = tables.motion_precision_table(ROWS, CELLS, empty="zero").set_index("selective").loc[True]
    assert official["mean"] == pytest.approx(0.4) and official["n_clips"] == 3 and official["n_empty"] == 1
    assert official["base_rate"] == pytest.approx(0.2)
    assert whole["ci_low"] < 0.5 < whole["ci_high"]


def test_agreement_takes_the_papers_cell_in_either_order():
    rows = pd.DataFrame(
        {
            "model": "net",
            "seed": 0,
            "method_a": "gradcam",
            "method_b": "dtd",
            "video": ["a", "b", "c"],
            "clip": 0,
            "agreement": [0.1, 0.3, NAN],
        }
    )
    published = pd.DataFrame(
        {"method_a": ["dtd"], "method_b": ["gradcam"], "published_mean": [0.3661], "published_sd": [0.1384]}
    )
    (row,) = tables.baseline_agreement_table(rows, published).to_dict("records")
    assert row["mean"] == pytest.approx(0.2) and row["published_mean"] == 0.3661
    assert (row["n_clips"], row["n_empty"]) == (2, 1)


def test_selectivity():
    published = pd.DataFrame(
        {
            "method": ["dtd"],
            "published_area_mean": [0.077],
            "published_area_sd": [0.041],
            "published_relevance_mean": [0.105],
            "published_relevance_sd": [0.071],
        }
    )
    (row,) = tables.selectivity_table(ROWS, published, sigma=2).to_dict("records")
    assert row["sigma"] == 2 and row["area_mean"] == pytest.approx(0.15)
    assert row["relevance_mean"] == pytest.approx(0.3) and row["published_relevance_mean"] == 0.105
    assert (row["n_clips"], row["n_videos"]) == (4, 3)


def test_selected_share_against_another_run():
    other = ROWS.assign(relevance_share=ROWS["relevance_share"] / 2)
    table = tables.selected_share_table(ROWS, other, run="b").set_index("share")
    # Videos: a 0.1, b 0.6, c 0.4.
    assert table.loc["relevance", "mean"] == pytest.approx(1.1 / 3)
    assert table.loc["relevance", "difference"] == pytest.approx(1.1 / 6)
    assert table.loc["area", "difference"] == pytest.approx(0, abs=1e-12)
    assert table.loc["area", "difference_ci_low"] < 0 < table.loc["area", "difference_ci_high"]
    assert set(table["compared_with"]) == {"b"}
    same = scores_table([(True, video, 0, 0.5, 0.1, 0.1, 0.3) for video in "abcd"])
    less = same.assign(relevance_share=0.1)
    row = tables.selected_share_table(same, less, run="b").set_index("share").loc["relevance"]
    assert row["difference_ci_low"] == pytest.approx(0.2) and row["difference_ci_high"] == pytest.approx(0.2)
    alone = tables.selected_share_table(ROWS)
    assert "difference" not in alone
    unknown = tables.selected_share_table(ROWS, other.assign(method="gradcam"), run="b")
    assert unknown["difference"].isna().all()


def test_overhead():
    timings = pd.DataFrame(
        {"method": "dtd", "selective": [False, False, True, True], "ms": [1.0, 3.0, 2.0, 5.0]}
    )
    timings = timings.assign(model="net", device="cpu (1 threads)", batch=8)
    published = pd.DataFrame(
        {"method": ["dtd"], "selective": [False], "published_mean_ms": [1.16], "published_sd_ms": [0.455]}
    )
    table = tables.explanation_overhead_table(timings, published).set_index("selective")
    assert table.loc[False, "mean_ms"] == 2 and table.loc[True, "mean_ms"] == 3.5
    assert table.loc[False, "sd_ms"] == pytest.approx(np.sqrt(2)) and (table["n"] == 2).all()
    assert table.loc[False, "published_mean_ms"] == 1.16 and np.isnan(table.loc[True, "published_mean_ms"])


def test_sweep_compares_with_the_clips_that_count():
    sweeps = pd.DataFrame(
        {
            "model": "net",
            "method": "dtd",
            "sigma": [NAN, NAN, 2.0, 2.0],
            "flow_threshold": 0.5,
            "precision": [0.2, 0.4, 0.6, NAN],
            "base_rate": [0.1, 0.3, 0.1, 0.3],
            "area_share": [1, 1, 0.2, 0],
            "relevance_share": [1, 1, 0.4, 0],
        }
    )
    table = tables.motion_sweep_table(sweeps)
    whole, selected = table[table["sigma"].isna()].iloc[0], table[table["sigma"] == 2].iloc[0]
    assert whole["lift"] == pytest.approx(0.3 / 0.2) and selected["lift"] == pytest.approx(6.0)
    assert selected["n_empty"] == 1 and selected["relevance_share"] == pytest.approx(0.2)


def test_ground_truth_precision():
    found = pd.DataFrame(
        {
            "model": "net",
            "seed": 0,
            "method": "dtd",
            "selective": False,
            "target": "actor",
            "video": ["a", "b"],
            "clip": 0,
            "share": [0.1, 0.3],
            "precision": [0.5, NAN],
            "recall": [0.2, 0.4],
            "iou": [0.1, 0.2],
            "auroc": [0.9, 0.5],
        }
    )
    (row,) = tables.ground_truth_precision_table(found).to_dict("records")
    assert (row["precision"], row["recall"], row["auroc"]) == pytest.approx((0.5, 0.3, 0.7))
    assert row["base_rate"] == pytest.approx(0.2) and (row["n_clips"], row["n_empty"]) == (1, 1)


def test_examples_are_the_most_precise_clip_of_each_class():
    rows = [
        ("a", "x", 0, 0.9),
        ("b", "x", 0, 0.8),
        ("c", "y", 0, 0.1),
        ("c", "y", 1, 0.3),
        ("d", "z", 0, NAN),
    ]
    scores = pd.DataFrame(rows, columns=["video", "class", "clip", "precision"]).assign(
        selective=True, method="m"
    )
    assert figures.choose_examples(scores, 3) == [("a", 0), ("c", 1), ("d", 0)]
    assert figures.choose_examples(scores, 2, ["d", "c"]) == [("d", 0), ("c", 1)]


def test_pictures_show_heat_where_the_relevance_is():
    clip = np.full((4, 8, 8, 3), 200, np.uint8)
    relevance = np.zeros((4, 8, 8))
    relevance[1, 2, 3] = 1
    example = figures.ExplainedClip(
        "v", clip, np.zeros((3, 8, 8), bool), {"dtd": relevance}, {"dtd": relevance * 0}
    )
    above, below = figures.tiles(example)
    bright = above[1].astype(int).sum(axis=-1)
    assert np.argwhere(bright > 400).tolist() == [[1, 2, 3]]
    assert (below[1] == below[1][0, 0, 0]).all()
    assert (
        figures.fullest_frame(figures.ExplainedClip("v", clip, example.moving, example.maps, example.maps))
        == 1
    )
    images = figures.relevance_animation([example], side=20)
    assert len(images) == 4 and images[0].size == (2 * 23 - 3, 16 + 2 * 23 - 3)
    assert len(figures.relevance_sheet([example, example], title="t").axes) == 4 * 2


def test_clips_that_were_padded_have_no_motion_where_they_jump_back(tmp_path):
    paths = SimpleNamespace(clips=tmp_path / "c.h5", flow=tmp_path / "f.h5", explanations=tmp_path / "e.h5")
    with create_h5(paths.clips, kind="clips") as file:
        store(file, "a/frames", [[0, 1, 2, 3], [4, 5, 4, 5]])  # six frames in two clips of four
        file.create_group("unused")
    with create_h5(paths.flow, kind="flow") as file:
        store(file, "a/flow", np.ones((2, 3, 2, 2, 2), np.float16))
    with create_h5(paths.explanations, kind="explanations") as file:
        group = file.create_group("a")
        group.attrs["class"] = "x"
        for name, array in packed({"m": np.full((2, 4, 2, 2), 3.0)}).items():
            store(group, name, array)
        file.create_group("without flow")
    with open_motion(paths, ["m"]) as clips:
        first, second = clips
        assert len(clips) == 2
    assert (first.video, first.class_name, first.number, second.number) == ("a", "x", 0, 1)
    assert first.pairs.tolist() == [True, True, True] and second.pairs.tolist() == [True, False, True]
    assert second.flow.dtype == np.float32 and (second.maps["m"] == 1).all() and second.masks == {}


def test_what_moves_against_the_background_is_known(tmp_path):
    options = {"classes": 2, "train_per_class": 1, "test_per_class": 1, "frames": 6, "size": 32}
    video = make_embedded_videos(tmp_path, **options)["video"].iloc[0]
    path, indices = tmp_path / "ground_truth.h5", np.arange(1, 5)
    scene = read_ground_truth(path, video, indices)
    still, drifting = (
        truth_masks(
            path, video, indices, pairs=np.ones(3, bool), camera=camera, unit="pixels", threshold=1e-2
        )
        for camera in (True, False)
    )
    # The background moves only with the camera; the actor may rest for a moment, but not as a whole.
    background = scene.objects[:-1] == 0
    assert not still["moving"][background].any() and drifting["moving"][background].all()
    assert still["moving"][scene.objects[:-1] == 1].mean() > 0.5
    assert (still["actor"] == (scene.objects == 1)).all() and (still["cue"] == (scene.objects == 255)).all()
    one = truth_masks(
        path, video, indices, pairs=np.array([True, False, False]), camera=True, unit="pixels", threshold=1e-2
    )
    assert (one["moving"] == still["moving"][:1]).all()
