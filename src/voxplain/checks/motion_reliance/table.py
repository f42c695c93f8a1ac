"""Classes by how far the network relies on motion."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...statistics import row_taus
from ...tables import Figure, table
from ..tables import CONCEPT, by_unit, mean_of

OF_CLASS = ["reliance", "probability", "still", "moving_share"]  # whatever the explainer


@table(
    "motion_reliance",
    part="checks",
    title="Reliance on motion",
    meaning="Classes ranked by how much of their probability is lost when the clip stands still.",
    columns="""
    model, class, method
    reliance: probability minus still, mean over videos and seeds
    reliance_ci_low: lower end of its 95 % interval; units are videos of the class, and seeds, here and below
    reliance_ci_high: upper end of its 95 % interval
    probability: of the class
    probability_ci_low: lower end of its 95 % interval
    probability_ci_high: upper end of its 95 % interval
    still: probability of the class when the clip stands still
    still_ci_low: lower end of its 95 % interval
    still_ci_high: upper end of its 95 % interval
    moving_share: share of voxels that move
    moving_share_ci_low: lower end of its 95 % interval
    moving_share_ci_high: upper end of its 95 % interval
    relevance_on_motion: share of the relevance that lies where something moves
    relevance_on_motion_ci_low: lower end of its 95 % interval
    relevance_on_motion_ci_high: upper end of its 95 % interval
    concept_tau: Kendall's tau between the effects and the moving shares of the class's concepts
    n_videos, n_seeds
    rank: 1 relies most on motion
    """,
    inputs={"clips": "clip_motion", "concepts": "concept_motion"},
    needs=["common_clips"],
    figure=Figure("motion_reliance_figure", {"table": "motion_reliance"}),
)
def motion_reliance_table(clips: pd.DataFrame, concepts: pd.DataFrame) -> pd.DataFrame:
    """Classes by how far the network relies on motion.

    Parameters
    ----------
    clips : DataFrame
        model, seed, class, video, clip, probability, still (the probability of the clip standing still),
        and the columns of `voxplain.checks.concept_motion.compute.motion_shares`.
    concepts : DataFrame
        As from `concept_motion_table`.

    Returns
    -------
    DataFrame
        model, class, method, reliance (probability minus still), probability, still, moving_share and
        relevance_on_motion, each with _ci_low and _ci_high (95 %, over videos and seeds), concept_tau (Kendall's
        tau between the effects and the moving shares of the class's concepts at the model's first layer, mean
        over seeds), n_videos, n_seeds, rank (1 relies most).
    """
    clips = clips.assign(reliance=clips["probability"] - clips["still"])
    rows = []
    for (model, class_name), group in clips.groupby(["model", "class"], sort=True):
        place, row = {"model": model, "class": class_name}, {}
        first = group[group["method"] == group["method"].iloc[0]]
        for name in OF_CLASS:
            row |= mean_of(name, by_unit(first, "video", name))
        mine = concepts[(concepts["model"] == model) & (concepts["class"] == class_name)]
        # Once for every explainer.
        mine = mine.drop_duplicates(CONCEPT)
        taus = [_tau(part["effect"], part["moving_share"]) for _, part in mine.groupby(["seed", "layer"])]
        row["concept_tau"] = np.nanmean(taus) if np.isfinite(taus).any() else np.nan
        row |= {"n_videos": first["video"].nunique(), "n_seeds": first["seed"].nunique()}
        for method, own in group.groupby("method", sort=True):
            values = by_unit(own, "video", "relevance_on_motion")
            rows.append({**place, "method": method, **row, **mean_of("relevance_on_motion", values)})
    table = pd.DataFrame(rows)
    ranks = table.groupby(["model", "method"])["reliance"].rank(ascending=False, method="min")
    table = table.assign(rank=ranks.astype(int))
    return table.sort_values(["model", "rank", "class", "method"], ignore_index=True)


def _tau(a: np.ndarray, b: np.ndarray) -> float:
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    known = ~(np.isnan(a) | np.isnan(b))
    return float(row_taus(a[known][None], b[known])[0]) if known.sum() > 1 else np.nan
