"""Same pixels, two networks: exact values, what must cancel, and simulated networks that know nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from voxplain.checks.same_pixels.figure import same_pixels_figure
from voxplain.checks.same_pixels.table import same_pixels_controls_table, same_pixels_table
from voxplain.concepts.controls import CONTROLS
from voxplain.motion.scores import score_clip
from voxplain.tables import choose_tables

TARGETS = ("evidence", "distractor", "evidence_among_objects")


def rows_of(video, own, other, auroc, *, method="m", seed=0, class_name="up", control_of="", selective=False):
    """A clip's rows of ground_truth_scores."""
    place = {"model": "net", "seed": seed, "method": method, "control_of": control_of, "selective": selective}
    place |= {"video": video, "clip": 0, "class": class_name}
    values = [(own, np.nan), (other, np.nan), (np.nan, auroc)]
    return [
        {**place, "target": target, "relevance_on_target": share, "auroc": of_voxels}
        for target, (share, of_voxels) in zip(TARGETS, values, strict=True)
    ]


def scores(*clips):
    return pd.DataFrame([row for clip in clips for row in clip])


def one(table, **keys):
    for name, value in keys.items():
        table = table[table[name] == value]
    (index,) = table.index
    return table.loc[index]


def test_exact_values():
    # Of three videos; network 1's own actor has .5, .3, .4 and the other .1; network 2's has .4, .4, .1 and .2.
    first = scores(rows_of("a", 0.5, 0.1, 0.9), rows_of("b", 0.3, 0.1, 0.7), rows_of("c", 0.4, 0.1, 0.8))
    second = scores(rows_of("a", 0.4, 0.2, 0.6), rows_of("b", 0.4, 0.2, 0.6), rows_of("c", 0.1, 0.2, 0.3))
    # A video that one run alone has does not count.
    table = same_pixels_table(pd.concat([first, scores(rows_of("d", 1.0, 0.0, 1.0))]), second)
    share, auroc = one(table, measure="share"), one(table, measure="auroc")
    # (.4 + .2) / 2, (.2 + .2) / 2, (.3 - .1) / 2
    differences = [0.3, 0.2, 0.1]
    assert share["difference"] == pytest.approx(0.2)
    assert share["own"] == pytest.approx((0.4 + 0.3) / 2) and share["other"] == pytest.approx((0.1 + 0.2) / 2)
    # Student's t with 2 degrees of freedom: 4.3027 standard errors.
    reach = 4.302653 * np.std(differences, ddof=1) / np.sqrt(3)
    assert (share["ci_low"], share["ci_high"]) == pytest.approx((0.2 - reach, 0.2 + reach), abs=1e-5)
    # AUROC .75, .65 and .55 for the own actor; for the other what is left.
    assert auroc["own"] == pytest.approx(0.65) and auroc["other"] == pytest.approx(0.35)
    assert auroc["difference"] == pytest.approx(0.3)
    assert (share["n_videos"], share["n_seeds"], share["unit"], share["n_classes"]) == (3, 1, "video", 1)


def test_of_fewer_than_three_videos_there_is_no_interval():
    """Nor where all of them have no difference at all."""
    for videos in ("a", "ab"):
        alike = scores(*(rows_of(video, 0.5, 0.1, 0.5) for video in videos))
        table = same_pixels_table(alike, scores(*(rows_of(video, 0.1, 0.5, 0.5) for video in videos)))
        auroc = one(table, measure="auroc")
        assert (
            auroc["difference"] == 0 and np.isnan(auroc[["ci_low", "ci_high", "p_value"]].astype(float)).all()
        )
    more = [scores(*(rows_of(video, *shares, 0.5) for video in "abc")) for shares in ((0.5, 0.1), (0.1, 0.5))]
    auroc = one(same_pixels_table(*more), measure="auroc")
    assert auroc[["difference", "ci_low", "ci_high"]].tolist() == [0, 0, 0]


