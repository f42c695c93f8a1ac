"""Concepts that the config gives: where their examples are, how they are scored and steered, and their tables."""

from __future__ import annotations

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest

from voxplain.activations import logit_gradients
from voxplain.artifacts import create_h5, write_table
from voxplain.claims.evidence import given_concepts
from voxplain.cli.check import Note, check_given
from voxplain.concepts.given.compute import Direction, GivenCavs, score_cavs, score_members
from voxplain.concepts.given.examples import (
    Example,
    folder_clips,
    gather_members,
    keep_some,
    masked_examples,
    truth_masks,
)
from voxplain.concepts.given.figure import given_concepts_figure
from voxplain.concepts.given.plan import given_problems
from voxplain.concepts.given.steer import steer_directions
from voxplain.concepts.given.table import given_concepts_table, given_summary_table
from voxplain.config import load_config
from voxplain.errors import ConfigError
from voxplain.finished import FinishedLayer
from voxplain.models.build import build_model
from voxplain.models.trained import TrainedModel
from voxplain.report.words import given_sentences
from voxplain.videos.truth import Truth

MODELS = {"r3d": {"network": "r3d_18", "layers": ["layer3"]}}


def config(given, **more):
    return load_config({"models": MODELS, "concepts": {"given": given}} | more)


# The config


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "nothing given; name one of folder, labels and target"),
        ({"folder": "a", "labels": [1]}, "folder and labels given"),
        ({"folder": "a", "control": {"target": "distractor"}}, "a control of the same kind"),
        ({"labels": []}, "labels"),
        ({"label": [1]}, "did you mean 'labels'"),
        ({"labels": [1], "control": {"label": [1]}}, "did you mean 'labels'"),
    ],
)
def test_what_cannot_be_meant_says_the_mend(given, told):
    with pytest.raises(ConfigError, match=told):
        config({"hand": given})


def problems(given, *, masks=True, known=True, names=(), **more):
    return list(given_problems(config(given, **more), masks=masks, known=known, names=names))


def test_problems_are_told_with_the_mend(tmp_path):
    (tmp_path / "clips").mkdir()
    cv2.imwrite(str(tmp_path / "clips/one.png"), np.zeros((8, 8, 3), np.uint8))
    assert problems({"hand": {"folder": str(tmp_path / "clips")}, "arm": {"target": "actor"}}) == []
    (told,) = problems({"hand": {"folder": str(tmp_path / "none")}})
    assert told.startswith("concepts.given.hand.folder: There is no folder")
    (told,) = problems({"hand": {"target": "evidence", "control": {"target": "distractr"}}})
    assert "control.target: there is no target 'distractr'; did you mean 'distractor'?" in told
    (told,) = problems({"hand": {"target": "cue"}}, data={"path": "own.csv"})
    assert "Known: evidence." in told
    (told,) = problems({"hand": {"labels": [1]}}, masks=False)
    assert "no video has masks" in told
    (told,) = problems({"hand": {"target": "evidence"}}, known=False)
    assert "no video has ground truth" in told
    (told,) = problems({"hand": {"labels": [1]}, "Hand": {"labels": [2]}})
    assert "differs from hand by capitals alone" in told
    (told,) = problems({"hand": {"labels": [1]}}, names=["hand"])
    assert "concepts.names calls a found concept so" in told


def test_check_tells_labels_that_no_mask_has(tmp_path):
    volume = np.zeros((4, 8, 8), np.uint8)
    volume[2:, :3] = 7
    with h5py.File(tmp_path / "masks.h5", "w") as file:
        file["a.mp4"] = volume
    row = {"video": "a.mp4", "path": "a.mp4", "class": "wave", "split": "train", "boxes": "", "flow": ""}
    table = pd.DataFrame([row | {"masks": str(tmp_path / "masks.h5"), "group": "a.mp4", "subset": ""}])
    given = {"hand": {"labels": [7], "control": {"labels": [5, 6]}}}
    found = list(check_given(config(given, data={"path": "own.csv"}), table))
    assert len(found) == 1 and not isinstance(found[0], Note)
    assert found[0].startswith(
        "concepts.given.hand.control.labels: no mask of a training video has the label 5 or 6"
    )
    given["hand"]["control"] = {"labels": [7]}
    assert list(check_given(config(given, data={"path": "own.csv"}), table)) == []


