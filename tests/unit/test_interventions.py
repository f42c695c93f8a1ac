"""Interventions: what is shown, and what the table says of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxplain.checks.concept_motion.compute import stand_still
from voxplain.checks.interventions.compute import (
    ANSWER,
    INTERVENTIONS,
    OF_TIME,
    Scene,
    class_blocks,
    donors,
    intervene,
    intervened,
    own_auroc,
    still_background,
)
from voxplain.checks.interventions.figure import interventions_figure
from voxplain.checks.interventions.table import interventions_controls_table, interventions_table
from voxplain.claims.table import claims_table
from voxplain.motion.controls import pixel_controls
from voxplain.motion.scores import score_clip
from voxplain.videos.truth import IGNORED, Truth

FILL = np.array([7, 8, 9], dtype=np.uint8)


def clips(seed: int = 0, frames: int = 5):
    rng = np.random.default_rng(seed)
    clip, other = rng.integers(10, 255, (2, frames, 6, 6, 3), dtype=np.uint8)
    evidence, rival = rng.random((2, frames, 6, 6)) < 0.3
    evidence[0, 0, 0] = rival[0, 0, 1] = True
    return clip, evidence, other, rival


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 6))
def test_each_voxel_shows_what_the_intervention_says(seed: int, frames: int) -> None:
    clip, evidence, other, rival = clips(seed, frames)
    own, its = Scene(clip, evidence), Scene(other, rival)
    found = intervened(own, its, fill=FILL, rng=np.random.default_rng(seed))
    assert tuple(found) == INTERVENTIONS
    shown = {name: scene.clip for name, scene in found.items()}
    assert all(clip.dtype == np.uint8 for clip in shown.values())
    assert all(scene.known.all() for scene in found.values())
    np.testing.assert_array_equal(shown["none"], clip)
    np.testing.assert_array_equal(shown["frozen"], stand_still(clip))
    np.testing.assert_array_equal(shown["reversed"], clip[::-1])
    assert sorted(frame.tobytes() for frame in shown["shuffled"]) == sorted(frame.tobytes() for frame in clip)
    assert frames == 1 or (shown["shuffled"] != clip).any()
    gray = shown["gray"].astype(float)
    assert (gray == gray[..., :1]).all() and found["gray"].evidence is evidence
    assert (
        np.abs(gray[..., 0] - (0.299 * clip[..., 0] + 0.587 * clip[..., 1] + 0.114 * clip[..., 2])).max()
        <= 0.5 + 1e-9
    )
    for name in OF_TIME:  # the mask goes where its voxels go
        white = np.where(evidence[..., None], 255, 0).astype(np.uint8).repeat(3, axis=-1)
        marked = intervened(Scene(white, evidence), its, fill=FILL, rng=np.random.default_rng(seed))[name]
        np.testing.assert_array_equal(marked.clip[..., 0] == 255, marked.evidence)
    background = ~evidence
    assert (shown["background_filled"][background] == FILL).all()
    np.testing.assert_array_equal(shown["background_filled"][evidence], clip[evidence])
    assert (shown["evidence_filled"][evidence] == FILL).all()
    np.testing.assert_array_equal(shown["evidence_filled"][background], clip[background])
    path = np.broadcast_to(evidence.any(axis=0), evidence.shape)
    assert (shown["path_filled"][path] == FILL).all()
    np.testing.assert_array_equal(shown["path_filled"][~path], clip[~path])
    elsewhere = path[:, :, ::-1] & ~evidence
    assert (shown["mirrored_path_filled"][elsewhere] == FILL).all()
    np.testing.assert_array_equal(shown["mirrored_path_filled"][~elsewhere], clip[~elsewhere])
    assert found["path_filled"].evidence is None and found["mirrored_path_filled"].evidence is evidence
    np.testing.assert_array_equal(shown["background_frozen"][evidence], clip[evidence])
    np.testing.assert_array_equal(shown["background_exchanged"][evidence], clip[evidence])
    np.testing.assert_array_equal(
        shown["background_exchanged"][background & ~rival], other[background & ~rival]
    )
    assert (shown["background_exchanged"][background & rival] == FILL).all()
    np.testing.assert_array_equal(shown["evidence_exchanged"][rival], other[rival])
    assert (shown["evidence_exchanged"][evidence & ~rival] == FILL).all()
    added = shown["evidence_added"]
    np.testing.assert_array_equal(added[rival & ~evidence], other[rival & ~evidence])
    np.testing.assert_array_equal(added[evidence | ~rival], clip[evidence | ~rival])
    assert found["evidence_filled"].evidence is None and found["evidence_exchanged"].evidence is None


@given(st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_maps_that_know_no_class_follow_none(seed: int) -> None:
    rng = np.random.default_rng(seed)
    relevance = rng.integers(0, 3, (4, 5, 5)).astype(float)
    evidence = rng.random((4, 5, 5)) < 0.3
    rival = ~evidence & (rng.random((4, 5, 5)) < 0.4)
    found = own_auroc(relevance, evidence, rival)
    assert found + own_auroc(relevance, rival, evidence) == pytest.approx(1)
    place = ("r3d", 0, "v", "a", "b", "evidence_added", "class_auroc", "dtd")
    columns = "model seed video class other_class intervention measure method explained value".split()
    table = interventions_table(pd.DataFrame([(*place, name, found) for name in "ab"], columns=columns))
    assert table["value"].item() == 0.5


@given(st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_what_is_not_known_goes_where_its_voxels_go(seed: int) -> None:
    """Voxels that are not known are white in both clips, and no other is: what shows white is not known, the rest is."""
    rng = np.random.default_rng(seed)
    scenes = []
    for _ in range(2):
        labels = rng.choice(3, (5, 6, 6), p=[0.5, 0.25, 0.25])
        clip = rng.integers(10, 200, (5, 6, 6, 3), dtype=np.uint8)
        clip[labels == 2] = 255
        scenes.append(Scene(clip, labels == 1, labels != 2))
    for name, scene in intervened(*scenes, fill=FILL, rng=rng).items():
        np.testing.assert_array_equal(scene.known, scene.clip[..., 0] < 255, err_msg=name)
        assert scene.evidence is None or scene.known[scene.evidence].all()


def test_a_still_background_takes_the_nearest_frame_that_shows_it() -> None:
    clip = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 3, 3), dtype=np.uint8)
    evidence = np.zeros((5, 1, 3), dtype=bool)
    evidence[2, 0, 1] = True  # of the middle frame: frame 1 is the nearest that shows it
    evidence[:, 0, 2] = True  # never shown
    assert still_background(clip, evidence, FILL)[0].tolist() == [[2, 2, 2], [1, 1, 1], [7, 8, 9]]


def test_without_a_mask_only_time_is_changed() -> None:
    clip, evidence, other, rival = clips()
    for none in (None, np.zeros_like(evidence)):
        assert (
            tuple(intervened(Scene(clip, none), Scene(other, rival), fill=FILL, rng=np.random.default_rng(0)))
            == INTERVENTIONS[:5]
        )
    found = intervened(Scene(clip, evidence), Scene(other), fill=FILL, rng=np.random.default_rng(0))
    assert "background_frozen" in found and "background_exchanged" not in found


class Model:
    """Answers b where the clip is bright."""

    classes = ["a", "b", "c"]

    def logits(self, clips: np.ndarray) -> np.ndarray:
        bright = clips.mean(axis=(1, 2, 3, 4)) - 100
        return np.stack([-bright, bright, np.full_like(bright, -500)], axis=1) / 20

    def targets(self, names):
        return np.array([self.classes.index(name) for name in names])


def test_answers_and_maps_of_a_clip(monkeypatch) -> None:
    def maps_of(model, clips, targets, explainers, *, segmentation, batch):
        assert segmentation == {"n_segments": [3]}
        # For class b the map speaks against what is very bright, which is none that speaks for it.
        bright = clips.mean(axis=-1)
        signs = np.where(np.asarray(targets)[:, None, None, None] == 0, 1, np.where(bright > 200, -1, 0))
        return {name: signs * bright for name in explainers}

    monkeypatch.setattr("voxplain.checks.interventions.compute.explain_by_all", maps_of)
    monkeypatch.setattr(
        "voxplain.checks.interventions.compute.activation_control",
        lambda _, clips, batch: {"control_activation": clips[..., 0] / 2},
    )
    clip, other = np.full((4, 6, 6, 3), 20, np.uint8), np.full((4, 6, 6, 3), 240, np.uint8)
    evidence, rival = np.zeros((2, 4, 6, 6), dtype=bool)
    evidence[:, :2, :2], rival[:, :, 3:] = True, True
    clip[evidence] = 60
    how = {"segmentation": {"n_segments": [3]}, "fill": FILL, "rng": np.random.default_rng(0)}
    rows = intervene(
        Model(),
        Scene(clip, evidence),
        "a",
        Scene(other, rival),
        "b",
        {"gradcam": {}},
        classes=["a", "b", "c"],
        batch=2,
        **how,
    )
    by_class = rows[rows["measure"] == "class_auroc"].set_index(["method", "explained"])["value"]
    rows = rows[rows["measure"] != "class_auroc"]
    controls = rows[rows["method"].str.startswith("control_")].set_index(["intervention", "method"])["value"]
    # Brighter is no more saturated; where it is gray, red, blue and saturation are all the same.
    assert set(controls["gray"][["control_redness", "control_blueness", "control_saturation"]]) == {0.5}
    assert controls["none", "control_frame_difference"] == 0.5  # nothing moves
    assert controls["none", "control_activation"] == 1
    rows = rows[~rows["method"].str.startswith("control_")]
    value = rows.set_index(["intervention", "measure"])["value"]
    # The clip is dark: a. Over the other's background, or with its evidence, it is bright.
    assert value["none", "accuracy"] == 1 and value["none", "other_accuracy"] == 0
    assert value["evidence_exchanged", "accuracy"] == 0 and value["evidence_exchanged", "other_accuracy"] == 1
    assert value["none", "auroc"] == 1 and ("evidence_filled", "auroc") not in value
    assert value["background_exchanged", "auroc"] < 1  # the map prefers what is bright behind it
    assert 0 < value["none", "probability"] < 1
    # Four of 36 voxels of each frame, and the others; nothing is hidden but by a fill.
    hidden = rows[rows["measure"] == "hidden"].set_index("intervention")["value"]
    assert hidden.to_dict() == pytest.approx(
        {
            "background_filled": 8 / 9,
            "evidence_filled": 1 / 9,
            "path_filled": 1 / 9,
            "mirrored_path_filled": 1 / 9,
        }
    )
    middle = np.zeros_like(evidence)
    middle[:, :2, 2:4] = True  # the same on the other side: nothing is left to be hidden there
    filled = intervene(Model(), Scene(clip, middle), "a", Scene(other), "b", {"gradcam": {}}, **how)
    filled = filled[filled["measure"] == "hidden"].set_index("intervention")["value"]
    assert filled["path_filled"] == pytest.approx(1 / 9) and filled["mirrored_path_filled"] == 0
    # The map for a is brighter on the other's evidence; that for b is negative there, and lies nowhere.
    assert by_class["gradcam"].to_dict() == {"a": 0.0, "b": 0.5, "c": 0.5}
    # The network's answer to what it sees then is b, whose evidence has the greater norm.
    assert by_class[ANSWER].to_dict() == {"a": 1.0, "b": 0.0}
    # Over supervoxels the norm is as fine as the maps of an explainer that explains by them: here one, of all voxels.
    some = {"occlusion": {"options": {"labels": np.ones((1, 1, 4, 6, 6), int)}}, "gradcam": {}}
    rows = intervene(
        Model(), Scene(clip, evidence), "a", Scene(other, rival), "b", some, classes=["a", "b"], **how
    )
    rows = rows[rows["measure"] == "class_auroc"].set_index(["method", "explained"])["value"]
    assert rows[f"{ANSWER}_occlusion"].to_dict() == {"a": 0.5, "b": 0.5} and rows[ANSWER, "a"] == 1
    assert f"{ANSWER}_gradcam" not in rows
    hidden = intervene(
        Model(), Scene(clip, evidence), "a", Scene(other, evidence), "b", {"gradcam": {}}, **how
    )
    assert not (hidden["measure"] == "class_auroc").any()  # all of the other's is behind the clip's own


def test_voxels_that_are_not_known_do_not_count(monkeypatch) -> None:
    """As in all other tables of what is known (`score_clip`)."""
    labels = np.zeros((4, 6, 6), np.uint8)
    labels[:, :2, :2], labels[:, 4:] = 1, IGNORED
    relevance = np.choose(labels == IGNORED, [0.5 * (labels == 1), 1.0]).astype(np.float32)
    truth = Truth(labels, {"evidence": [1]})
    clip = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 3), dtype=np.uint8)
    monkeypatch.setattr(
        "voxplain.checks.interventions.compute.explain_by_all",
        lambda _, clips, *__, **___: {"dtd": np.repeat(relevance[None], len(clips), axis=0)},
    )
    monkeypatch.setattr("voxplain.checks.interventions.compute.activation_control", lambda *_, **__: {})
    own = Scene(clip, truth.masks()["evidence"], truth.known)
    rows = intervene(
        Model(), own, "a", Scene(clip), "b", {"dtd": {}}, fill=FILL, rng=np.random.default_rng(0)
    )
    found = rows[(rows["intervention"] == "none") & (rows["measure"] == "auroc")].set_index("method")["value"]
    assert found["dtd"] == 1
    still = np.zeros((3, 6, 6), dtype=bool)
    _, scored = score_clip(
        {"dtd": relevance},
        {"dtd": np.ones_like(labels, dtype=bool)},
        still,
        {"evidence": (own.evidence, own.known)},
        pairs=np.ones(3, dtype=bool),
        relevant={"unit": "share", "threshold": 0.05},
        controls=pixel_controls(clip),
    )
    whole = [row for row in scored if row["target"] == "evidence" and not row["selective"]]
    assert found.to_dict() == pytest.approx({row["method"]: row["auroc"] for row in whole})


def scores(rng: np.random.Generator, shift: float = 0.0, videos: int = 30) -> pd.DataFrame:
    rows = []
    for seed in (0, 1, 2):
        for video in range(videos):
            for name, more in (("none", 0.0), ("frozen", shift)):
                value = 0.5 + more + rng.normal(0, 0.1)
                rows.append(("r3d", seed, f"v{video}", name, "auroc", "dtd", value))
    return pd.DataFrame(
        rows, columns=["model", "seed", "video", "intervention", "measure", "method", "value"]
    )


def test_the_table_finds_a_change_and_seldom_one_that_is_none() -> None:
    table = interventions_table(scores(np.random.default_rng(0), -0.2)).set_index("intervention")
    assert table.loc["frozen", "difference"] == pytest.approx(-0.2, abs=0.05)
    assert table.loc["frozen", "p_adjusted"] < 0.05 and np.isnan(table.loc["none", "p_value"])
    assert table.loc["frozen", ["n_videos", "n_seeds"]].tolist() == [30, 3]
    interventions_figure(table.reset_index())
    found = [
        interventions_table(scores(np.random.default_rng(seed)))["p_value"].min() <= 0.05
        for seed in range(150)
    ]
    assert np.mean(found) <= 0.09


def test_groups_are_units() -> None:
    rows = scores(np.random.default_rng(0)).query("seed == 0")
    rows["group"] = rows["video"].str[-1]
    alone = interventions_table(rows).set_index("intervention")
    means = rows.groupby(["group", "intervention"])["value"].mean().unstack()
    assert alone.loc["frozen", "difference"] == pytest.approx((means["frozen"] - means["none"]).mean())


CLASSES = list("abcdef")


def added(rng: np.random.Generator, follow: float, *, classes=CLASSES, seeds=1, videos=4) -> pd.DataFrame:
    """Scores of maps that a head draws from a body which tells all classes' evidence apart.

    Of class k's evidence the body has the direction k, and a map is what the head's weights for its class have of
    that: random ones, and `follow` more for the class's own direction.
    """
    rows = []
    for seed in range(seeds):
        head = rng.normal(size=(len(classes), len(classes))) + follow * np.eye(len(classes))
        for own, name in enumerate(classes):
            for video in range(videos):
                other = (own + 1 + video % (len(classes) - 1)) % len(classes)
                place = ("r3d", seed, f"{name}{video}", name, classes[other], "evidence_added", "class_auroc")
                drawn = 1 / (1 + np.exp(-(head[:, own] - head[:, other] + rng.normal(0, 0.5, len(classes)))))
                rows += [(*place, "dtd", *one) for one in zip(classes, drawn, strict=True)]
                answer = 0.5 + rng.choice([-0.1, 0.1])
                rows += [(*place, ANSWER, name, answer), (*place, ANSWER, classes[other], 1 - answer)]
    columns = "model seed video class other_class intervention measure method explained value".split()
    return pd.DataFrame(rows, columns=columns)


def test_maps_of_a_random_head_follow_the_class_as_often_as_the_level_says() -> None:
    """One head is drawn for all clips: its maps lie on this class's evidence or that one's in all of them alike."""
    rng = np.random.default_rng(0)
    drawn = [added(rng, 0.0) for _ in range(200)]
    tables = [interventions_table(scores) for scores in drawn]
    found = pd.concat([table[table["method"] == "dtd"] for table in tables])
    assert 0.015 <= (found["p_value"] <= 0.05).mean() <= 0.085
    # Videos alone would say so of many: they are not what was drawn.
    assert ((found["ci_low"] > 0.5) | (found["ci_high"] < 0.5)).mean() > 0.2
    beside = [interventions_controls_table(scores) for scores in drawn]
    claims = [claim_of(*both) for both in zip(tables, beside, strict=True)]
    assert np.mean([row["verdict"] == "yes" for row in claims]) <= 0.06
    several = [interventions_table(added(rng, 0.0, seeds=3, videos=2)) for _ in range(100)]
    assert np.mean([table.query("method == 'dtd'")["p_value"].item() <= 0.05 for table in several]) <= 0.09


def claim_of(table: pd.DataFrame, beside: pd.DataFrame) -> pd.Series:
    return claims_table(changed=table, changed_controls=beside).query("method == 'dtd'").iloc[0]


def test_maps_that_follow_the_class_do_so_beyond_the_answer() -> None:
    scores = added(np.random.default_rng(0), 4.0)
    table, beside = interventions_table(scores), interventions_controls_table(scores)
    row = table[table["method"] == "dtd"].iloc[0]
    assert row["p_value"] < 0.01 and np.isnan(row["difference"]) and row["best_control"].startswith(ANSWER)
    claim = claim_of(table, beside)
    assert (claim["claim"], claim["verdict"], claim["best_control"]) == (
        "follows_class",
        "yes",
        row["best_control"],
    )
    assert claim["n_controls"] == 2 and claim["control_value"] == pytest.approx(
        row["value"] - row["control_difference"]
    )
    # Of two classes and one network the head's two columns may as well have been the other way round.
    scores = added(np.random.default_rng(0), 4.0, classes=["a", "b"], videos=12)
    two = interventions_table(scores)
    assert two.query("method == 'dtd'")["p_value"].item() > 0.4
    assert claim_of(two, interventions_controls_table(scores))["verdict"] == "no"


def test_a_control_that_is_not_the_best_has_to_be_beaten_too() -> None:
    """One that is worse on average may vary so much that the map is not surely beyond it."""
    rng = np.random.default_rng(0)
    scores = added(rng, 4.0)
    coarse = scores[(scores["method"] == ANSWER)].copy()
    own = coarse["explained"] == coarse["class"]
    spread = np.repeat(0.49 * rng.permutation(np.resize([-1, 1], own.sum())), 2)
    coarse["value"] = 0.5 + np.where(own, 1, -1) * spread
    scores = pd.concat([scores, coarse.assign(method=f"{ANSWER}_occlusion")], ignore_index=True)
    scores.loc[scores["method"] == "dtd", "value"] = 0.5 + 0.25 * (scores["value"] - 0.5)
    table, beside = interventions_table(scores), interventions_controls_table(scores)
    claim = claim_of(table, beside)
    rows = beside[beside["method"] == "dtd"].set_index("control")
    best = table.query("method == 'dtd'")["best_control"].item()
    unbeaten = sorted(rows.index[rows["ci_low"] <= 0])
    assert best not in unbeaten and unbeaten and claim["verdict"] == "no"
    assert sorted(claim["not_beaten"].split(", ")) == unbeaten


def test_values_are_means_over_videos_of_groups_of_any_size() -> None:
    scores = added(np.random.default_rng(0), 1.0)
    known = dict(
        zip(
            names := sorted(scores["video"].unique()), ["a", "b", "c"] + ["d"] * (len(names) - 3), strict=True
        )
    )
    grouped = scores.assign(group=scores["video"].map(known))
    for table, name in ((interventions_table, "value"), (interventions_controls_table, "difference")):
        alone, found = table(scores), table(grouped)
        assert np.allclose(alone[name], found[name])
        assert ((found["ci_low"] <= found[name]) & (found[name] <= found["ci_high"])).all()
        assert not np.allclose(alone["ci_low"], found["ci_low"])
        assert (alone["n_units"] == alone["n_videos"]).all()
        assert (found["n_videos"] == alone["n_videos"]).all() and (found["n_units"] == 4).all()


def test_the_class_auroc_is_the_mean_of_both_classes_and_exchanging_is_within_what_was_drawn() -> None:
    rows = added(np.random.default_rng(1), 0.0, videos=2)
    wide = rows[rows["method"] == "dtd"].pivot(
        index=["video", "class", "other_class"], columns="explained", values="value"
    )
    expected = [0.5 + (row[own] - row[other]) / 2 for (_, own, other), row in wide.iterrows()]
    found = interventions_table(rows).query("method == 'dtd'").iloc[0]
    assert found["value"] == pytest.approx(np.mean(expected)) and found["n_videos"] == 12
    # More classes than are drawn on one clip: two parts, each with its own.
    many = [f"c{number:02d}" for number in range(13)]
    blocks = class_blocks(many)
    assert [len(block) for block in blocks] == [7, 6] and sum(blocks, []) == many
    assert class_blocks(["a", "b"]) == [["a", "b"]] and class_blocks(["a"]) == [["a"]]
    parts = [added(np.random.default_rng(2), 3.0, classes=block) for block in blocks]
    assert interventions_table(pd.concat(parts)).query("method == 'dtd'")["p_value"].item() < 0.01


@given(st.integers(2, 5), st.integers(1, 4), st.integers(0, 4), st.booleans())
def test_evidence_is_given_by_clips_of_another_class_and_group(classes, hosts, more, grouped) -> None:
    rows = [
        (f"{name}{n}", name, 0, f"g{n // 2}{name if n % 3 else ''}" if grouped else f"{name}{n}", n < hosts)
        for name in "abcde"[:classes]
        for n in range(hosts + more)
    ]
    table = pd.DataFrame(rows, columns=["video", "class", "clip", "group", "host"])
    known = table.set_index("video")
    chosen = table.loc[table["host"], "video"].tolist()
    given_by = donors(table, chosen, [list("abcde"[:classes])])
    for (host, _), (donor, _) in given_by.items():
        assert known.loc[host, "class"] != known.loc[donor, "class"]
        assert known.loc[host, "group"] != known.loc[donor, "group"]
    if not grouped:
        assert set(given_by) == {(video, 0) for video in chosen}
        taken = [donor for donor, _ in given_by.values()]
        if more >= hosts and hosts % (classes - 1) == 0:  # each class gives as often as it is given to
            assert len(set(taken)) == len(taken) and not set(taken) & set(chosen)
        if hosts >= classes - 1:  # every ordered pair of classes is there
            pairs = {(host[0], donor[0]) for (host, _), (donor, _) in given_by.items()}
            assert len(pairs) == classes * (classes - 1)


def test_where_no_other_class_is_nothing_is_given() -> None:
    table = pd.DataFrame({"video": ["a0", "a1"], "class": "a", "clip": 0, "group": ["a0", "a1"]})
    assert donors(table, ["a0", "a1"], class_blocks(["a"])) == {}


def test_the_own_auroc_looks_at_the_two_classes_evidence_alone() -> None:
    evidence, rival = np.zeros((2, 1, 2, 3), dtype=bool)
    evidence[0, 0, :2], rival[0, 1, :2] = True, True
    relevance = np.array([[[3.0, 1, 9], [2, 0, 9]]])
    assert own_auroc(relevance, evidence, rival) == 0.75
    assert own_auroc(relevance, rival, evidence) == 0.25
    assert np.isnan(own_auroc(relevance, evidence, np.zeros_like(rival)))


def test_maps_stand_beside_the_best_control_of_the_same_clips_and_subset() -> None:
    rows = []
    for video in range(8):
        subset, more = ("still", 0.0) if video < 4 else ("moving", 0.01 * video)
        for intervention in ("none", "gray"):
            values = {"gradcam": 0.8 + more, "control_saturation": 0.6, "control_center": 0.1 + more}
            if intervention == "gray":
                values["control_saturation"] = 0.5
            rows += [("r3d", 0, f"v{video}", subset, intervention, "auroc", *one) for one in values.items()]
            rows.append(("r3d", 0, f"v{video}", subset, intervention, "accuracy", "", 1.0))
    columns = ["model", "seed", "video", "subset", "intervention", "measure", "method", "value"]
    table = interventions_table(pd.DataFrame(rows, columns=columns))
    own = table[table["method"] == "gradcam"].set_index(["subset", "intervention"])
    # Far from the center: 1 - .1 is more than what saturation finds.
    assert set(own["best_control"]) == {"control_center_least"}
    assert own.loc["still", "none"]["control_difference"] == pytest.approx(-0.1)
    assert own.loc["moving", "gray"]["control_difference"] == pytest.approx(-0.1 + 2 * 0.055)
    assert own.loc["all", "none"]["control_difference"] == pytest.approx(-0.1 + 0.055)
    low, high = own.loc["moving", "none"][["control_difference_ci_low", "control_difference_ci_high"]]
    assert low < -0.1 + 2 * 0.055 < high
    others = table[table["method"] != "gradcam"]
    assert others["best_control"].isna().all() and set(others["subset"]) == {"all", "moving", "still"}
    assert own.loc["still", "none"]["n_videos"] == 4
    interventions_figure(table)