def test_what_looks_at_pixels_alone_has_exactly_nothing():
    """The same maps in both runs: what is evidence in the one is a distractor in the other."""
    rng = np.random.default_rng(0)
    values = rng.uniform(size=(20, 3))
    first = scores(
        *(rows_of(f"v{i}", a, b, c, method="control_saturation") for i, (a, b, c) in enumerate(values))
    )
    second = scores(
        *(rows_of(f"v{i}", b, a, 1 - c, method="control_saturation") for i, (a, b, c) in enumerate(values))
    )
    table = same_pixels_table(first, second)
    assert (table["difference"] == 0).all() and (table["p_value"] == 1).all()
    assert (table[["ci_low", "ci_high"]] == 0).all(axis=None)


def test_two_runs_are_alike():
    """Which of the two networks is called the first does not matter."""
    rng = np.random.default_rng(1)
    first, second = (scores(*(rows_of(f"v{i}", *rng.uniform(size=3)) for i in range(10))) for _ in range(2))
    pd.testing.assert_frame_equal(same_pixels_table(first, second), same_pixels_table(second, first))


def simulated(rng, *, methods, seeds, videos, training=0.5, effect=0.0):
    """Both runs' scores of many methods whose maps vary by seed and video but hang on the labels by `effect` alone."""
    shape = (methods, seeds, videos)
    both = []
    prefers_first = rng.normal(size=(methods, 1, videos))  # the pixels
    for sign in (1, -1):
        # What a network does with actors differs from one training to the next, and from video to video.
        lean = prefers_first + training * rng.normal(size=(methods, seeds, 1)) + rng.normal(size=shape)
        own = np.broadcast_to(0.5 + 0.05 * sign * lean + effect, shape)
        grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, 3)
        place = {"model": "net", "control_of": "", "selective": False, "clip": 0, "class": "up"}
        frame = pd.DataFrame(grid, columns=["method", "seed", "video"]).assign(**place)
        values = {"evidence": own, "distractor": 1 - own, "evidence_among_objects": own}
        both.append(
            pd.concat(
                frame.assign(target=target, relevance_on_target=of_target.ravel(), auroc=of_target.ravel())
                for target, of_target in values.items()
            )
        )
    return both


# Of one training, what it leans to is part of what is found: only of the videos can be asked.
@pytest.mark.parametrize(("seeds", "training"), [(1, 0.0), (3, 0.0), (3, 0.5), (3, 2.0)])
def test_networks_that_do_not_follow_their_labels_are_rarely_significant(seeds, training):
    rng = np.random.default_rng(2)
    table = same_pixels_table(*simulated(rng, methods=200, seeds=seeds, videos=20, training=training))
    shares = table[table["measure"] == "share"]
    assert 0.02 <= (shares["p_value"] <= 0.05).mean() <= 0.08
    assert 0.92 <= ((shares["ci_low"] <= 0) & (shares["ci_high"] >= 0)).mean() <= 0.98
    assert (shares["p_adjusted"] <= 0.05).mean() < 0.02


def test_networks_that_follow_their_labels_are_found():
    table = same_pixels_table(
        *simulated(np.random.default_rng(3), methods=20, seeds=3, videos=24, effect=0.2)
    )
    shares = table[table["measure"] == "share"]
    assert (shares["p_adjusted"] <= 0.05).mean() > 0.9
    np.testing.assert_allclose(shares["difference"].mean(), 0.4, atol=0.03)


def concepts(*rows):
    names = ["class", "rank", "evidence", "distractor"]
    place = {"model": "net", "seed": 0, "layer": "layer3", "variant": "run"}
    return pd.DataFrame(
        [dict(zip(names, row, strict=True)) | place | {"concept": row[1] - 1} for row in rows]
    )


