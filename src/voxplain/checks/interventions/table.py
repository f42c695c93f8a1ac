"""What interventions change."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ...editing import reverse_of
from ...motion.controls import is_control
from ...motion.tables import of_groups
from ...statistics import adjust_p_values, mean_interval, mean_p_value
from ...streams import stream
from ...tables import Figure, table

KEYS = ["model", "subset", "intervention", "measure", "method"]
NONE, ALL = "none", "all"
ANSWERS = ("accuracy", "other_accuracy")


@table(
    "interventions",
    part="checks",
    title="Motion or appearance, by intervention",
    meaning="What the network answers, and how well explanations lie on the evidence, when clips stand still, are shuffled or reversed, and, where masks are known, when the background or the evidence is hidden, frozen or exchanged with another class's.",
    columns="""
    model
    subset: of the videos: all, or one subset of the video table
    intervention: none; frozen (the middle frame all the time), shuffled, reversed; gray (without color); background_filled, evidence_filled (hidden under the input mean); path_filled (all that the evidence ever covers, in all frames: no outline moves), mirrored_path_filled (the same on the other side of the frame, except the evidence: less, where the path reaches the middle; see hidden); background_frozen (the evidence moves over the middle frame's background); background_exchanged (over another class's clip, whose evidence is hidden); evidence_exchanged (another class's evidence over the clip, whose own is hidden); evidence_added (over the clip, behind its own)
    measure: accuracy; other_accuracy (answers of the other clip's class); probability (of the clip's class); hidden (share of the clip's voxels that a fill hides); auroc (of a map for the clip's class, on its evidence); class_auroc (where both classes' evidence is seen: of a class's map on its own evidence against the other's, mean of both classes; 0.5 for whatever is the same for both). Of maps, positive relevance counts
    method: of both AUROCs: explainer, or a control that knows the pixels of what is shown and no network (control_saturation and so on), or the network and no class (control_activation); of class_auroc also control_activation_answer (the activation's norm for the class of the two that the network prefers, and the other way round for the other) and control_activation_answer_NAME (that, averaged over the supervoxels that the explainer NAME explains by)
    value: mean over videos
    ci_low, ci_high
    difference: less that without intervention, of the same videos
    difference_ci_low: lower end of its 95 % interval, over videos and seeds
    difference_ci_high: upper end of its 95 % interval
    p_value: that the difference is 0; of class_auroc, that it is 0.5: the greater of two, over videos and seeds, and with the classes' maps exchanged among the classes (10,000 draws, the same for all videos of a network), since maps of a random head lie on one class's evidence or another's by chance, in all its videos alike
    p_adjusted: corrected over the table, by Benjamini and Hochberg
    best_control: of an explainer's AUROC: the control of the greatest, of the same clips and intervention; with _least after it read from its least value on
    control_difference: AUROC less that of best_control, which is chosen by the same videos, so that the difference errs against the explainer
    control_difference_ci_low: lower end of its 95 % interval
    control_difference_ci_high: upper end of its 95 % interval
    control_p_value: that control_difference is 0, not corrected
    n_videos, n_units, n_seeds
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
    rows = []
    for subset, model, measure, group, by_name in _by_name(scores):
        videos = group.groupby("intervention")["video"].nunique()
        for (method, name), known in by_name.items():
            values = of_groups(known, group)
            low, high = mean_interval(values, share=True)
            row = dict(zip(KEYS, (model, subset, name, measure, method), strict=True))
            row |= {"value": _mean(values), "ci_low": low, "ci_high": high}
            before = by_name.get((method, NONE))
            if before is not None and name != NONE:
                change = of_groups(known - before.reindex_like(known), group)
                low, high = mean_interval(change, change=measure in ANSWERS)
                row |= {"difference": _mean(change), "difference_ci_low": low, "difference_ci_high": high}
                row["p_value"] = mean_p_value(change)
            if measure == "class_auroc":
                own = group[(group["method"] == method) & (group["intervention"] == name)]
                p_values = [mean_p_value(values - 0.5)]
                p_values += [] if is_control(method) else [exchanged_p_value(own)]
                row["p_value"] = np.max(p_values)
            if method and not is_control(method):
                row |= _beside_best(known, _controls(by_name, name), group)
            rows.append(
                row | {"n_videos": int(videos[name]), "n_units": values.shape[1], "n_seeds": len(known)}
            )
    found = pd.DataFrame(rows).reindex(columns=COLUMNS)
    found["p_adjusted"] = adjust_p_values(found["p_value"].to_numpy(dtype=float))
    return found


@table(
    "interventions_controls",
    part="checks",
    title="Maps under every intervention, beside each control",
    meaning="What an explainer's AUROC of interventions has beyond each control's, of the same clips and intervention.",
    columns="""
    model
    subset: as in interventions
    intervention: as in interventions
    measure: auroc or class_auroc, as in interventions
    method: explainer
    control: as the methods of interventions; with _least after it read from its least value on
    value: the explainer's, mean over the videos that both have
    control_value: the control's
    difference: value less control_value
    ci_low, ci_high
    p_value: that the difference is 0
    p_adjusted: corrected over the table, by Benjamini and Hochberg
    n_videos, n_units, n_seeds
    """,
    inputs={"scores": "intervention_scores"},
)
def interventions_controls_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Paired differences of explainers' AUROCs from those of each control, parameters as for `interventions_table`.

    Returns
    -------
    DataFrame
        As the table's entry says. Videos, or groups of them, are the units.
    """
    rows = []
    for subset, model, measure, group, by_name in _by_name(scores):
        for (method, name), known in by_name.items():
            if not method or is_control(method):
                continue
            for control, other in _controls(by_name, name).items():
                other = other.reindex_like(known)
                both = (known + other).notna()
                mine, its, beyond = (
                    of_groups(one.where(both), group) for one in (known, other, known - other)
                )
                low, high = mean_interval(beyond)
                keys = (model, subset, name, measure, method, control)
                row = dict(zip([*KEYS, "control"], keys, strict=True))
                row |= {"value": _mean(mine), "control_value": _mean(its), "difference": _mean(beyond)}
                row |= {"ci_low": low, "ci_high": high, "p_value": mean_p_value(beyond)}
                videos = int(both.all(axis=0).sum())
                rows.append(row | {"n_videos": videos, "n_units": beyond.shape[1], "n_seeds": len(known)})
    found = pd.DataFrame(rows).reindex(columns=BESIDE)
    found["p_adjusted"] = adjust_p_values(found["p_value"].to_numpy(dtype=float))
    return found


def _by_name(
    scores: pd.DataFrame,
) -> Iterator[tuple[str, str, str, pd.DataFrame, dict[tuple[str, str], pd.DataFrame]]]:
    """For each subset, network and measure: its rows, and (seeds, videos) by method and intervention."""
    scores = _with_class_auroc(scores)
    subsets = {ALL: scores}
    if "subset" in scores and scores["subset"].nunique() > 1:
        subsets |= dict(list(scores.groupby("subset")))
    for subset, part in subsets.items():
        for (model, measure), group in part.groupby(["model", "measure"], sort=False):
            by_name = {
                key: own.pivot_table(index="seed", columns="video", values="value", sort=True, dropna=False)
                for key, own in group.groupby(["method", "intervention"], sort=False)
            }
            yield subset, model, measure, group, by_name


def _mean(values: np.ndarray) -> float:
    known = values[:, ~np.isnan(values).any(axis=0)]
    return float(known.mean()) if known.size else np.nan


def _with_class_auroc(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores in which class_auroc is one row per clip, in place of one per class that was explained.

    Its `value` is the mean of a class's map on its own evidence and the other's on its own; `by_class` maps each class to what
    its map has on the clip's own evidence.
    """
    mine = scores["measure"] == "class_auroc"
    if not mine.any():
        return scores
    keys = [name for name in scores if name not in ("explained", "value")]
    rows = []
    for key, part in scores[mine].groupby(keys, sort=False, dropna=False):
        row = dict(zip(keys, key, strict=True))
        by_class = dict(zip(part["explained"], part["value"], strict=True))
        value = 0.5 + (by_class[row["class"]] - by_class[row["other_class"]]) / 2
        rows.append(row | {"value": value, "by_class": by_class})
    return pd.concat([scores[~mine], pd.DataFrame(rows)], ignore_index=True)


def exchanged_p_value(clips: pd.DataFrame, draws: int = 10_000) -> float:
    """Two-sided p-value of a method's class AUROC, by exchanging the classes' maps among the classes.

    A network's maps lie on some class's evidence and not on another's for reasons that need not be the class: those of
    a random head do, in all clips alike. If a map's class says nothing of where it lies, any assignment of maps to classes is as
    likely as the right one. It is one assignment for all clips of a network, and drawn for each network apart.

    Parameters
    ----------
    clips : DataFrame
        seed, video, class, other_class, by_class (see `_with_class_auroc`), a row per clip. Videos count alike.

    Returns
    -------
    float in (0, 1]; NaN where a class's map is missing on some clip.
    """
    rng = stream(0, "exchanged_p_value")
    shifted, found = np.zeros(draws), 0.0
    for _, rows in clips.groupby("seed", sort=True):
        rows = rows[rows["value"].notna()]
        weights = 1 / rows.groupby("video")["video"].transform("size").to_numpy()
        weights = weights / weights.sum() / clips["seed"].nunique()
        for block in _blocks(rows):
            of_block = rows["class"].isin(block).to_numpy()
            part, weight = rows[of_block], weights[of_block]
            table = np.array(
                [[by_class.get(name, np.nan) for name in block] for by_class in part["by_class"]]
            )
            own, other = (part[name].map(block.index).to_numpy() for name in ("class", "other_class"))
            order = rng.permuted(np.tile(np.arange(len(block)), (draws, 1)), axis=1)
            line = np.arange(len(part))
            found += weight @ (table[line, own] - table[line, other])
            shifted += (table[line, order[:, own]] - table[line, order[:, other]]) @ weight
    if np.isnan(shifted).any() or np.isnan(found):
        return np.nan
    beyond = np.abs(shifted) >= np.abs(found) - 1e-12
    return float((1 + beyond.sum()) / (1 + draws))


def _blocks(rows: pd.DataFrame) -> list[list[str]]:
    """Classes whose maps were drawn on the same clips."""
    return [list(names) for names in sorted({tuple(sorted(by_class)) for by_class in rows["by_class"]})]


def _controls(by_name: dict[tuple[str, str], pd.DataFrame], name: str) -> dict[str, pd.DataFrame]:
    """Controls of an intervention, read in either direction."""
    controls = {
        method: known for (method, its), known in by_name.items() if its == name and is_control(method)
    }
    return controls | {reverse_of(method): 1 - known for method, known in controls.items()}


def _beside_best(
    table: pd.DataFrame, controls: dict[str, pd.DataFrame], rows: pd.DataFrame
) -> dict[str, str | float]:
    """What an explainer has beyond the best control of the same clips."""
    if not controls:
        return {}
    best = max(controls, key=lambda control: _mean(of_groups(controls[control], rows)))
    beyond = of_groups(table - controls[best].reindex_like(table), rows)
    low, high = mean_interval(beyond)
    return {
        "best_control": best, "control_difference": _mean(beyond), "control_difference_ci_low": low,
        "control_difference_ci_high": high, "control_p_value": mean_p_value(beyond),
    }  # fmt: skip


COLUMNS = [
    *KEYS, "value", "ci_low", "ci_high", "difference", "difference_ci_low", "difference_ci_high", "p_value", "p_adjusted",
    "best_control", "control_difference", "control_difference_ci_low", "control_difference_ci_high", "control_p_value",
    "n_videos", "n_units", "n_seeds",
]  # fmt: skip
BESIDE = [
    *KEYS, "control", "value", "control_value", "difference", "ci_low", "ci_high", "p_value", "p_adjusted", "n_videos",
    "n_units", "n_seeds",
]  # fmt: skip
