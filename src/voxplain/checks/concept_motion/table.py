"""How much of every concept moves, and how much relevance falls into it."""

from __future__ import annotations

import pandas as pd

from ...statistics import group_values
from ...tables import Figure, table
from ..tables import CONCEPT, mean_of

SHARES = ["volume_share", "moving_share", "relevance_share", "selective_share"]


@table(
    "concept_motion",
    part="checks",
    title="Concepts and motion",
    meaning="How much of each concept moves, and how much of each explainer's relevance and of its selective part "
    "falls into it.",
    columns="""
    model, seed, layer, class, concept
    score: as in concept_scores
    effect: as in concept_scores
    rank, method
    volume_share: share of the clip's voxels that are the concept's, mean over videos
    volume_share_ci_low: lower end of its 95 % interval; units are videos, or their groups, that have the share, here and below
    volume_share_ci_high: upper end of its 95 % interval
    moving_share: share of the concept's voxels that move
    moving_share_ci_low: lower end of its 95 % interval
    moving_share_ci_high: upper end of its 95 % interval
    relevance_share: share of the clip's relevance that lies in the concept
    relevance_share_ci_low: lower end of its 95 % interval
    relevance_share_ci_high: upper end of its 95 % interval
    selective_share: share of the clip's selected relevance that lies in the concept
    selective_share_ci_low: lower end of its 95 % interval
    selective_share_ci_high: upper end of its 95 % interval
    n_videos
    """,
    inputs={"shares": "concept_clip_motion", "scores": "scored_concepts"},
    needs=["common_clips"],
    figure=Figure("concept_motion_figure", {"table": "concept_motion"}),
)
def concept_motion_table(shares: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """How much of every concept moves, and how much of each explainer's relevance falls into it.

    Parameters
    ----------
    shares : DataFrame
        CONCEPT, video, clip and the columns of `voxplain.checks.concept_motion.compute.concept_shares`.
    scores : DataFrame
        CONCEPT, score, effect, rank.

    Returns
    -------
    DataFrame
        CONCEPT, score, effect, rank, method, and for each share its mean over videos (those that have the share;
        a concept that a video lacks has no moving_share in it) with _ci_low and _ci_high (95 %, over videos or their groups),
        n_videos.
    """
    keys, rows = [*CONCEPT, "method"], []
    for key, group in shares.groupby(keys, sort=True):
        values = group.groupby("video", sort=True)[SHARES].mean()
        groups = group.groupby("video", sort=True)["group"].first() if "group" in group else values.index
        row = dict(zip(keys, key, strict=True))
        for name in SHARES:
            there = values[name].notna().to_numpy()
            row |= mean_of(name, group_values(values[name][there], groups[there]))
        rows.append({**row, "n_videos": len(values)})
    table = scores[[*CONCEPT, "score", "effect", "rank"]].merge(pd.DataFrame(rows), on=CONCEPT)
    return table.sort_values(["model", "seed", "layer", "class", "rank", "method"], ignore_index=True)
