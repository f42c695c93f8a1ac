"""Which method notices which randomization."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ...statistics import auroc, bootstrap_interval, grouped_interval, rank_correlation
from ...tables import Figure, table
from ..concept_ground_truth.table import MOSTLY
from . import INTACT


@table(
    "randomization",
    part="checks",
    title="Randomization",
    meaning="Whether scores and maps notice that weights, targets, supervoxels or directions are random.",
    columns="""
    model
    check: what is random: weights, shuffled_targets, random_directions, random_supervoxels
    part: the last part whose weights are random, from the top; none: intact
    depth: groups of weights that are random
    method: concept_score or an explainer
    measure: spearman, ssim, actor_auroc or accuracy_gap
    value: likeness to what the intact network gives
    ci_low, ci_high
    notices: whether the method notices; empty where nothing is random
    n_units: classes, clips or videos
    n_draws: random networks, other classes or sets of directions
    """,
    inputs={
        "scores": "randomized_scores",
        "maps": "map_similarity",
        "gaps": "concept_gaps",
        "shares": "matched_concepts",
    },
    options={"limit": "checks.limit"},
    figure=Figure("randomization_figure", {"table": "randomization"}),
)
def randomization_table(
    scores: pd.DataFrame,
    maps: pd.DataFrame,
    gaps: pd.DataFrame,
    shares: pd.DataFrame | None,
    *,
    limit: float = 0.5,
) -> pd.DataFrame:
    """Which method notices which randomization.

    A method that explains the network is unlike itself on a random one. So a similarity is noticed where
    the whole interval lies below `limit`: too few data count against the method. For the order that should
    find the actor, noticed means that the interval reaches down to chance, 0.5; for random supervoxels in
    place of concepts, that the interval of the difference in accuracy lies on the right side of 0.

    Parameters
    ----------
    scores : DataFrame
        model, seed, layer, check, part, depth, draw, class, concept, derivative, rank, and rank_run, the rank that
        the run itself gave; with part "none" for the intact network looked at anew.
    maps : DataFrame
        model, seed, depth, and the columns of `compare_maps`.
    gaps : DataFrame
        The table concept_gaps.
    shares : DataFrame or None
        model, seed, layer, variant, class, concept, actor: of the run's own concepts (variant ``run``); None where it is
        not known.
    limit : float

    Returns
    -------
    DataFrame
        model, check, part, depth (groups of weights that are random), method (concept_score or an
        explainer), measure (spearman, ssim, actor_auroc, accuracy_gap), value, ci_low, ci_high (95 %),
        notices (missing where nothing is random), n_units (classes, clips or videos), n_draws.
    """
    rows: list[dict[str, Any]] = []
    concept = ["model", "seed", "layer", "class", "concept"]
    if shares is not None:
        shares = shares.loc[shares["variant"] == "run", [*concept, "actor"]]
    place = ["model", "check", "part", "depth"]
    for key, group in scores.groupby(place, sort=False):
        where = dict(zip(place, key, strict=True)) | {"method": "concept_score"}
        values = pd.DataFrame(
            [
                (f"{seed} {draw}", class_name, rank_correlation(rows_["rank"], rows_["rank_run"]))
                for (seed, draw, class_name), rows_ in group.groupby(["seed", "draw", "class"])
            ],
            columns=["draw", "unit", "value"],
        )
        rows.append(_similarity(where, "spearman", values, limit))
        if shares is not None:
            rows.append(_finds_actor(where, group.merge(shares, on=concept)))
    for key, group in maps.groupby([*place, "method"], sort=False):
        where = dict(zip([*place, "method"], key, strict=True))
        for measure in ("spearman", "ssim"):
            values = group.assign(
                draw=group["seed"].astype(str) + " " + group["draw"].astype(str), unit=group["clip"]
            )
            rows.append(_similarity(where, measure, values.rename(columns={measure: "value"}), limit))
    for row in gaps[(gaps["better"] == "top") & (gaps["worse"] == "random_volume")].itertuples():
        right = row.ci_low > 0 if row.experiment == "concept_addition" else row.ci_high < 0
        rows.append(
            {
                "model": row.model,
                "check": "random_supervoxels",
                "part": row.experiment,
                "depth": 0,
                "method": "concept_score",
                "measure": "accuracy_gap",
                "value": row.gap,
                "ci_low": row.ci_low,
                "ci_high": row.ci_high,
                "notices": bool(right),
                "n_units": row.n_videos,
                "n_draws": row.n_seeds,
            }
        )
    return pd.DataFrame(rows).astype({"notices": "boolean"}).sort_values(["model", "method"], kind="stable")


def _similarity(where: dict[str, Any], measure: str, values: pd.DataFrame, limit: float) -> dict[str, Any]:
    wide = values.pivot_table(index="draw", columns="unit", values="value").dropna(axis=1)
    low, high = bootstrap_interval(wide.to_numpy())
    # Of constant maps no correlation is known, and the method has not shown that it notices.
    return {
        **where,
        "measure": measure,
        "value": wide.to_numpy().mean() if wide.size else np.nan,
        "ci_low": low,
        "ci_high": high,
        "notices": None if where["part"] == INTACT else bool(high < limit),
        "n_units": wide.shape[1],
        "n_draws": wide.shape[0],
    }


def _finds_actor(where: dict[str, Any], group: pd.DataFrame) -> dict[str, Any]:
    values, positive = -group["rank"].to_numpy(), (group["actor"] > MOSTLY).to_numpy()
    draws = (group["seed"].astype(str) + " " + group["draw"].astype(str)).to_numpy()
    low, high = grouped_interval(auroc, [values, positive], [group["class"].to_numpy(), draws])
    return {
        **where,
        "measure": "actor_auroc",
        "value": auroc(values, positive),
        "ci_low": low,
        "ci_high": high,
        "notices": None if where["part"] == INTACT else bool(low <= 0.5),
        "n_units": group["class"].nunique(),
        "n_draws": len(np.unique(draws)),
    }