# Examples


def test_masks_by_label_and_by_target():
    labels = np.zeros((2, 2, 4), np.uint8)
    labels[..., 0], labels[..., 1] = 3, 5
    truth = Truth(labels, {"evidence": [5], "nowhere": [9]})
    wanted = {
        "given": {"labels": [3, 5], "target": None},
        "control": {"labels": None, "target": "evidence"},
        "other": {"labels": None, "target": "nowhere"},
        "unknown": {"labels": None, "target": "none"},
    }
    found = truth_masks(truth, wanted)
    assert list(found) == ["given", "control"]
    assert found["given"].sum() == 8 and (found["control"] == (labels == 5)).all()
    assert truth_masks(None, wanted) == {}


def test_an_image_is_a_clip_that_stands_still(tmp_path):
    image = np.zeros((16, 16, 3), np.uint8)
    image[..., 2] = 200  # red, as OpenCV has it
    cv2.imwrite(str(tmp_path / "red.png"), image)
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    ((name, _, clip, frames),) = folder_clips(tmp_path, {"frames": 4, "size": 8, "crop": "center"})
    assert name == "red.png" and clip.shape == (4, 8, 8, 3) and frames.tolist() == [0] * 4
    assert (clip == [200, 0, 0]).all()


@pytest.fixture(scope="module")
def model():
    network = build_model("r3d_18", None, 2, seed=0, width=4, depth=[1, 1, 1, 1]).eval()
    return TrainedModel(network, ["a", "b"], next(network.parameters()).device)


SHOWN = {"form": "in_place", "fill": "mean", "pooling": [1, 1, 1], "batch": 8, "preset": "corrected"}


def test_examples_go_to_their_class_or_to_all_and_some_are_kept(model):
    rng = np.random.default_rng(0)
    clips = rng.integers(0, 255, (3, 8, 16, 16, 3), dtype=np.uint8)
    mask = np.zeros((8, 16, 16), bool)
    mask[:, 4:12, 4:12] = True
    equal = lambda video, number, given: np.roll(given, number, axis=2)  # noqa: E731
    found = [("a", "v0", 1, clips[0], {"given": mask}), ("a", "v1", 2, clips[1], {}), ("b", "v2", 0, clips[2], {"given": mask})]  # fmt: skip
    kept: dict = {}
    examples = [*masked_examples(found, equal), Example(None, "own.mp4", clips[1], source="control")]
    assert [one.video for one in examples] == ["v0", "v2", "own.mp4"]
    assert (examples[0].masks["control"] == np.roll(mask, 1, axis=2)).all()
    members = gather_members(model, keep_some(examples, kept, 2), ["a", "b"], ["layer3"], **SHOWN)["layer3"]
    assert {source: {name: len(some) for name, some in by.items()} for source, by in members.items()} == {
        "given": {"a": 1, "b": 1}, "control": {"a": 2, "b": 2},
    }  # fmt: skip
    assert list(kept["given"]) == ["a", "b"] and list(kept["control"]) == ["a", "b"]  # at most two


# Scores


