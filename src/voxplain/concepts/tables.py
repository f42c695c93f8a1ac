"""Final tables of concepts: their scores, and accuracies with concepts added and removed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..statistics import bootstrap_interval, paired_test, wilson_interval
from ..tables import Figure, table
from . import UNEDITED
from .scores import mark_significant

GAPS = (("top", "random"), ("random", "least"), ("top", "least"), ("top", "random_volume"))
COLUMNS = """model seed layer class concept score score_sd derivative effect p_clusters p_gradients p_value p_adjusted
significant n_supervoxels n_videos cav_accuracy rank""".split()
# Columns of both tables of edited clips.
EDITED = """
    model, layer
    strategy: which concepts: top (most important), random, least (least important), or random_volume (supervoxels of equal volume)
    k: number of concepts
    accuracy: share of videos that are answered rightly, mean over draws and seeds
    ci_low, ci_high, n_videos, n_seeds
    shown: share of voxels that are shown
    baseline: accuracy of unedited clips
    p_value: of the paired test of top against this strategy
    published: the paper's accuracy
    published_baseline: the paper's accuracy of unedited clips
    """


@table(
    "concept_scores",
    part="concepts",
    title="Scores of concepts",
    meaning="Every concept with its importance by directional derivatives, and whether its effect exceeds what clusters of random videos have, and what random gradients give.",
    columns="""
    model, seed, layer, class, concept
    score: share of clips whose class logit rises along the concept's direction (equation 2), mean over random sets
    score_sd: standard deviation of the score over random sets
    derivative: mean directional derivative (equation 1), in logits per unit along the CAV
    effect: derivative times the way from random samples to the concept, in logits
    p_clusters: that concepts found by the same procedure in random videos of all classes have such an effect (two-sided rank)
    p_gradients: that the gradients of networks with random weights above the layer, made as long, give such an effect (two-sided rank)
    p_value: the greater of the two, since both have to be rejected; with scores.test paired_t, of the authors' t-test, which clusters of noise pass as well
    p_adjusted: p_value after Benjamini and Hochberg, over the concepts of a network, seed and layer
    significant: whether p_adjusted is at most scores.alpha
    n_supervoxels: supervoxels of the concept's cluster
    n_videos: videos of the concept's cluster
    cav_accuracy: held-out accuracy of the CAVs, mean over random sets
    rank
    """,
    inputs={"scores": "scored_concepts"},
    options={"alpha": "scores.alpha"},
)
def concept_scores_table(scores: pd.DataFrame, *, alpha: float = 0.05) -> pd.DataFrame:
    """All concepts with their scores and significance.

    Parameters
    ----------
    scores : DataFrame
        model, seed, layer, class, rank and the columns of `voxplain.concepts.scores.score_concepts`.
    alpha : float
        Level of the false discovery rate, over the concepts of a network, seed and layer.
    """
    place = ["model", "seed", "layer"]
    found = scores.groupby(place, sort=False, group_keys=False)[scores.columns.tolist()]
    return found.apply(mark_significant, alpha=alpha).sort_values([*place, "class", "rank"])[COLUMNS]


def editing_table(edits: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on edited clips by strategy and number of concepts (tables 1 and 2 of 3D-ACE).

    Parameters
    ----------
    edits : DataFrame
        One experiment: model, seed, layer, video, strategy, draw, k, correct, shown (share of voxels).
        Strategy ``none`` is the unedited clip.
    published : DataFrame
        model, strategy, k, published, published_baseline

    Returns
    -------
    DataFrame
        model, layer, strategy, k, accuracy (mean over draws and seeds), ci_low, ci_high (95 %: Wilson
        for one seed without draws, bootstrap over videos and seeds otherwise), n_videos, n_seeds,
        shown, baseline, p_value (paired test of ``top`` against this row's strategy), and the paper's cells.
    """
    rows = []
    for (model, layer), group in edits.groupby(["model", "layer"], sort=False):
        baseline = outcomes(group, UNEDITED, 0).mean()
        for k in sorted(group.loc[group["k"] > 0, "k"].unique()):
            top = outcomes(group, "top", k)
            for strategy in group.loc[group["k"] == k, "strategy"].unique():
                values = outcomes(group, strategy, k)
                binary = len(values) == 1 and np.isin(values, (0, 1)).all()
                low, high = (
                    wilson_interval(values.sum(), values.size) if binary else bootstrap_interval(values)
                )
                p_value = np.nan if strategy == "top" else paired_test(top.mean(axis=0), values.mean(axis=0))
                chosen = (group["strategy"] == strategy) & (group["k"] == k)
                rows.append(
                    {
                        "model": model,
                        "layer": layer,
                        "strategy": strategy,
                        "k": int(k),
                        "accuracy": values.mean(),
                        "ci_low": low,
                        "ci_high": high,
                        "n_videos": values.shape[1],
                        "n_seeds": values.shape[0],
                        "shown": group.loc[chosen, "shown"].mean(),
                        "baseline": baseline,
                        "p_value": p_value,
                    }
                )
    return pd.DataFrame(rows).merge(published, how="left", on=["model", "strategy", "k"])