def test_concepts_by_class():
    first = concepts(("up", 1, 0.9, 0.1), ("up", 2, 0.1, 0.7), ("down", 1, 0.6, 0.2), ("down", 2, 0.0, 0.0))
    second = concepts(("up", 1, 0.5, 0.3), ("up", 2, 0.1, 0.1), ("down", 1, 0.4, 0.4), ("down", 2, 0.2, 0.0))
    # What other variants found is not the run's.
    first = pd.concat([first, first.assign(variant="official", evidence=0.0)])
    empty = scores(rows_of("a", 0.5, 0.5, 0.5))
    table = same_pixels_table(empty, empty, first, second)
    top = one(table, method="concepts_top_1")
    # up: (.8 + .2) / 2; down: (.4 + 0) / 2
    assert top["difference"] == pytest.approx((0.5 + 0.2) / 2)
    assert (top["unit"], top["n_classes"], top["layer"]) == ("class", 2, "layer3")
    assert np.isnan(top["ci_low"])  # two classes are too few
    whole = one(table, method="concepts_all")
    # up: (.5 - .4 + .3 - .2) / 2; down: (.3 - .1 + .3 - .2) / 2
    assert whole["difference"] == pytest.approx((0.1 + 0.15) / 2)
    same_pixels_figure(table).savefig("/dev/null", format="png")


def test_other_orders_of_concepts():
    first = concepts(("up", 1, 0.9, 0.1), ("up", 2, 0.1, 0.7), ("up", 3, 0.2, 0.2), ("up", 4, 0.0, 0.4))
    second = concepts(("up", 1, 0.5, 0.3), ("up", 2, 0.1, 0.1), ("up", 3, 0.2, 0.8), ("up", 4, 1.0, 0.0))
    keys = ["model", "seed", "layer", "class", "concept"]
    values = dict.fromkeys(CONTROLS, [4.0, 3.0, 2.0, 1.0]) | {"saturation": [0.0, 1.0, 0.5, 0.6]}
    empty = scores(rows_of("a", 0.5, 0.5, 0.5))
    table = same_pixels_table(
        empty, empty, first, second, first[keys].assign(**values), second[keys].assign(**values)
    )
    # The second concept of both runs: (.1 - .7 + .1 - .1) / 2; of the three, the first is left out.
    assert one(table, method="control_saturation", control_of="concepts_top_1")[
        "difference"
    ] == pytest.approx(-0.3)
    three = one(table, method="control_saturation", control_of="concepts_top_3")
    assert three["difference"] == pytest.approx((-0.6 + 0.0 - 0.4 + 0.0 - 0.6 + 1.0) / 6)
    assert one(table, method="control_size", control_of="concepts_top_1")["difference"] == pytest.approx(0.5)


def test_what_else_follows_the_network_is_taken_off():
    """Exact values, of the same videos alone; a map's own controls and those of all."""
    runs = []
    for own, norm, other_class in ((0.9, 0.8, 0.6), (0.7, 0.9, 0.5)):
        clips = [
            rows_of(video, 0.5, 0.1, own + shift) for video, shift in zip("abc", (0, 0.05, 0.1), strict=True)
        ]
        clips += [rows_of(video, 0.5, 0.1, norm, method="control_activation") for video in "abcd"]
        clips += [
            rows_of(video, 0.5, 0.1, other_class, method="control_other_class", control_of="m")
            for video in "abc"
        ]
        clips += [rows_of("a", 0.5, 0.1, 0.5, method="control_other_class", control_of="another")]
        clips += [rows_of(video, 0.5, 0.1, 0.2, selective=True) for video in "abc"]
        runs.append(scores(*clips))  # fmt: skip
    table = same_pixels_controls_table(*runs)
    assert set(table["method"]) == {"m"} and len(table) == 4
    norm, other = (
        one(table, measure="auroc", control=f"control_{name}") for name in ("activation", "other_class")
    )
    # Twice an AUROC less 1: of m .6, .7, .8, of the norm .7, of another class .1.
    assert norm["difference"] == pytest.approx(0.0) and other["difference"] == pytest.approx(0.6)
    reach = 4.302653 * 0.1 / np.sqrt(3)
    assert (norm["ci_low"], norm["ci_high"]) == pytest.approx((-reach, reach), abs=1e-5)
    assert (norm["n_videos"], norm["unit"], norm["n_seeds"]) == (3, "video", 1)
    # Shares are the same for all: nothing is left, for certain.
    share = one(table, measure="share", control="control_activation")
    assert (share["difference"], share["ci_low"], share["ci_high"], share["p_value"]) == (0, 0, 0, 1)


