"""Whether explanations lie on what decides the class, or on whatever else there is and moves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ...motion.scores import AMONG_OBJECTS
from ...motion.tables import of_groups
from ...statistics import adjust_p_values, mean_interval, mean_p_value
from ...tables import Figure, table

ALL = "all"
ENTRY = ["model", "method", "control_of"]
COLUMNS = [
    *ENTRY,
    *"subset map measure value ci_low ci_high chance p_value p_adjusted n_units n_seeds".split(),
]
MAPS = {"whole": ("whole",), "selective": ("selective",), "selective - whole": ("selective", "whole")}
# What is measured: of which target, and which score of it.
MEASURES = {
    "evidence": ("evidence", "relevance_on_target"),
    "distractor": ("distractor", "relevance_on_target"),
    "evidence AUROC": ("evidence", "auroc"),
    "evidence stratified AUROC": ("evidence", "stratified_auroc"),
    "evidence among objects AUROC": (AMONG_OBJECTS, "auroc"),
}


@table(
    "evidence_or_motion",
    part="checks",
    title="Evidence, or whatever moves",
    meaning="How much of every explanation lies on what decides the class and how much on the distractor, whole and of its "
    "selective map, in each subset of the videos; and what selection and the subset change.",
    columns="""
    model
    method: explainer or control, by name
    control_of: explainer that a control belongs to; empty for explainers, and for controls of all of them
    subset: of the videos: all, each subset of the video table, or A - B: their difference, paired by group
    map: whole, selective, or selective - whole
    measure: evidence, distractor (share of the positive relevance that lies there); evidence AUROC (its voxels against all others); evidence stratified AUROC (of whole maps: against those alike in change, saturation and distance from the center); evidence among objects AUROC (its voxels against the distractor's)
    value: mean over videos and seeds; of differences between subsets over groups, which have videos in both
    ci_low, ci_high
    chance: share of voxels, of AUROCs .5; for differences 0
    p_value: of differences, and of AUROCs from .5
    p_adjusted: p_value after Benjamini and Hochberg, over the table
    n_units, n_seeds
    """,
    inputs={"found": "ground_truth_scores"},
    needs=["ground_truth"],
    figure=Figure("evidence_or_motion_figure", {"table": "evidence_or_motion"}),
)
def evidence_or_motion_table(found: pd.DataFrame) -> pd.DataFrame:
    """Shares on evidence and distractor by subset, whole and selective.

    Parameters
    ----------
    found : DataFrame
        model, seed, method, control_of, selective, target, video, clip, share, relevance_on_target, auroc, stratified_auroc, and where
        videos have them group and subset. A group of unequal videos counts by how many it has (`group_values`), but where
        subsets are compared within it.

    Returns
    -------
    DataFrame
        The columns of the table. Intervals (95 %) and p-values are over groups, or videos, and seeds:
        `voxplain.statistics.mean_interval`, `mean_p_value`.
    """
    found = found if "subset" in found else found.assign(subset="")
    if "group" not in found:
        found = found.assign(group=found["video"])
    rows = [row for key, rows in found.groupby(ENTRY, sort=False) for row in _rows(key, rows)]
    result = pd.DataFrame(rows, columns=COLUMNS)
    result["p_adjusted"] = adjust_p_values(result["p_value"].astype(float))
    return result


def _rows(key: tuple, rows: pd.DataFrame) -> Iterator[dict]:
    for measure, (target, score) in MEASURES.items():
        own = rows[rows["target"] == target]
        maps = {
            name: own[own["selective"].astype(bool) == (name == "selective")]
            for name in ("whole", "selective")
        }
        subsets = sorted(set(own["subset"]))
        named = {ALL: [None]} | {subset: [subset] for subset in subsets if len(subsets) > 1}
        if len(subsets) == 2:
            named[f"{subsets[1]} - {subsets[0]}"] = [subsets[1], subsets[0]]
        for name, of_maps in MAPS.items():
            parts = [maps[one] for one in of_maps]
            for subset, of in named.items():
                paired = len(of) > 1
                unit = "group" if paired else "video"
                tables = [_by_unit(part, one, score, unit) for one in of for part in parts]
                combined = _combined(tables)
                values = combined.to_numpy(dtype=float) if paired else of_groups(combined, own)
                if not values.size:
                    continue
                difference = len(tables) > 1
                known = parts[0] if of == [None] else parts[0][parts[0]["subset"].isin(of)]
                # As in values, clips of a video count together.
                share = known.groupby("video")["share"].mean().mean()
                chance = 0.0 if difference else 0.5 if score.endswith("auroc") else share
                low, high = mean_interval(values, share=not difference)
                tested = difference or score.endswith("auroc")
                yield {
                    **dict(zip(ENTRY, key, strict=True)),
                    "subset": subset,
                    "map": name,
                    "measure": measure,
                    "value": values.mean(),
                    "ci_low": low,
                    "ci_high": high,
                    "chance": chance,
                    "p_value": mean_p_value(values - chance) if tested else np.nan,
                    "n_units": values.shape[1],
                    "n_seeds": values.shape[0],
                }


def _by_unit(rows: pd.DataFrame, subset: str | None, score: str, unit: str) -> pd.DataFrame:
    """Means as a table of seeds by groups or videos; those without a value for every seed are left out."""
    rows = rows if subset is None else rows[rows["subset"] == subset]
    return rows.pivot_table(index="seed", columns=unit, values=score).dropna(axis=1)


def _combined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """One table's values, the difference of two, or of two pairs' differences, of the groups or videos that all have."""
    common = tables[0].columns
    for other in tables[1:]:
        common = common.intersection(other.columns)
    values = [one[common].astype(float) for one in tables]
    if len(values) == 4:
        return (values[0] - values[1]) - (values[2] - values[3])
    return values[0] - values[1] if len(values) == 2 else values[0]
