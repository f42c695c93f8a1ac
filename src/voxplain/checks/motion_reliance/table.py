"""Classes by how far the network relies on motion."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...statistics import bootstrap_interval, row_taus
from ...tables import Figure, table


@table(
    "motion_reliance",
    part="checks",
    title="Reliance on motion",
    meaning="Classes ranked by how much of their probability is lost when the clip stands still.",
    columns="""
    model, class
    reliance: probability minus still, mean over videos and seeds
    reliance_low: lower end of its 95 % interval
    reliance_high: upper end of its 95 % interval
    probability: of the class
    probability_low: lower end of its 95 % interval
    probability_high: upper end of its 95 % interval
    still: probability of the class when the clip stands still
    still_low: lower end of its 95 % interval
    still_high: upper end of its 95 % interval
    moving_share: share of voxels that move
    moving_share_low: lower end of its 95 % interval
    moving_share_high: upper end of its 95 % interval
    relevance_on_motion_<explainer>: share of the relevance that lies where something moves
    relevance_on_motion_<explainer>_low: lower end of its 95 % interval
    relevance_on_motion_<explainer>_high: upper end of its 95 % interval
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
        and the shares of `voxplain.checks.concept_motion.compute.motion_shares`.
    concepts : DataFrame
        As from `concept_motion_table`.

    Returns
    -------
    DataFrame
        model, class, reliance (probability minus still), moving_share and relevance_on_motion_NAME, each with
        _low and _high (95 %, bootstrap over videos), concept_tau (Kendall's tau between the effects and the
        moving shares of the class's concepts at the model's first layer, mean over seeds), rank (1 relies
        most), n_videos, n_seeds.
    """
    clips = clips.assign(reliance=clips["probability"] - clips["still"])
    columns = ["reliance", "probability", "still"]
    columns += [
        name for name in clips.columns if name == "moving_share" or name.startswith("relevance_on_motion_")
    ]
    rows = []
    for (model, label), group in clips.groupby(["model", "class"], sort=True):
        row = {"model": model, "class": label}
        for name in columns:
            values = group.pivot_table(index="seed", columns="video", values=name, aggfunc="mean").dropna(
                axis=1
            )
            low, high = bootstrap_interval(values.to_numpy())
            row |= {name: values.to_numpy().mean() if values.size else np.nan}
            row |= {f"{name}_low": low, f"{name}_high": high}
        mine = concepts[(concepts["model"] == model) & (concepts["class"] == label)]
        taus = [_tau(part["effect"], part["moving_share"]) for _, part in mine.groupby(["seed", "layer"])]
        row["concept_tau"] = np.nanmean(taus) if np.isfinite(taus).any() else np.nan
        rows.append({**row, "n_videos": group["video"].nunique(), "n_seeds": group["seed"].nunique()})
    table = pd.DataFrame(rows)
    table["rank"] = table.groupby("model")["reliance"].rank(ascending=False, method="min").astype(int)
    return table.sort_values(["model", "rank"], ignore_index=True)


def _tau(a: np.ndarray, b: np.ndarray) -> float:
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    known = ~(np.isnan(a) | np.isnan(b))
    return float(row_taus(a[known][None], b[known])[0]) if known.sum() > 1 else np.nan