def test_the_first_concepts_beside_all_of_them_and_other_orders():
    first = concepts(("up", 1, 0.9, 0.1), ("up", 2, 0.1, 0.7))
    second = concepts(("up", 1, 0.5, 0.3), ("up", 2, 0.1, 0.1))
    keys = ["model", "seed", "layer", "class", "concept"]
    values = dict.fromkeys(CONTROLS, [2.0, 1.0]) | {"saturation": [0.0, 1.0]}
    ranked = [own[keys].assign(**values) for own in (first, second)]
    empty = scores(rows_of("a", 0.5, 0.5, 0.5))
    table = same_pixels_controls_table(empty, empty, first, second, *ranked)
    assert not table["method"].str.startswith("control_").any()
    beyond = table[table["method"] == "concepts_top_1"].set_index("control")["difference"]
    # The first has .5; the second, which saturation takes first, -.3; both have .1.
    assert beyond["control_saturation"] == pytest.approx(0.8)
    assert beyond["control_size"] == 0 and beyond["control_size_least"] == pytest.approx(0.8)
    assert beyond["concepts_all"] == pytest.approx(0.4)


@pytest.mark.parametrize(("seeds", "training"), [(1, 0.0), (3, 0.5)])
def test_a_map_that_follows_its_network_as_its_control_does_is_rarely_told_from_it(seeds, training):
    both = simulated(
        np.random.default_rng(4), methods=200, seeds=seeds, videos=20, training=training, effect=0.2
    )
    norms = simulated(
        np.random.default_rng(5), methods=200, seeds=seeds, videos=20, training=training, effect=0.2
    )
    runs = [
        pd.concat(
            [
                own.assign(model=own["method"], method="m"),
                norm.assign(model=norm["method"], method="control_x"),
            ]
        )
        for own, norm in zip(both, norms, strict=True)
    ]
    table = same_pixels_controls_table(*runs)
    table = table[table["measure"] == "share"]
    assert len(table) == 200
    assert 0.02 <= (table["p_value"] <= 0.05).mean() <= 0.08
    assert 0.92 <= ((table["ci_low"] <= 0) & (table["ci_high"] >= 0)).mean() <= 0.98


def test_relevance_on_the_target_and_among_objects():
    relevance = np.zeros((2, 2, 4))
    relevance[0, 0] = [3, 1, -2, 0]
    relevance[1, 1] = [0, 2, 2, 2]
    evidence, distractor = np.zeros((2, 2, 2, 4), bool)
    evidence[0, 0, :2], distractor[1, 1, 1:3] = True, True
    known = np.ones((2, 2, 4), bool)
    truth = {"evidence": (evidence, known), "distractor": (distractor, known)}
    _, found = score_clip(
        {"m": relevance},
        {"m": np.ones((2, 2, 4), bool)},
        np.zeros((1, 2, 4), bool),
        truth,
        pairs=np.ones(1, bool),
        relevant={"unit": "share", "threshold": 0.05},
    )
    by = {row["target"]: row for row in found if not row["selective"] and row["method"] == "m"}
    assert by["evidence"]["relevance_on_target"] == pytest.approx(4 / 10)
    assert by["distractor"]["relevance_on_target"] == pytest.approx(4 / 10)
    assert by["evidence"]["pointing"] == 1 and by["distractor"]["pointing"] == 0
    among = by["evidence_among_objects"]
    assert among["relevance_on_target"] == pytest.approx(4 / 8) and among["share"] == 0.5
    assert among["auroc"] == 0.5  # 3 and 1 against 2 and 2
    assert by["evidence"]["auroc"] != 0.5


def test_the_table_is_there_for_two_runs_of_the_same_videos():
    assert {"same_pixels", "same_pixels_controls"} <= set(choose_tables(known=True, common=True, shared=True))
    for name in ("same_pixels", "faithfulness"):  # whoever asks for a table gets its controls
        chosen = choose_tables(known=True, common=True, shared=True, checks=[name])
        assert {name, f"{name}_controls"} <= set(chosen)
    assert "same_pixels" not in choose_tables(known=True, common=True)
    assert "same_pixels" not in choose_tables(known=False, common=True, shared=True)
