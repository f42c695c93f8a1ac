"""Which method notices which randomization."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ...statistics import auroc, mean_interval, mean_p_value, rank_correlation, ratio_values
from ...tables import Figure, table
from ..concept_ground_truth.table import MOSTLY
from ..tables import CONCEPT, by_unit, mean_of, pair_values
from . import BASELINE, INTACT

PLACE = ["model", "check", "part", "depth", "method"]


@table(
    "randomization",
    part="checks",
    title="Randomization",
    meaning="Whether scores and maps notice that weights, targets, supervoxels or directions are random.",
    columns="""
    model
    check: what is random: weights, shuffled_targets, random_directions, random_supervoxels; baseline: nothing is, and maps of the intact network are compared with each other
    part: the last part whose weights are random, from the top; none: intact. Of the baseline: unrelated (another clip's map) or negated (the map times -1)
    depth: groups of weights that are random
    method: concept_score or an explainer
    measure: spearman (rank correlation; of maps, 0 where one of the two is constant) and ssim (structural similarity) with what the intact network gives; actor_auroc (probability that a concept on the actor ranks above one that is not, mean over classes that have both); accuracy_gap
    value: mean over units and draws
    ci_low: lower end of its 95 % interval; units are clips for maps, classes for concepts and gaps. With one seed it is of this network over units and draws (over units alone for one draw), with several over units and seeds
    ci_high: upper end of its 95 % interval
    unrelated: value where nothing relates the two: of maps, those of other clips; of ranks, 0; of actor_auroc, 0.5
    fall: value of the intact network less value, paired by unit and draw; a map's likeness to itself is 1
    fall_ci_low: lower end of its 95 % interval; units as of value
    fall_ci_high: upper end of its 95 % interval
    left: share that is left of what the intact network's value has above unrelated; 1: as if nothing were random, 0: as if nothing related the two
    left_ci_low: lower end of its 95 % interval; units as of value
    left_ci_high: upper end of its 95 % interval
    left_p_value: two-sided, that left is the limit; not corrected
    notices: true where the whole interval of fall is above 0 and that of left below the limit; false where that of left is above the limit; empty where neither is told, as with few units, and where nothing is random. Of accuracy_gap: true where its interval is on the right side of 0, false on the wrong one
    verdict: of all measures of the method: true where each notices, false where one does not, else empty
    n_units: classes or clips
    n_draws: random networks, other classes or sets of directions, of each seed
    n_seeds
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

    A method that explains the network is on a random one no more like itself than unrelated explanations are. So
    what counts is `left`, the share of the likeness above that of unrelated ones that is left, and whether its whole
    interval lies on one side of `limit`: few data tell neither that a method notices nor that it does not.

    Parameters
    ----------
    scores : DataFrame
        model, seed, layer, check, part, depth, draw, class, concept, derivative, rank, and rank_run, the rank that
        the run itself gave; with part "none" for the intact network looked at anew.
    maps : DataFrame
        model, seed, depth, and the columns of `voxplain.checks.randomization.compute.compare_maps`.
    gaps : DataFrame
        The table concept_gaps.
    shares : DataFrame or None
        model, seed, layer, variant, class, concept, actor: of the run's own concepts (variant ``run``); None where it is
        not known.
    limit : float

    Returns
    -------
    DataFrame : a row per `PLACE` and measure
    """
    found = pd.concat([_orders(scores, shares), _likeness(maps)], ignore_index=True)
    rows = [
        dict(zip([*PLACE, "measure"], key, strict=True)) | _numbers(group, limit)
        for key, group in found.groupby([*PLACE, "measure"], sort=False)
    ]
    rows += [_gap(row) for row in gaps.itertuples() if (row.better, row.worse) == ("top", "random_volume")]
    table = pd.DataFrame(rows).astype({"notices": "boolean"})
    said = table.groupby(PLACE, sort=False)["notices"]
    lowest, told = said.transform("min"), said.transform("count") == said.transform("size")
    verdict = lowest.where(told | ~lowest.fillna(True).astype(bool))
    table.insert(table.columns.get_loc("notices") + 1, "verdict", verdict.astype("boolean"))
    return table.sort_values(["model", "method"], kind="stable", ignore_index=True)


def _orders(scores: pd.DataFrame, shares: pd.DataFrame | None) -> pd.DataFrame:
    """How an order of concepts agrees with the run's, and how it finds the actor, in each class.

    Returns
    -------
    DataFrame : PLACE, measure, seed, draw, unit, value, unrelated, intact (the value of the intact network)
    """
    if shares is not None:
        known = shares.loc[shares["variant"] == "run", [*CONCEPT, "actor"]]
        scores = scores.merge(known, on=CONCEPT, how="left")
    key = ["model", "check", "part", "depth", "seed", "draw", "class"]
    rows = []
    for place, group in scores.groupby(key, sort=False):
        row = dict(zip(key, place, strict=True)) | {"method": "concept_score", "unit": place[-1]}
        rank = group["rank"].to_numpy()
        value = rank_correlation(rank, group["rank_run"])
        rows.append(row | {"measure": "spearman", "value": value, "unrelated": 0.0})
        if shares is not None:
            there = group["actor"].notna().to_numpy()
            value = auroc(-rank[there], (group["actor"] > MOSTLY).to_numpy()[there])
            rows.append(row | {"measure": "actor_auroc", "value": value, "unrelated": 0.5})
    found = pd.DataFrame(rows)
    whole = found[(found["check"] == "weights") & (found["part"] == INTACT)]
    whole = whole.rename(columns={"value": "intact"})[["model", "measure", "seed", "unit", "intact"]]
    return found.merge(whole, on=["model", "measure", "seed", "unit"], how="left")


def _likeness(maps: pd.DataFrame) -> pd.DataFrame:
    """How alike maps are, of each clip: columns as of `_orders`; a map's likeness to itself is 1."""
    names = [*PLACE, "seed", "draw", "clip"]
    found = maps.melt(names, ["spearman", "ssim"], var_name="measure", value_name="value")
    found = found.rename(columns={"clip": "unit"})
    key = ["model", "method", "measure", "seed"]
    unrelated = (found["check"] == BASELINE) & (found["part"] == "unrelated")
    means = found[unrelated].groupby([*key, "unit"], as_index=False)["value"].mean()
    # Each pair of clips is in the means of both.
    means["value"] = means.groupby(key)["value"].transform(pair_values)
    pairs = (
        found[unrelated].drop_duplicates([*key, "unit"]).drop(columns="value").merge(means, on=[*key, "unit"])
    )
    found = pd.concat([found[~unrelated], pairs.assign(draw=0)])
    means = means.rename(columns={"value": "unrelated"})
    return found.merge(means, on=[*key, "unit"], how="left").assign(intact=1.0)


def _numbers(group: pd.DataFrame, limit: float) -> dict[str, Any]:
    """Columns of one row, from the values of its seeds, draws and units."""
    random = group["part"].iloc[0] != INTACT and group["check"].iloc[0] != BASELINE
    group = group.dropna(subset=["value", "unrelated", "intact"] if random else ["value"])
    values = by_unit(group, "unit", "value")
    found, fall, left = mean_of("value", values), np.empty((1, 0)), np.empty((1, 0))
    if random:
        intact, unrelated = by_unit(group, "unit", "intact"), by_unit(group, "unit", "unrelated")
        fall = intact - values
        if mean_interval(intact - unrelated)[0] > 0:  # else the intact network has nothing that could be left
            left = ratio_values(values - unrelated, intact - unrelated)
    row = {"value": found["value"], "ci_low": found["value_ci_low"], "ci_high": found["value_ci_high"]}
    row |= {"unrelated": group["unrelated"].mean() if random else np.nan}
    row |= mean_of("fall", fall) | mean_of("left", left)
    row["left_p_value"] = mean_p_value(left - limit)
    told = {False: row["left_ci_low"] > limit, True: row["left_ci_high"] < limit and row["fall_ci_low"] > 0}
    row["notices"] = next((notices for notices, so in told.items() if so), None)
    draws, seeds = group["draw"].nunique(), group["seed"].nunique()
    return row | {"n_units": values.shape[1], "n_draws": draws, "n_seeds": seeds}


def _gap(row: Any) -> dict[str, Any]:
    """A row of concept_gaps: most important concepts against supervoxels of as much volume."""
    sign = 1 if row.experiment == "concept_addition" else -1
    low, high = sorted((sign * row.ci_low, sign * row.ci_high))
    found = {"value": row.gap, "ci_low": row.ci_low, "ci_high": row.ci_high}
    return {
        "model": row.model,
        "check": "random_supervoxels",
        "part": row.experiment,
        "depth": 0,
        "method": "concept_score",
        "measure": "accuracy_gap",
        **found,
        "notices": True if low > 0 else False if high < 0 else None,
        "n_units": row.n_classes,
        "n_draws": 1,
        "n_seeds": row.n_seeds,
    }
