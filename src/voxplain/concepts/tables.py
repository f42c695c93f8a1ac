"""Final tables of concepts: their scores, and accuracies with concepts added and removed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..editing import reverse_of
from ..statistics import adjust_p_values, chosen_p_value, group_values, mean_interval, mean_p_value
from ..tables import Figure, table
from . import UNEDITED
from .scores import mark_significant

GAPS = (
    ("top", "random"),
    ("random", "least"),
    ("top", "least"),
    ("top", "random_volume"),
    ("top", "other_class"),
)
COLUMNS = """model seed layer class concept score score_sd derivative effect p_clusters p_gradients p_value p_adjusted
significant n_supervoxels n_videos popular cav_accuracy rank""".split()
MEASURED = "shown n_concepts k_share assigned drift accuracy_without_blank answered_other".split()
# Columns of both tables of edited clips.
EDITED = """
    model, layer
    strategy: which concepts: top (most important), least, random (rankings of the class), random_volume (supervoxels of equal volume), score (the paper's), control_* (by what needs no score), other_class (top ones of another class), predicted (those of the class that the unedited clip is taken for); with _least after it the reverse
    k: number of concepts
    accuracy: share of videos that are answered rightly, mean over draws and seeds
    ci_low, ci_high, n_videos, n_classes, n_seeds
    shown: share of voxels that are shown
    n_concepts: concepts of a class, mean over clips
    k_share: share of the class's concepts that the first k are
    assigned: share of supervoxels that belong to a concept
    drift: share of answers that are the answer to a clip of the fill alone
    accuracy_without_blank: accuracy over videos of other classes than that
    answered_other: share of answers that are the class whose concepts were edited; of other_class
    baseline: accuracy of unedited clips
    p_value: that top and this strategy are as good; of random and least by rankings of the classes, else over classes
    p_adjusted: p_value after Benjamini and Hochberg, over the table
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
    popular: whether the cluster passes the filters; a class with fewer than three that do has others, too
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


class Outcomes:
    """Outcomes of one experiment on one network and layer, by strategy, draw, seed, video and class.

    Parameters
    ----------
    edits : DataFrame
        seed, video, class, strategy, draw, `at` and the values asked for.
    at : str
        Column of what grows along a ranking: k, or share.
    """

    AXES = ("strategy", "draw", "seed", "video")

    def __init__(self, edits: pd.DataFrame, at: str) -> None:
        self.edits, self.means, axes = edits, {}, [*self.AXES, at]
        found = [pd.factorize(edits[axis], sort=True) for axis in axes]
        self.names = {axis: list(names) for axis, (_, names) in zip(axes, found, strict=True)}
        self.places, self.strategies = self.names[at], self.names["strategy"]
        self.shape = tuple(len(names) for _, names in found)
        self.flat = np.ravel_multi_index([codes for codes, _ in found], self.shape)
        first = np.unique(found[3][0], return_index=True)[1]
        self.classes, self.codes = np.unique(edits["class"].to_numpy()[first], return_inverse=True)
        self.groups = edits["group"].to_numpy()[first] if "group" in edits else None

    def _mean(self, column: str) -> np.ndarray:
        """Mean over clips, (strategies, draws, seeds, videos, places); NaN where there is none."""
        if column not in self.means:
            values = self.edits[column].to_numpy(dtype=float)
            known, size = ~np.isnan(values), int(np.prod(self.shape))
            count = np.bincount(self.flat[known], minlength=size).astype(float)
            total = np.bincount(self.flat[known], weights=values[known], minlength=size)
            self.means[column] = _ratio(total, count).reshape(self.shape)
        return self.means[column]

    def draws(self, strategy: str, at: int | slice = slice(None), column: str = "correct") -> np.ndarray:
        """A value per draw, seed and video of a strategy, mean over `at`: (draws, seeds, videos)."""
        found = self._mean(column)[self.strategies.index(strategy)][..., at]
        there = ~np.isnan(found).reshape(len(found), -1).all(axis=1)
        found = found[there] if there.any() else found[:1]
        return found.mean(axis=-1) if isinstance(at, slice) else found

    def by_video(self, strategy: str, at: int | slice = slice(None), column: str = "correct") -> np.ndarray:
        """(seeds, videos), mean over draws."""
        return self.draws(strategy, at, column).mean(axis=0)

    def interval(self, values: np.ndarray) -> tuple[float, float]:
        """Of the mean of shares (seeds, videos), over groups of videos where there are any."""
        return mean_interval(group_values(values, self.groups), share=True)

    def by_class(self, strategy: str, at: int | slice = slice(None)) -> np.ndarray:
        """(draws, seeds, classes), mean over videos; NaN where a seed has none of the class."""
        values, member = self.draws(strategy, at), np.eye(len(self.classes))[self.codes]
        known = ~np.isnan(values)
        return _ratio(np.where(known, values, 0) @ member, known @ member)

    def difference(self, better: str, worse: str, at: int | slice = slice(None)) -> np.ndarray:
        """(seeds, classes): outcome of one strategy less that of another."""
        return self.by_class(better, at).mean(axis=0) - self.by_class(worse, at).mean(axis=0)

    def p_value(self, better: str, worse: str, at: int | slice = slice(None)) -> float:
        """Two-sided p-value that two strategies are as good.

        A ranking against its reverse or against random ones, and random ones against a reverse: the ranking and its
        reverse are a pair like those of random rankings, one of as many that each class and seed could have got.
        (One ranking is shared by all videos of a class, so these are no units for it.) Others, for which there is
        no such set: the mean difference over classes, and seeds.
        """
        reverse = {reverse_of(name): name for name in self.strategies}
        ranked = worse if better == "random" else better
        if {better, worse} != {ranked, "random"} and worse != reverse_of(better):
            return mean_p_value(self.difference(better, worse, at))
        other = reverse_of(ranked) if reverse_of(ranked) in self.strategies else reverse.get(ranked)
        if other is None or "random" not in self.strategies:
            return mean_p_value(self.difference(better, worse, at))
        pair = [self.by_class(name, at) for name in (ranked, other)]
        random = self.by_class("random", at)
        candidates = np.concatenate([*pair, random[: len(random) // 2 * 2]])
        if worse == reverse_of(better):
            # Less its reverse, which is the other of its pair.
            candidates = candidates - candidates[np.arange(len(candidates)) ^ 1]
        units = candidates.reshape(len(candidates), -1).T
        return chosen_p_value(units[~np.isnan(units).any(axis=1)])


def _ratio(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _mean(values: np.ndarray) -> float:
    """Mean of what is known; NaN where nothing is."""
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")


def editing_table(edits: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on edited clips by strategy and number of concepts (tables 1 and 2 of 3D-ACE).

    Parameters
    ----------
    edits : DataFrame
        One experiment: model, seed, layer, video, class, strategy, draw, k, correct and the other columns of
        `voxplain.editing.edit_answers`. Strategy ``none`` is the unedited clip; k = 0 are edits by volume.
    published : DataFrame
        model, strategy, k, published, published_baseline

    Returns
    -------
    DataFrame
        The columns of `EDITED`. Intervals (95 %) are over videos or their groups, and seeds: `mean_interval`. They take a class's
        ranking as given. For p-values see `Outcomes.p_value`.
    """
    rows = []
    for (model, layer), group in edits.groupby(["model", "layer"], sort=False):
        unedited = Outcomes(group[group["strategy"] == UNEDITED], "k").by_video(UNEDITED, 0)
        known = Outcomes(_measured(group[group["k"] > 0]), "k")
        for at, k in enumerate(known.places):
            for strategy in group.loc[group["k"] == k, "strategy"].unique():
                values = known.by_video(strategy, at)
                low, high = known.interval(values)
                means = {name: _mean(known.by_video(strategy, at, name)) for name in MEASURED}
                rows.append(
                    {
                        "model": model,
                        "layer": layer,
                        "strategy": strategy,
                        "k": int(k),
                        "accuracy": _mean(values),
                        "ci_low": low,
                        "ci_high": high,
                        "n_videos": values.shape[1],
                        "n_classes": len(known.classes),
                        "n_seeds": values.shape[0],
                        **means,
                        "baseline": _mean(unedited),
                        "p_value": np.nan if strategy == "top" else known.p_value("top", strategy, at),
                    }
                )
    table = pd.DataFrame(rows)
    table.insert(table.columns.get_loc("p_value") + 1, "p_adjusted", adjust_p_values(table["p_value"]))
    return table.merge(published, how="left", on=["model", "strategy", "k"])


def _measured(edits: pd.DataFrame) -> pd.DataFrame:
    """With what answers are measured by, a column each."""
    return edits.assign(
        k_share=np.minimum(edits["k"] / edits["n_concepts"], 1),
        drift=edits["answer"] == edits["blank"],
        accuracy_without_blank=edits["correct"].where(edits["class"] != edits["blank"]),
        answered_other=(edits["answer"] == edits["other"]).where(edits["strategy"] == "other_class"),
    )


@table(
    "concept_addition",
    part="concepts",
    title="Adding concepts (3D-ACE, table 1)",
    meaning="Accuracy with only the first k concepts shown, by what ranks them.",
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
    meaning="Accuracy with the first k concepts hidden, by what ranks them.",
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
    better: strategy whose accuracy the other's is taken from; or, as "top - least", a difference that another ranking's is taken from
    worse: the other strategy, or difference
    gap: difference of accuracy, or of such differences, mean over k, videos of a class, classes and seeds; adding, a method that works has positive gaps, removing, negative ones
    ci_low, ci_high
    p_value: that both are as good; of a ranking against its reverse or random ones by rankings of the classes, else over classes
    p_adjusted: p_value after Benjamini and Hochberg, over the table
    n_videos, n_classes, n_seeds
    """,
    inputs={"edits": "edits"},
)
def gap_table(edits: pd.DataFrame) -> pd.DataFrame:
    """Differences between strategies in accuracy, averaged over k.

    ``top``, and the paper's score, against what they should beat, controls in either direction, and every other ranking
    against its reverse; and how much more ``top``, and the score, differ from their reverse than controls from theirs.

    Parameters
    ----------
    edits : DataFrame
        As in `editing_table`, with column experiment.

    Returns
    -------
    DataFrame
        experiment, model, layer, better, worse, gap (accuracy of the first minus that of the second), ci_low,
        ci_high (95 %, over classes and seeds: `mean_interval`), p_value (`Outcomes.p_value`), p_adjusted,
        n_videos, n_classes, n_seeds. Adding, a method that works has positive gaps; removing, negative ones.
    """
    rows, edited = [], edits[(edits["strategy"] != UNEDITED) & (edits["k"] > 0)]
    for (experiment, model, layer), group in edited.groupby(["experiment", "model", "layer"], sort=False):
        known = Outcomes(group, "k")
        strategies = group["strategy"].unique().tolist()
        compared = [
            ((first, second), known.difference(first, second), known.p_value(first, second))
            for first, second in _pairs(strategies)
        ]
        for own, its in _gap_pairs(strategies):
            difference = known.difference(*own) - known.difference(*its)
            compared.append(((" - ".join(own), " - ".join(its)), difference, mean_p_value(difference)))
        for (first, second), difference, p_value in compared:
            low, high = mean_interval(difference)
            rows.append(
                {
                    "experiment": experiment,
                    "model": model,
                    "layer": layer,
                    "better": first,
                    "worse": second,
                    "gap": _mean(difference),
                    "ci_low": low,
                    "ci_high": high,
                    "p_value": p_value,
                    "n_videos": len(known.names["video"]),
                    "n_classes": difference.shape[1],
                    "n_seeds": difference.shape[0],
                }
            )
    table = pd.DataFrame(rows)
    table.insert(table.columns.get_loc("p_value") + 1, "p_adjusted", adjust_p_values(table["p_value"]))
    return table


def _pairs(strategies: list[str]) -> list[tuple[str, str]]:
    """Strategies that are compared: the better, if the method works, and the worse."""
    rankings = [name for name in strategies if reverse_of(name) in strategies and name != "top"]
    pairs = [*GAPS, *(("top", name) for name in rankings), *((name, reverse_of(name)) for name in rankings)]
    # The paper's score has to beat the same as the run's own ranking.
    controls = [name for name in rankings if name.startswith("control_")]
    reversed_controls = [reverse_of(name) for name in controls]
    pairs += [("top", name) for name in reversed_controls]
    others = ["random", "random_volume", "other_class", *controls, *reversed_controls]
    pairs += [("score", name) for name in others if "score" in rankings]
    return [pair for pair in pairs if set(pair) <= set(strategies)]


def _gap_pairs(strategies: list[str]) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """Rankings, each with its reverse, whose gaps are compared: the run's own and the paper's with controls either way."""
    gaps = {name: (name, reverse_of(name)) for name in strategies if reverse_of(name) in strategies}
    controls = [gap for name, gap in gaps.items() if name.startswith("control_")]
    both = [way for gap in controls for way in (gap, gap[::-1])]
    return [(gaps[name], gap) for name in ("top", "score") if name in gaps for gap in both]


@table(
    "concept_curves",
    part="concepts",
    title="Concepts over the volume shown",
    meaning="Accuracy over the share of the clip that the first supervoxels of a ranking of concepts show or hide.",
    columns="""
    experiment: concept_addition or concept_removal
    model, layer
    strategy: as in concept_addition
    share: of the clip's voxels that are shown, or hidden; supervoxels are taken concept by concept, those nearest to the centre first
    covered: share that the supervoxels cover; less where all concepts together do
    accuracy: share of videos that are answered rightly, mean over draws and seeds
    ci_low, ci_high
    area: under the curve from a share of 0 to 1, whose ends are the fill and the unedited clip; the same in all rows of a curve
    area_ci_low: lower end of its 95 % interval
    area_ci_high: upper end of its 95 % interval
    n_videos, n_seeds
    """,
    inputs={"edits": "edits"},
    figure=Figure("concept_curves_figure", {"table": "concept_curves"}),
)
def curve_table(edits: pd.DataFrame) -> pd.DataFrame:
    """Accuracy over the share of the clip shown or hidden, and the area under that curve.

    Parameters
    ----------
    edits : DataFrame
        As in `gap_table`, with the edits by volume.

    Returns
    -------
    DataFrame
        experiment, model, layer, strategy, share, covered, accuracy, area, each of the last two with its interval
        (95 %, over videos or their groups, and seeds: `mean_interval`), n_videos, n_seeds.
    """
    rows = []
    unedited = edits[edits["strategy"] == UNEDITED]
    curves = edits[edits["share"].notna()]
    for (experiment, model, layer), group in curves.groupby(["experiment", "model", "layer"], sort=False):
        adding = experiment == "concept_addition"
        known = Outcomes(group.assign(covered=group["shown"] if adding else 1 - group["shown"]), "share")
        whole = unedited[(unedited["model"] == model) & (unedited["layer"] == layer)]
        whole = Outcomes(whole.assign(blank=whole["blank"] == whole["class"]), "k")
        ends = [whole.by_video(UNEDITED, 0, column) for column in ("blank", "correct")][
            :: 1 if adding else -1
        ]
        shares = [0.0, *known.places, 1.0]
        for strategy in group["strategy"].unique():
            values = [known.by_video(strategy, at) for at in range(len(known.places))]
            areas = np.trapezoid(np.stack([ends[0], *values, ends[1]]), shares, axis=0)
            low, high = known.interval(areas)
            for at, (share, value) in enumerate(zip(known.places, values, strict=True)):
                ci_low, ci_high = known.interval(value)
                rows.append(
                    {
                        "experiment": experiment,
                        "model": model,
                        "layer": layer,
                        "strategy": strategy,
                        "share": share,
                        "covered": _mean(known.by_video(strategy, at, "covered")),
                        "accuracy": _mean(value),
                        "ci_low": ci_low,
                        "ci_high": ci_high,
                        "area": _mean(areas),
                        "area_ci_low": low,
                        "area_ci_high": high,
                        "n_videos": value.shape[1],
                        "n_seeds": value.shape[0],
                    }
                )
    return pd.DataFrame(rows)