def finished_layer(folder, rng, classes, *, sets=None, videos=4, supervoxels=6, size=8):
    """Artifacts of a layer without any structure, but for random sets that are given: what scoring a concept takes."""

    def noise(*shape):
        return rng.normal(size=(*shape, size)).astype(np.float32)

    folder.mkdir(parents=True)
    activations = folder.parent / "train-000.h5"
    made = {"made_by": {"params": {"options": {}, "preset": "corrected"}}}
    with create_h5(activations, kind="activations", **made) as file:
        for name in classes:
            for number in range(videos):
                group = file.create_group(f"{name}{number}#0")
                group.attrs.update({"video": f"{name}{number}", "clip": 0, "class": name})
                group["kept"] = np.stack([np.zeros(supervoxels, int), np.arange(supervoxels)], axis=1)
                group["supervoxels/l"], group["clip/l"], group["gradient/l"] = (
                    noise(supervoxels),
                    noise()[..., :],
                    noise(),
                )
    params = {"params": {"options": {"random_sets": 3, "set_size": 12}}}
    with create_h5(folder / "random_sets.h5", kind="random_sets", made_by=params) as file:
        file["sets"], file["subset"] = noise(3, 12) if sets is None else sets, noise(12)
    clustering = {"clusters": 3, "min_supervoxels": 4, "max_members": 12, "cutoff": None, "popularity": "coverage",
                  "normalize": "root", "components": 5, "restarts": 3, "max_supervoxels": 1000}  # fmt: skip
    cavs = {"classifier": "mean_difference", "options": {}}
    params = {"params": {"clusterings": 20, "options": clustering, "cavs": cavs, "random_sets_seed": 0}}
    with create_h5(folder / "random_cavs.h5", kind="random_cavs", made_by=params):
        pass
    with create_h5(folder / "random_gradients.h5", kind="random_gradients", made_by={"params": {}}) as file:
        file["class"], file["gradients"] = list(classes), noise(len(classes), 39)
    scores = pd.DataFrame({"class": list(classes), "concept": 0, "effect": 0.0, "score": 0.5, "rank": 1})
    params = {"params": {"options": {"test": "clusters_and_gradients", "rank_by": "effect"}}}
    write_table(folder / "scored_concepts.parquet", scores, kind="scored_concepts", made_by=params)
    return FinishedLayer("m", 0, "l", folder, (activations,))


def test_a_given_concept_of_random_members_is_rarely_significant(tmp_path):
    """Through the stage's own function, from artifacts that have no structure."""
    rng, tables = np.random.default_rng(0), []
    classes = [f"c{number:02}" for number in range(30)]
    for repeat in range(4):
        place = finished_layer(tmp_path / f"{repeat}/layer", rng, classes)
        members = {
            source: {name: list(rng.normal(size=(6, 8)).astype(np.float32)) for name in classes}
            for source in ("given", "control")
        }
        found = score_members(members, place, name="nothing", whole=False)
        assert found.few == {} and set(found.directions) == {(s, c) for s in members for c in classes}
        tables.append(found.table)
    table = pd.concat(tables)
    assert len(table) == 240 and (table["n_examples"] == 6).all()
    assert (table["p_value"] <= 0.05).mean() <= 0.07
    # Examples at random lie nearer to the pool than clusters do.
    assert (table["p_clusters"] <= 0.05).mean() <= 0.07
    assert (table["p_gradients"] <= 0.05).mean() == pytest.approx(0.05, abs=0.04)
    assert (table["effect"].between(table["effect_ci_low"], table["effect_ci_high"])).all()
    # Gradients are of mean 0, and of four videos in each class, which both sources share.
    covered = (table["effect_ci_low"] <= 0) & (0 <= table["effect_ci_high"])
    assert covered.mean() == pytest.approx(0.95, abs=0.04)


def test_the_effect_is_the_mean_gradient_along_the_direction(tmp_path):
    rng = np.random.default_rng(1)
    sets = rng.normal(size=(3, 1, 8)).repeat(
        12, axis=1
    )  # without spread, so that a CAV is the way to the example
    place = finished_layer(tmp_path / "run/layer", rng, ["a", "b"], sets=sets)
    members = {"given": {"a": [np.arange(8.0)] * 5, "b": [np.arange(8.0)] * 2}}
    found = score_members(members, place, name="x", whole=False)
    assert found.few == {"given": ["b"]} and found.table["class"].tolist() == ["a"]
    with h5py.File(place.activations[0]) as file:
        gradient = np.mean([file[f"a{number}#0/gradient/l"][()] for number in range(4)], axis=0)
    way = found.directions["given", "a"].way
    assert found.table["effect"].item() == pytest.approx(gradient @ way, rel=1e-5)
    np.testing.assert_allclose(way, np.arange(8.0) - sets.mean(axis=(0, 1)), rtol=1e-5)
    np.testing.assert_allclose(found.directions["given", "a"].baseline, sets.mean(axis=(0, 1)))
    with pytest.raises(ConfigError, match="x has fewer than three examples"):
        score_members({"given": {"a": members["given"]["b"]}}, place, name="x", whole=False)


