"""What interventions change."""

from __future__ import annotations

import pandas as pd

from ...statistics import adjust_p_values, mean_interval, mean_p_value
from ...tables import Figure, table

KEYS = ["model", "intervention", "measure", "method"]
NONE = "none"


@table(
    "interventions",
    part="checks",
    title="Motion or appearance, by intervention",
    meaning="What the network answers, and how well explanations lie on the evidence, when clips stand still, are shuffled or reversed, and, where masks are known, when the background or the evidence is hidden, frozen or exchanged with another class's.",
    columns="""
    model
    intervention: none; frozen (the middle frame all the time), shuffled, reversed; background_filled, evidence_filled (hidden under the input mean); path_filled (all that the evidence ever covers, in all frames: no outline moves), mirrored_path_filled (the same on the other side of the frame, except the evidence); background_frozen (the evidence moves over the middle frame's background); background_exchanged (over another class's clip, whose evidence is hidden); evidence_exchanged (another class's evidence over the clip, whose own is hidden)
    measure: accuracy; other_accuracy (answers of the other clip's class); probability (of the clip's class); auroc (of a map for the clip's class, on its evidence)
    method: explainer of the auroc
    value: mean over clips
    ci_low, ci_high
    difference: less that without intervention, of the same videos
    difference_ci_low: lower end of its 95 % interval, over videos and seeds
    difference_ci_high: upper end of its 95 % interval
    p_value
    p_adjusted: corrected over the table, by Benjamini and Hochberg
    n_videos, n_seeds
    """,
    inputs={"scores": "intervention_scores"},
    figure=Figure("interventions_figure", {"table": "interventions"}),
)
def interventions_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Means under every intervention, and what it changes.

    Parameters
    ----------
    scores : DataFrame
        model, seed, video (and group), and the columns of `voxplain.checks.interventions.compute.intervene`.

    Returns
    -------
    DataFrame
        As the table's entry says. Videos, or groups of them, are the units.
    """
    unit = "group" if "group" in scores else "video"
    rows = []
    for (model, measure, method), group in scores.groupby(["model", "measure", "method"], sort=False):
        by_name = {
            name: own.pivot_table(index="seed", columns=unit, values="value", sort=True)
            for name, own in group.groupby("intervention", sort=False)
        }
        before = by_name.get(NONE)
        for name, values in by_name.items():
            low, high = mean_interval(values.to_numpy(), share=True)
            row = dict(zip(KEYS, (model, name, measure, method), strict=True))
            row |= {"value": values.to_numpy().mean(), "ci_low": low, "ci_high": high}
            if before is not None and name != NONE:
                change = (values - before[values.columns]).to_numpy()
                low, high = mean_interval(change)
                row |= {"difference": change.mean(), "difference_ci_low": low, "difference_ci_high": high}
                row["p_value"] = mean_p_value(change)
            row["n_videos"] = group.loc[group["intervention"] == name, "video"].nunique()
            rows.append(row | {"n_seeds": len(values)})
    found = pd.DataFrame(rows).reindex(columns=COLUMNS)
    found["p_adjusted"] = adjust_p_values(found["p_value"].to_numpy(dtype=float))
    return found


COLUMNS = [
    *KEYS, "value", "ci_low", "ci_high", "difference", "difference_ci_low", "difference_ci_high", "p_value", "p_adjusted",
    "n_videos", "n_seeds",
]  # fmt: skip
