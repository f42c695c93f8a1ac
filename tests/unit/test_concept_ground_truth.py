"""Concepts against the ground truth: shares and rankings by hand, simulated nulls and coverage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy
from sklearn.metrics import roc_auc_score

from voxplain.checks.concept_ground_truth.compute import concept_shares
from voxplain.checks.concept_ground_truth.figure import concept_ground_truth_figure
from voxplain.checks.concept_ground_truth.table import (
    SCORES,
    TARGETS,
    concept_shares_table,
    ground_truth_table,
)
from voxplain.claims.table import claims_table
from voxplain.concepts.controls import CONTROLS
from voxplain.videos.truth import IGNORED, Truth

PARTS = ["evidence", "distractor", "cue", "background"]
NOWHERE = dict.fromkeys((*TARGETS, "background"), 0.0)


class Labels:
    def __init__(self, labels):
        self._labels = labels

    def labels(self, video, clip):
        return self._labels[video, clip]


def test_shares_are_of_all_voxels_of_a_concepts_members():
    objects = {("v", 0): np.array([[[0, 1, 1, 1], [2, 3, 255, 0]]], np.uint8)}
    objects["w", 1] = np.array([[[1, 1, 0, 0], [0, 0, 0, 0]]], np.uint8)
    labels = {
        ("v", 0): np.array([[[[1, 1, 2, 2], [1, 1, 2, 2]]], [[[1, 1, 1, 1], [1, 1, 1, 1]]]], np.uint16),
        ("w", 1): np.array([[[[1, 1, 1, 2], [1, 1, 1, 2]]]], np.uint16),
    }

    def truth_of(video, clip):
        targets = {"evidence": [1], "distractor": [2, 3], "actor": [1], "cue": [255]}
        return None if video == "x" else Truth(objects[video, clip], targets)

    rows = [
        ("run", "a", 0, "v", 0, 0, 1),
        ("run", "a", 0, "w", 1, 0, 1),
        ("run", "a", 1, "v", 0, 1, 1),
        ("run", "a", 1, "x", 0, 0, 1),  # of which nothing is known
        ("run", "a", 2, "x", 0, 0, 1),
        ("other", "a", 0, "v", 0, 0, 2),
        ("other", "a", 0, "v", 0, 0, 2),
    ]
    members = pd.DataFrame(rows, columns="variant class concept video clip level supervoxel".split())
    table = concept_shares(members, truth_of, Labels(labels)).set_index(["variant", "concept"])
    # v: actor, background and two distractors; w: two of the actor, four of the background.
    assert table.loc[("run", 0), PARTS].tolist() == pytest.approx([3 / 10, 2 / 10, 0, 5 / 10])
    assert table.loc[("run", 1), PARTS].tolist() == pytest.approx([3 / 8, 2 / 8, 1 / 8, 2 / 8])
    assert table.loc[("other", 0), PARTS].tolist() == pytest.approx([2 / 4, 0, 1 / 4, 1 / 4])
    assert table["n_members"].to_dict() == {("run", 0): 2, ("run", 1): 1, ("other", 0): 2}
    assert table["actor"].equals(table["evidence"].rename("actor"))


def test_targets_are_what_the_masks_say():
    truth = Truth(np.array([[[7, 7], [7, IGNORED]]], np.uint8), {"zebra": [7]})
    members = pd.DataFrame(
        [("run", "a", 0, "v", 0, 0, 1)], columns="variant class concept video clip level supervoxel".split()
    )
    shares = concept_shares(members, lambda *_: truth, Labels({("v", 0): np.ones((1, 1, 2, 2), np.uint16)}))
    assert shares["zebra"].tolist() == [1.0]
    concepts = pd.concat(
        [shares.assign(concept=n, zebra=z, rank=n + 1, effect=-n, score=1.0, derivative=0.0)
         for n, z in enumerate((1.0, 0.0))]
    ).assign(model="m", seed=0, layer="l")  # fmt: skip
    table = ground_truth_table(concepts, controls_of(concepts))
    assert set(table["target"]) == {"zebra"}
    assert table.set_index("ranking")["auroc"][["effect", "score"]].tolist() == [1.0, 0.5]


def controls_of(concepts):
    found = concepts[["model", "seed", "layer", "class", "concept"]].drop_duplicates()
    return found.assign(**{name: -found["concept"].astype(float) for name in CONTROLS})


def concepts(order, *, classes="abc", seeds=(0,)):
    """Classes of four concepts, of which the first two lie on the evidence."""
    rows = [
        (seed, class_name, number, order[number], evidence)
        for seed in seeds
        for class_name in classes
        for number, evidence in enumerate([0.9, 0.7, 0.2, 0.1])
    ]
    table = pd.DataFrame(rows, columns=["seed", "class", "concept", "rank", "evidence"])
    rest = NOWHERE | {"model": "m", "layer": "l", "variant": "run", "n_members": 4, "score": 1.0}
    table = table.assign(**{name: value for name, value in rest.items() if name != "evidence"})
    return table.assign(derivative=-table["rank"].astype(float), effect=-table["rank"].astype(float))


def rows_of(shown, **options):
    return ground_truth_table(shown, controls_of(shown), **options).set_index(["target", "ranking"])


def test_voxels_of_a_concept_count_by_its_share():
    """Against scikit-learn, with a voxel per tenth of a concept."""
    order = [2, 1, 4, 3]
    table = rows_of(concepts(order))
    truth = np.concatenate([[1] * n + [0] * (10 - n) for n in (9, 7, 2, 1)])
    expected = roc_auc_score(truth, np.repeat([-rank for rank in order], 10))
    row = table.loc["evidence", "effect"]
    assert row["voxel_auroc"] == pytest.approx(expected) and np.isnan(row["voxel_difference"])
    assert table.loc[("evidence", "score"), "voxel_auroc"] == 0.5
    assert table.loc[("evidence", "score"), "voxel_difference"] == pytest.approx(expected - 0.5)
    assert np.isnan(table.loc[("cue", "effect"), "voxel_auroc"])  # no concept has any of it


def test_where_nothing_is_known_of_discovery_videos_the_tables_are_empty():
    members = pd.DataFrame(
        [("run", "a", 0, "v", 0, 0, 1)], columns="variant class concept video clip level supervoxel".split()
    )
    shares = concept_shares(members, lambda *_: None, Labels({}))
    assert shares.empty
    nothing = concepts([1, 2, 3, 4]).head(0)
    table = ground_truth_table(nothing, controls_of(nothing))
    assert table.empty and not concept_ground_truth_figure(nothing, table).axes
    assert set(table.columns) == set(rows_of(concepts([1, 2, 3, 4])).reset_index().columns)


def test_a_perfect_ranking_finds_the_evidence_and_ties_count_half():
    table = rows_of(concepts([1, 2, 3, 4], seeds=(0, 1)))
    row = table.loc["evidence", "effect"]
    assert row["auroc"] == 1 and np.isnan(row["difference"]) and row["p_value"] < 0.01
    assert row[["n_concepts", "n_positive", "n_classes", "n_seeds"]].tolist() == [24, 12, 3, 2]
    row = table.loc["evidence", "score"]
    assert row["auroc"] == 0.5 and row["difference"] == 0.5 and row["p_value"] == 1
    row = table.loc["evidence", "control_size"]
    assert row["auroc"] == 1 and row["difference"] == 0
    # All differences are equal: nothing says how far they spread.
    assert np.isnan(row["difference_ci_low"]) and np.isnan(row["difference_ci_high"])
    assert np.isnan(table.loc[("cue", "effect"), "auroc"]) and table.loc[("cue", "effect"), "n_positive"] == 0
    assert (table["p_adjusted"].dropna() >= table["p_value"].dropna()).all()


def test_a_reversed_ranking_is_the_opposite():
    row = rows_of(concepts([4, 3, 2, 1])).loc["evidence", "effect"]
    assert row["auroc"] == 0 and row["ci_low"] == 0 and row["ci_high"] < 0.6 and row["p_value"] < 0.05


def test_classes_without_a_positive_in_some_seed_do_not_count_and_two_give_no_interval():
    shown = concepts([1, 2, 3, 4], seeds=(0, 1))
    shown.loc[(shown["class"] == "a") & (shown["seed"] == 1), "evidence"] = 0.0
    row = rows_of(shown).loc["evidence", "effect"]
    assert row["auroc"] == 1 and row["n_classes"] == 2 and row["n_positive"] == 10
    assert np.isnan(row["ci_low"]) and np.isnan(row["ci_high"]) and not np.isnan(row["p_value"])


def test_the_run_s_own_ranking_by_a_score_has_its_ties_broken():
    """The order whose differences the table tells is the one whose value it tells."""
    shown = concepts([1, 2, 3, 4])  # all scores are the same; the rank is the evidence's
    table = rows_of(shown, rank_by="score")
    assert table.loc[("evidence", "score"), "auroc"] == 1
    size = table.loc["evidence", "control_center"]
    assert size["difference"] == pytest.approx(table.loc[("evidence", "score"), "auroc"] - size["auroc"])


def test_a_control_of_the_same_order_is_not_beaten_rather_than_unknown():
    rng = np.random.default_rng(0)
    orders = {name: rng.permutation([1, 2, 3, 4]) for name in "abcdef"}
    shown = pd.concat([concepts(order, classes=name) for name, order in orders.items()])
    controls = controls_of(shown)
    controls[list(CONTROLS)] = rng.normal(size=(len(controls), len(CONTROLS)))
    controls["size"] = shown["effect"].to_numpy()
    table = ground_truth_table(shown, controls)
    row = table.set_index(["target", "ranking"]).loc["evidence", "control_size"]
    assert row["difference"] == 0 and np.isnan(row["difference_ci_low"])
    told = claims_table(truth=table)
    told = told[told["claim"] == "concepts_on_evidence"].set_index("measure").loc["AUROC"]
    assert told["verdict"] == "no" and "control_size" in told["not_beaten"]


def test_a_run_is_compared_by_what_it_ranks_by():
    shown = concepts([1, 2, 3, 4])
    shown["score"] = -shown["effect"]  # the run ranks by it: 4 is first
    shown["rank"] = 5 - shown["rank"]
    table = rows_of(shown, rank_by="score")
    assert np.isnan(table.loc[("evidence", "score"), "difference"])
    assert table.loc[("evidence", "effect"), "difference"] == -1


def test_the_figure_shows_rankings_of_every_network():
    shown = concepts([1, 2, 3, 4])
    shown = pd.concat([shown, shown.assign(model="n")])
    table = ground_truth_table(shown, controls_of(shown))
    figure = concept_ground_truth_figure(concept_shares_table(shown), table)
    labels = [text.get_text() for text in figure.axes[3].get_yticklabels()]
    assert len(figure.axes) == 8 and labels[:3] == ["effect", "score", "derivative"]
    assert "control: saturation" in labels


RANKINGS = ["effect", "score", "derivative", *(f"control_{name}" for name in CONTROLS)]


def simulated(rng, *, mean=0.0, spread=(0.0, 0.0), classes=6, seeds=3, positives=2, shuffles=199):
    """The table of 6 classes and 3 seeds of 5 concepts each, of rankings that have nothing to do with each other.

    Values of concepts on the evidence are shifted by a mean, and by normal deviates of classes and of seeds.
    """
    index = pd.MultiIndex.from_product(
        [range(seeds), range(classes), range(5)], names=["seed", "class", "concept"]
    )
    table = pd.DataFrame(index=index).reset_index().assign(model="m", layer="l")
    evidence = (table["concept"] < positives).to_numpy()
    for name in RANKINGS:
        more = mean + spread[0] * rng.normal(size=classes)[table["class"]]
        more += spread[1] * rng.normal(size=seeds)[table["seed"]]
        table[name] = rng.normal(size=len(table)) + more * evidence
    controls = table.rename(columns={f"control_{name}": name for name in CONTROLS})
    controls = controls.drop(columns=["effect", "score", "derivative"])
    place = table.groupby(["seed", "class"])["effect"].rank(ascending=False)
    shown = table[["model", "seed", "layer", "class", "concept", *RANKINGS[:3]]].assign(
        variant="run", n_members=1, rank=place.astype(int), evidence=evidence.astype(float), background=0.0
    )
    return ground_truth_table(shown, controls, shuffles=shuffles)


def test_random_rankings_are_rarely_significant():
    rng = np.random.default_rng(0)
    table = pd.concat([simulated(rng) for _ in range(60)])
    backwards = table["ranking"].str.endswith("_least")  # each says as much as its control
    values = [
        table.loc[of, "auroc"].to_numpy().reshape(60, -1)
        for of in (backwards, table["ranking"].str.startswith("control_") & ~backwards)
    ]
    np.testing.assert_allclose(values[0], 1 - values[1])
    table = table[~backwards]
    # So many that a rate of .05 has a standard error of .009 or less.
    assert len(table) == 60 * (len(SCORES) + len(CONTROLS)) > 600
    assert 0.03 <= (table["p_value"] <= 0.05).mean() <= 0.07
    # Where seeds and classes differ by chance alone, the interval is too wide: three seeds cannot tell that.
    covered = (table["ci_low"] <= 0.5) & (0.5 <= table["ci_high"])
    assert covered.mean() >= 0.92
    difference = table.dropna(subset="difference")
    covered = (difference["difference_ci_low"] <= 0) & (0 <= difference["difference_ci_high"])
    assert len(difference) == len(table) - 60 and covered.mean() >= 0.92
    for name, rows, truth in (("voxel_", table, 0.5), ("voxel_difference_", difference, 0.0)):
        covered = (rows[f"{name}ci_low"] <= truth) & (truth <= rows[f"{name}ci_high"])
        assert covered.mean() >= 0.92, name
    for name, rows in (("voxel_", table), ("difference_", difference), ("voxel_difference_", difference)):
        assert (rows[f"{name}p_value"] <= 0.05).mean() <= 0.07, name


def test_intervals_cover_the_mean_over_classes_and_seeds():
    # A positive exceeds a negative where a deviate of variance 2 + .25 + .09 exceeds minus the mean shift.
    truth = scipy.stats.norm.cdf(1 / np.sqrt(2 + 0.5**2 + 0.3**2))
    rng = np.random.default_rng(1)
    table = pd.concat([simulated(rng, mean=1.0, spread=(0.5, 0.3), shuffles=9) for _ in range(50)])
    table = table[~table["ranking"].str.endswith("_least")]
    for name in ("", "voxel_"):  # concepts lie wholly on the evidence or off it, so that both AUROCs are one
        covered = (table[f"{name}ci_low"] <= truth) & (truth <= table[f"{name}ci_high"])
        assert 0.92 <= covered.mean() <= 0.99, name