class Clips:
    """Two clips of class b and one of a."""

    table = pd.DataFrame({"video": ["u", "v", "w"], "class": ["b", "a", "b"], "clip": [0, 0, 1]})
    _clips = np.random.default_rng(2).integers(0, 255, (3, 8, 16, 16, 3), dtype=np.uint8)

    def fetch(self, rows):
        return self._clips[rows]


def test_adding_a_direction_below_a_linear_head_changes_the_logit_by_the_effect(model):
    rng = np.random.default_rng(0)
    inputs = model.inputs(Clips().fetch(np.array([0])))
    gradient = logit_gradients(model.network, inputs, model.targets(["b"]), ["layer4"])["layer4"][0].numpy()
    ways = rng.normal(size=(5, len(gradient)))
    direction = Direction(ways[0], ways[1:], np.zeros(len(gradient)))
    found = steer_directions(
        model,
        Clips(),
        {("given", "b"): direction},
        "layer4",
        draws=3,
        rng=lambda *_: np.random.default_rng(0),
    )
    assert set(zip(found["video"], found["clip"], strict=True)) == {("u", 0), ("w", 1)}
    assert set(found["source"]) == {"given"} and set(found["class"]) == {"b"}
    own = found[(found["control"] == "none") & (found["steering"] == "addition")]
    np.testing.assert_allclose(own["change_of_logit"], gradient @ ways[0], rtol=1e-3)
    other = found[(found["control"] == "random_concept") & (found["steering"] == "addition")]
    assert set(other["draw"]) == {0, 1, 2} and set(other["norm"]) == {"own", "matched"}


# Tables


def tables():
    """Two classes and a name with a control; by hand."""
    place = {"model": "m", "seed": 0, "layer": "l"}
    rows = [("given", "a", 3.0, 0.01), ("given", "b", 1.0, 0.04), ("given", "c", 2.0, 0.5),
            ("control", "a", 0.5, 0.6), ("control", "b", 1.0, 0.6), ("control", "c", 0.0, 0.9)]  # fmt: skip
    scores = pd.DataFrame(rows, columns=["source", "class", "effect", "p_value"]).assign(name="hand", **place)
    blank = dict.fromkeys(("score", "score_sd", "derivative", "effect_ci_low", "effect_ci_high", "p_clusters", "p_gradients", "cav_accuracy"), 0.5)  # fmt: skip
    scores = scores.assign(**blank, n_examples=4, n_null_members=4, rank_among_found=1, n_found=3)
    steered = []
    for source, name, _, _ in rows:
        for video, change in (("u", -1.0), ("v", -3.0)):
            for steering in ("removal", "addition"):
                sign = 1.0 if steering == "removal" else -1.0
                its = {"source": source, "class": name, "video": video, "clip": 0, "steering": steering}
                steered += [
                    its | {"control": "none", "norm": "own", "draw": 0, "change_of_logit": sign * change},
                    its | {"control": "random_direction", "norm": "own", "draw": 0, "change_of_logit": 99.0},
                    its
                    | {"control": "random_direction", "norm": "matched", "draw": 0, "change_of_logit": -0.25},
                    its
                    | {"control": "random_direction", "norm": "matched", "draw": 1, "change_of_logit": -0.75},
                    its
                    | {
                        "control": "random_concept",
                        "norm": "matched",
                        "draw": 0,
                        "change_of_logit": sign * -1.0,
                    },
                ]
    table = given_concepts_table(scores, pd.DataFrame(steered).assign(name="hand", **place))
    return table, given_summary_table(table)


