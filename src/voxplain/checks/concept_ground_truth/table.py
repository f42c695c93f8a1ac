"""How well orders of concepts find the evidence, beside orders that know nothing of the network's answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy  # whose parts are loaded when they are used

from ...concepts.controls import CONTROLS
from ...editing import reverse_of
from ...statistics import adjust_p_values, auroc, mean_interval, mean_p_value, shuffled_p_value
from ...tables import Figure, table
from ..presets.variants import VARIANTS
from ..tables import CONCEPT

SCORES = ("effect", "score", "derivative")
TARGETS = ("evidence", "distractor", "actor", "cue")  # in this order, before others
MOSTLY = 0.5
RUN = "run"
PLACE = ["model", "seed", "layer", "variant", "class", "rank", "concept"]
COLUMNS = """model layer variant target ranking auroc ci_low ci_high difference difference_ci_low difference_ci_high voxel_auroc
voxel_ci_low voxel_ci_high voxel_difference voxel_difference_ci_low voxel_difference_ci_high p_value p_adjusted
difference_p_value voxel_p_value voxel_difference_p_value n_concepts
n_positive n_classes voxel_n_classes n_seeds""".split()
# Columns of a concept that are no target; the background is what targets lie before.
NO_TARGETS = {*PLACE, *SCORES, "n_members", "background"}


@table(
    "concept_shares",
    part="checks",
    title="What concepts show",
    meaning="Share of the voxels of every concept's members that lies on what decides the class, on other objects, on the cue and on the background.",
    columns="""
    model, seed, layer
    variant: preset or single deviation that the concepts were found by; run: the run's own
    class, rank, concept
    actor: share of the voxels that lies on the shape that acts; actor and cue are of the embedded videos, others have the columns that truth.targets names
    background: share on the background
    cue: share on what tells classes apart where the actor does not
    derivative: as in concept_scores
    distractor: share on objects that do not decide the class
    effect: as in concept_scores
    evidence: share on what decides the class
    n_members: supervoxels that are looked at
    score: as in concept_scores
    """,
    inputs={"concepts": "matched_concepts"},
    needs=["ground_truth"],
)
def concept_shares_table(concepts: pd.DataFrame) -> pd.DataFrame:
    """The concepts of all layers in order, what they are before what they show."""
    return concepts[[*PLACE, *concepts.columns.difference(PLACE)]].sort_values(PLACE[:6])


@table(
    "concept_ground_truth",
    part="checks",
    title="Concepts against the ground truth",
    meaning="Whether importance ranks concepts first that lie on what decides the class, and whether it does so better than rankings by color, motion, size, place, distance or the members' own logit.",
    columns="""
    model, layer
    variant: preset or single deviation that the concepts were found by; run: the run's own
    target: evidence (what decides the class), distractor (other objects), actor or cue
    ranking: what ranks the concepts: effect, score, derivative, or a control (control_saturation and so on: concept_controls; with _least after it the reverse)
    auroc: within a class, probability that a concept that lies mostly on the target ranks before one that does not; mean over classes and seeds
    ci_low, ci_high
    difference: the run's own ranking less this one; empty for the own, by which the variant ranks
    difference_ci_low: lower end of its 95 % interval
    difference_ci_high: upper end of its 95 % interval
    voxel_auroc: the same without a limit: probability that the concept of a voxel on the target ranks before that of a voxel that is not on it, every concept having as many voxels
    voxel_ci_low: lower end of the 95 % interval of voxel_auroc
    voxel_ci_high: upper end of the 95 % interval of voxel_auroc
    voxel_difference: voxel_auroc of the run's own ranking less this one's
    voxel_difference_ci_low: lower end of its 95 % interval
    voxel_difference_ci_high: upper end of its 95 % interval
    p_value: of auroc, by shuffling ranks within each class and seed
    p_adjusted: p_value after Benjamini and Hochberg, over the table
    difference_p_value: that difference is 0, over classes and seeds, not corrected
    voxel_p_value: that voxel_auroc is 0.5, likewise
    voxel_difference_p_value: that voxel_difference is 0, likewise
    n_concepts
    n_positive: concepts that lie mostly on the target
    n_classes: classes that count for auroc: they have a concept that lies mostly on the target and one that does not, in every seed; intervals need three
    voxel_n_classes: classes that count for voxel_auroc: they have voxels on the target and others, in every seed
    n_seeds
    """,
    inputs={"concepts": "concept_shares", "controls": "concept_controls"},
    options={"rank_by": "scores.rank_by"},
    needs=["ground_truth"],
    figure=Figure(
        "concept_ground_truth_figure", {"shares": "concept_shares", "table": "concept_ground_truth"}
    ),
)
def ground_truth_table(
    concepts: pd.DataFrame, controls: pd.DataFrame, *, rank_by: str = "effect", shuffles: int = 999
) -> pd.DataFrame:
    """How well scores of concepts and controls rank first what lies on each target.

    Classes are the units, since the concepts of a class are ranked together: see
    `voxplain.statistics.mean_interval` for the intervals.

    Parameters
    ----------
    concepts : DataFrame
        The table concept_shares: `PLACE`, `SCORES`, and shares of targets.
    controls : DataFrame
        model, seed, layer, class, concept, `CONTROLS`: of the run's own concepts.
    rank_by : {"effect", "score"}
        What the run ranks by.
    shuffles : int
        For the p-values.
    """
    named = controls.rename(columns={name: f"control_{name}" for name in CONTROLS}).assign(variant=RUN)
    concepts = concepts.merge(named, how="left", on=[*CONCEPT, "variant"])
    targets = concepts.columns.difference([*NO_TARGETS, *named.columns])
    targets = sorted(targets, key=lambda name: TARGETS.index(name) if name in TARGETS else len(TARGETS))
    rows = []
    for key, group in concepts.groupby(["model", "layer", "variant"], sort=False):
        ranks_by = VARIANTS[key[2]].rank_by if key[2] in VARIANTS else rank_by
        cells = _Cells(group)
        for target in targets:
            share, first = group[target].to_numpy(dtype=float), -group["rank"].to_numpy()
            positive = share > MOSTLY
            counted = cells.mixed(positive)
            own, own_voxels = cells.aurocs(first, positive, counted), cells.voxel_aurocs(first, share)
            orders = {name: group[name].to_numpy() for name in SCORES} | {ranks_by: first}  # with ties broken
            for name in [f"control_{name}" for name in CONTROLS] if key[2] == RUN else ():
                values = group[name].to_numpy()
                orders |= {name: values, reverse_of(name): -values}
            for ranking, values in orders.items():
                found, voxels = cells.aurocs(values, positive, counted), cells.voxel_aurocs(values, share)
                itself = np.nan if ranking == ranks_by else 0.0
                rows.append(
                    dict(zip(("model", "layer", "variant"), key, strict=True))
                    | {"target": target, "ranking": ranking}
                    | _mean("auroc", "", found)
                    | _mean("difference", "difference_", own - found + itself, -1.0)
                    | _mean("voxel_auroc", "voxel_", voxels)
                    | _mean("voxel_difference", "voxel_difference_", own_voxels - voxels + itself, -1.0)
                    | {
                        "p_value": cells.p_value(values, positive, counted, shuffles),
                        "difference_p_value": mean_p_value(own - found + itself),
                        "voxel_p_value": mean_p_value(voxels - 0.5),
                        "voxel_difference_p_value": mean_p_value(own_voxels - voxels + itself),
                        "n_concepts": len(group),
                        "n_positive": int(positive.sum()),
                        "n_classes": len(counted),
                        "voxel_n_classes": own_voxels.shape[1],
                        "n_seeds": len(cells.places),
                    }
                )
    found = pd.DataFrame(rows)
    if found.empty:  # of no discovery video is anything known
        return pd.DataFrame(columns=COLUMNS)
    found.insert(found.columns.get_loc("p_value") + 1, "p_adjusted", adjust_p_values(found["p_value"]))
    return found


def voxel_auroc(values: np.ndarray, share: np.ndarray) -> float:
    """Probability that the concept of a voxel on a target has a greater value than that of one that is not on it.

    Parameters
    ----------
    values, share : (concepts,) float
        What ranks the concepts, the greatest first, and the share of each one's voxels that lies on the target; every
        concept has as many voxels. Ties count half.

    Returns
    -------
    float
        NaN where all voxels lie on the target, or none.
    """
    pairs = np.outer(share, 1 - share)
    before = np.sign(values[:, None] - values) / 2 + 0.5
    return float((pairs * before).sum() / pairs.sum()) if pairs.sum() > 0 else float("nan")


class _Cells:
    """Concepts by class and seed, within which they are ranked: ``places[seed][class]`` are the rows of a cell."""

    def __init__(self, concepts: pd.DataFrame) -> None:
        classes = sorted(concepts["class"].unique())
        rows = concepts.reset_index(drop=True).groupby(["seed", "class"]).indices
        none = np.empty(0, dtype=int)
        self.places = [
            [rows.get((seed, name), none) for name in classes] for seed in sorted(concepts["seed"].unique())
        ]

    def mixed(self, positive: np.ndarray) -> list[int]:
        """Numbers of the classes that have a positive and a negative in every seed."""
        return [
            number
            for number, cells in enumerate(zip(*self.places, strict=True))
            if all(0 < positive[cell].sum() < len(cell) for cell in cells)
        ]

    def aurocs(self, values: np.ndarray, positive: np.ndarray, classes: list[int]) -> np.ndarray:
        """AUROC within each cell, (seeds, classes) float."""
        found = [
            [auroc(values[cells[number]], positive[cells[number]]) for number in classes]
            for cells in self.places
        ]
        return np.array(found, dtype=float).reshape(len(self.places), len(classes))

    def voxel_aurocs(self, values: np.ndarray, share: np.ndarray) -> np.ndarray:
        """AUROC within each cell where every concept stands for voxels on the target, by its share, and for others.

        (seeds, classes) float, of the classes where it is defined in every seed.
        """
        found = np.full((len(self.places), len(self.places[0])), np.nan)
        for seed, cells in enumerate(self.places):
            for number, cell in enumerate(cells):
                found[seed, number] = voxel_auroc(values[cell], share[cell])
        return found[:, ~np.isnan(found).any(axis=0)]

    def p_value(self, values: np.ndarray, positive: np.ndarray, classes: list[int], shuffles: int) -> float:
        """p-value of the mean AUROC, by shuffling ranks within each cell."""
        if not classes:
            return float("nan")
        cells = [cells[number] for cells in self.places for number in classes]
        ranks = np.concatenate([scipy.stats.rankdata(values[cell]) for cell in cells])
        # The AUROC of a cell is linear in the ranks of its positives (Mann and Whitney's U).
        weights = [positive[cell] / (positive[cell].sum() * (~positive[cell]).sum()) for cell in cells]
        return shuffled_p_value(
            lambda a, b: float(a @ b),
            ranks,
            np.concatenate(weights),
            np.repeat(np.arange(len(cells)), [len(cell) for cell in cells]),
            shuffles=shuffles,
        )


def _mean(name: str, prefix: str, values: np.ndarray, lowest: float = 0.0) -> dict[str, float]:
    """Mean and interval of (seeds, classes) values that lie in [lowest, 1], no interval where all are one difference."""
    low, high = mean_interval(values, share=lowest == 0)
    mean = float(values.mean()) if values.size else float("nan")
    if lowest and low == high:  # AUROCs are few steps: that all differences are one says little
        low = high = float("nan")
    ends = (float(np.clip(end, lowest, 1)) for end in (low, high))
    return {name: mean, **dict(zip((f"{prefix}ci_low", f"{prefix}ci_high"), ends, strict=True))}