@table(
    "concept_addition",
    part="concepts",
    title="Adding concepts (3D-ACE, table 1)",
    meaning="Accuracy with only the first k concepts shown, taking the most important, the least important or random concepts first.",
    columns=EDITED,
    inputs={"edits": "edits"},
    published=True,
    figure=Figure("concept_addition_figure", {"table": "concept_addition"}),
)
def concept_addition_table(edits: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """`editing_table` of the experiment concept_addition."""
    return editing_table(edits[edits["experiment"].isin(["concept_addition", UNEDITED])], published)


@table(
    "concept_removal",
    part="concepts",
    title="Removing concepts (3D-ACE, table 2)",
    meaning="Accuracy with the first k concepts hidden, taking the most important, the least important or random concepts first.",
    columns=EDITED,
    inputs={"edits": "edits"},
    published=True,
    figure=Figure("concept_removal_figure", {"table": "concept_removal"}),
)
def concept_removal_table(edits: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """`editing_table` of the experiment concept_removal."""
    return editing_table(edits[edits["experiment"].isin(["concept_removal", UNEDITED])], published)


@table(
    "concept_gaps",
    part="concepts",
    title="Differences between strategies",
    meaning="Differences of accuracy between strategies, over all numbers of concepts.",
    columns="""
    experiment: concept_addition or concept_removal
    model, layer
    better: strategy whose accuracy the other's is taken from
    worse: the other strategy
    gap: difference of accuracy, mean over k; adding, a method that works has positive gaps, removing, negative ones
    ci_low, ci_high
    p_value: of the paired test
    n_videos, n_seeds
    """,
    inputs={"edits": "edits"},
)
def gap_table(edits: pd.DataFrame) -> pd.DataFrame:
    """Differences between strategies in accuracy, averaged over k.

    Parameters
    ----------
    edits : DataFrame
        As in `editing_table`, with column experiment.

    Returns
    -------
    DataFrame
        experiment, model, layer, better, worse, gap (accuracy of the first minus that of the second),
        ci_low, ci_high (95 %, bootstrap over videos and seeds), p_value (paired test), n_videos, n_seeds.
        Adding, a method that works has positive gaps; removing, negative ones.
    """
    rows, edited = [], edits[edits["strategy"] != UNEDITED]
    for (experiment, model, layer), group in edited.groupby(["experiment", "model", "layer"], sort=False):
        ks = sorted(group.loc[group["k"] > 0, "k"].unique())
        mean = {
            strategy: np.mean([outcomes(group, strategy, k) for k in ks], axis=0)
            for strategy in {name for pair in GAPS for name in pair}
        }
        for first, second in GAPS:
            difference = mean[first] - mean[second]
            low, high = bootstrap_interval(difference)
            rows.append(
                {
                    "experiment": experiment,
                    "model": model,
                    "layer": layer,
                    "better": first,
                    "worse": second,
                    "gap": difference.mean(),
                    "ci_low": low,
                    "ci_high": high,
                    "p_value": paired_test(mean[first].mean(axis=0), mean[second].mean(axis=0)),
                    "n_videos": difference.shape[1],
                    "n_seeds": difference.shape[0],
                }
            )
    return pd.DataFrame(rows)


def outcomes(edits: pd.DataFrame, strategy: str, k: int) -> np.ndarray:
    """Mean correctness per seed and video, over clips and draws, as (seeds, videos) float."""
    chosen = edits[(edits["strategy"] == strategy) & (edits["k"] == k)]
    table = chosen.pivot_table(index="seed", columns="video", values="correct", aggfunc="mean", sort=True)
    return table.to_numpy(dtype=float)