def test_tables_by_hand():
    table, summary = tables()
    row = table[(table["source"] == "given") & (table["class"] == "b")].iloc[0]
    assert (row["removal"], row["addition"]) == (-2.0, 2.0) and row["n_videos"] == 2
    assert (row["removal_random_direction"], row["removal_random_concept"]) == (-0.5, -1.0)
    assert np.isnan(row["removal_ci_low"])  # of two videos
    # Given and control are families of their own.
    assert table["p_adjusted"].tolist() == pytest.approx([0.03, 0.06, 0.5, 0.9, 0.9, 0.9])
    assert table["significant"].tolist() == [True, False, False, False, False, False]
    cells = summary.set_index(["source", "measure"])
    assert cells.loc[("given", "effect"), "value"] == 2.0
    assert cells.loc[("given less control", "effect"), "value"] == 1.5
    assert cells.loc[("given", "effect"), "n_significant"] == 1 and cells.loc[("given", "effect"), "n"] == 3
    assert cells.loc[("given", "removal_beyond_random_direction"), "value"] == -1.5
    assert cells.loc[("given", "addition_beyond_random_concept"), "value"] == 1.0
    assert cells.loc[("given less control", "removal"), "value"] == 0.0
    assert cells["n_significant"].isna().sum() == 19  # of all but the effects of the two


def test_videos_of_one_group_are_counted_one_by_one():
    steered = [
        {
            "source": "given",
            "class": "a",
            "video": video,
            "group": group,
            "clip": 0,
            "steering": steering,
            "control": control,
        }
        | {"norm": norm, "draw": 0, "change_of_logit": change}
        for video, group, change in (("u", "g", -1.0), ("v", "g", -3.0), ("w", "h", -5.0), ("x", "i", -7.0))
        for steering in ("removal", "addition")
        for control, norm in (("none", "own"), ("random_direction", "matched"), ("random_concept", "matched"))
    ]
    place = {"name": "hand", "model": "r3d", "seed": 0, "layer": "l"}
    scores = pd.DataFrame([place | {"source": "given", "class": "a", "p_value": 0.5, "effect": 1.0}])
    rest = "n_examples n_null_members score score_sd derivative effect_ci_low effect_ci_high p_clusters p_gradients cav_accuracy rank_among_found n_found"
    scores = scores.assign(**dict.fromkeys(rest.split(), 0.5))
    row = given_concepts_table(scores, pd.DataFrame(steered).assign(**place)).iloc[0]
    assert row["n_videos"] == 4 and row["removal"] == row["removal_random_concept"] == -4.0
    assert row["removal_ci_low"] < -4 < row["removal_ci_high"]


def test_what_is_made_of_the_tables():
    table, summary = tables()
    (text,) = given_sentences(summary)
    assert text.startswith("hand: its effect on m (l) is 2") and "for 1 of 3" in text
    assert len(given_concepts_figure(table, summary).axes) == 2
    free, control = given_concepts(summary)
    assert (free["claim"], free["method"], free["value"], free["control_value"]) == (
        "given_concepts",
        "hand",
        2.0,
        0.0,
    )
    assert (control["kind"], control["control_value"], control["difference"]) == ("pixels", 0.5, 1.5)
    assert given_concepts(None) == []


def test_the_interval_of_an_effect_is_the_effect_s_where_videos_have_clips_in_different_numbers():
    rng = np.random.default_rng(0)
    cavs = np.ones((1, 2, 3)), np.ones((1, 2))
    random = rng.normal(size=(4, 2, 3)), np.ones((4, 2))
    own = GivenCavs(cavs, random, None, 1.0, 5, 5.0)
    gradients = np.r_[np.full((10, 3), 1.0), rng.normal(-1, 0.2, (4, 3))]
    videos = ["long"] * 10 + list("abcd")
    found = pd.DataFrame({"class": ["x"], "effect": [0.0]})
    table = score_cavs(
        {"x": own}, lambda _: gradients, {"x": rng.normal(size=(19, 3))}, found, units={"x": videos}
    )
    middle = (table["effect_ci_low"] + table["effect_ci_high"]) / 2
    assert middle.item() == pytest.approx(table["effect"].item())
