"""What interventions change."""

from __future__ import annotations

import pandas as pd

from ...editing import reverse_of
from ...motion.controls import is_control
from ...statistics import adjust_p_values, mean_interval, mean_p_value
from ...tables import Figure, table

KEYS = ["model", "subset", "intervention", "measure", "method"]
NONE, ALL = "none", "all"


@table(
    "interventions",
    part="checks",
    title="Motion or appearance, by intervention",
    meaning="What the network answers, and how well explanations lie on the evidence, when clips stand still, are shuffled or reversed, and, where masks are known, when the background or the evidence is hidden, frozen or exchanged with another class's.",
    columns="""
    model
    subset: of the videos: all, or one subset of the video table
    intervention: none; frozen (the middle frame all the time), shuffled, reversed; gray (without color); background_filled, evidence_filled (hidden under the input mean); path_filled (all that the evidence ever covers, in all frames: no outline moves), mirrored_path_filled (the same on the other side of the frame, except the evidence); background_frozen (the evidence moves over the middle frame's background); background_exchanged (over another class's clip, whose evidence is hidden); evidence_exchanged (another class's evidence over the clip, whose own is hidden); evidence_added (over the clip, behind its own)
    measure: accuracy; other_accuracy (answers of the other clip's class); probability (of the clip's class); auroc (of a map for the clip's class, on its evidence); class_auroc (where both classes' evidence is seen: of a class's map on its own evidence against the other's, mean of both classes; 0.5 for whatever is the same for both)
    method: of both AUROCs: explainer, or a control that knows the pixels of what is shown and no network (control_saturation and so on), or the network and no class (control_activation)
    value: mean over clips
    ci_low, ci_high
    difference: less that without intervention, of the same videos
    difference_ci_low: lower end of its 95 % interval, over videos and seeds
    difference_ci_high: upper end of its 95 % interval
    p_value: that the difference is 0; of class_auroc, that it is 0.5
    p_adjusted: corrected over the table, by Benjamini and Hochberg
    best_control: of an explainer's auroc: the control of the greatest auroc, of the same clips and intervention; with _least after it read from its least value on
    control_difference: auroc less that of best_control, which is chosen by the same videos, so that the difference errs against the explainer
    control_difference_ci_low: lower end of its 95 % interval
    control_difference_ci_high: upper end of its 95 % interval
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
        model, seed, video (and group, and subset), and the columns of `voxplain.checks.interventions.compute.intervene`.

    Returns
    -------
    DataFrame
        As the table's entry says. Videos, or groups of them, are the units.
    """
    unit = "group" if "group" in scores else "video"
    subsets = {ALL: scores}
    if "subset" in scores and scores["subset"].nunique() > 1:
        subsets |= dict(list(scores.groupby("subset")))
    rows = []
    for subset, part in subsets.items():
        for (model, measure), group in part.groupby(["model", "measure"], sort=False):
            by_name = {
                key: own.pivot_table(index="seed", columns=unit, values="value", sort=True)
                for key, own in group.groupby(["method", "intervention"], sort=False)
            }
            videos = group.groupby("intervention")["video"].nunique()
            for (method, name), values in by_name.items():
                low, high = mean_interval(values.to_numpy(), share=True)
                row = dict(zip(KEYS, (model, subset, name, measure, method), strict=True))
                row |= {"value": values.to_numpy().mean(), "ci_low": low, "ci_high": high}
                before = by_name.get((method, NONE))
                if before is not None and name != NONE:
                    change = (values - before[values.columns]).to_numpy()
                    low, high = mean_interval(change)
                    row |= {"difference": change.mean(), "difference_ci_low": low, "difference_ci_high": high}
                    row["p_value"] = mean_p_value(change)
                if measure == "class_auroc":
                    row["p_value"] = mean_p_value(values.to_numpy() - 0.5)
                elif method and not is_control(method):
                    row |= _beside_controls(values, name, by_name)
                rows.append(row | {"n_videos": int(videos[name]), "n_seeds": len(values)})
    found = pd.DataFrame(rows).reindex(columns=COLUMNS)
    found["p_adjusted"] = adjust_p_values(found["p_value"].to_numpy(dtype=float))
    return found


def _beside_controls(
    values: pd.DataFrame, name: str, by_name: dict[tuple[str, str], pd.DataFrame]
) -> dict[str, str | float]:
    """What an explainer has beyond the best control of the same clips, read in either direction."""
    controls = {
        method: known for (method, its), known in by_name.items() if its == name and is_control(method)
    }
    controls |= {reverse_of(method): 1 - known for method, known in controls.items()}
    if not controls:
        return {}
    best = max(controls, key=lambda method: controls[method].to_numpy().mean())
    beyond = (values - controls[best][values.columns]).to_numpy()
    low, high = mean_interval(beyond)
    return {
        "best_control": best, "control_difference": beyond.mean(), "control_difference_ci_low": low,
        "control_difference_ci_high": high,
    }  # fmt: skip


COLUMNS = [
    *KEYS, "value", "ci_low", "ci_high", "difference", "difference_ci_low", "difference_ci_high", "p_value", "p_adjusted",
    "best_control", "control_difference", "control_difference_ci_low", "control_difference_ci_high", "n_videos", "n_seeds",
]  # fmt: skip
