"""Final tables of steering: what each concept's direction does, against what other directions do, and what agrees with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ...editing import reverse_of
from ...statistics import (
    adjust_p_values,
    chosen_p_value,
    group_values,
    mean_interval,
    mean_p_value,
    ratio_values,
    row_taus,
)
from ...tables import Figure, table, video_groups
from ..rankings import rankings

PLACE = ["model", "seed", "layer", "class"]
VERSION = ["space", "steering", "control", "norm"]
MEASURES = ["change_of_logit", "change_of_other_logits", "change_of_accuracy"]
SCORES = ("effect", "score", "derivative")


@table(
    "concept_steering",
    part="concepts",
    title="Steering by concepts",
    meaning="What changes in the network's answer when a concept's direction is removed from the layer's activation, or added to it, beside other directions and beside hiding and showing the concept's voxels.",
    columns="""
    model, seed, layer, class, concept, rank
    space: layer: the layer's activation is changed and the rest of the network run; pixels: the concept's voxels are hidden (removal) or shown alone on the fill (addition), which needs no direction
    steering: removal: what lies along the direction is set, at every position, to what random samples have; addition: all positions move by the way from random samples to the concept
    control: none: the concept itself; random_direction; random_concept: concepts of random videos; other_class: concepts of the same rank of other classes
    norm: own: as much as lies along the control's own direction, or its own way; matched: as much as the concept's, at every position, along the control's direction
    change_of_logit: of the class's logit, mean over clips and draws; pixels and addition: from the fill alone
    ci_low: lower end of its 95 % interval; units are videos of the class, or groups of them, and the control's directions are taken as given
    ci_high: upper end of its 95 % interval
    change_of_other_logits: of the other classes' logits, their mean
    change_of_other_logits_ci_low: lower end of its 95 % interval
    change_of_other_logits_ci_high: upper end of its 95 % interval
    change_of_accuracy: share of clips answered rightly after, less before
    change_of_accuracy_ci_low: lower end of its 95 % interval
    change_of_accuracy_ci_high: upper end of its 95 % interval
    size: length of the change over the length of the activation; in pixels the share of the clip's voxels that the concept has
    n_draws: directions that are averaged over
    n_videos
    """,
    inputs={"steered": "steered_concepts"},
    figure=Figure(
        "concept_steering_figure",
        {"table": "concept_steering", "gaps": "steering_gaps", "agreement": "steering_agreement"},
    ),
)
def concept_steering_table(steered: pd.DataFrame) -> pd.DataFrame:
    """What every concept's direction changes, and its controls'.

    Parameters
    ----------
    steered : DataFrame
        PLACE, concept, rank, video, clip, VERSION, draw, first, MEASURES, size: as from
        `voxplain.concepts.steering.compute.steer_clip`, ``mark_first`` and ``edit_clip``.
    """
    keys = [*PLACE, "concept", "rank", *VERSION]
    means = steered.groupby([*keys, "video"], sort=False)[[*MEASURES, "size"]].mean()
    groups = video_groups(steered)
    draws = steered.groupby(keys, sort=False)["draw"].nunique()
    rows = []
    for key, group in means.groupby(keys, sort=False):
        row = dict(zip(keys, key, strict=True))
        of = None if groups is None else groups.loc[group.index.get_level_values("video")]
        for name in MEASURES:
            values = group[name].to_numpy()
            prefix = "" if name == "change_of_logit" else f"{name}_"
            row[name] = float(np.nanmean(values)) if not np.isnan(values).all() else np.nan
            low, high = mean_interval(group_values(values, of), change=name == "change_of_accuracy")
            row |= {f"{prefix}ci_low": low, f"{prefix}ci_high": high}
        rows.append(row | {"size": group["size"].mean(), "n_draws": draws[key], "n_videos": len(group)})
    return pd.DataFrame(rows).sort_values(
        [*PLACE, "rank", "space", "steering"], kind="stable", ignore_index=True
    )


@table(
    "steering_gaps",
    part="concepts",
    title="Steering against its controls",
    meaning="How much more the concepts' directions change than other directions do, and those ranked first more than those that other rankings put first.",
    columns="""
    model, layer
    subset: all: all test videos; else those of one subset of the video table
    steering: removal or addition, as in concept_steering
    concepts: first: the first of each class's ranking; all: all of them
    measure: logit: of the class, lost by removal or gained by addition; margin: that less what the other classes' logits lose or gain on average; accuracy: lost by removal; absolute_logit: change of the logit in either direction, mean over clips
    control: random_direction, random_concept, other_class (directions, as in concept_steering; beside first the one of as many that the same ranking puts first); random: all concepts of the class, which is what a random ranking puts first on average; least: its last; score and control_*: the concept that this ranking puts first; with _least after it, last
    norm: own or matched, as in concept_steering; own for rankings
    value: of the concepts, mean over videos of a class, classes and seeds
    value_ci_low: lower end of its 95 % interval
    value_ci_high: upper end of its 95 % interval
    control_value: of the control
    difference: value less control_value; a method that works has positive differences
    ci_low, ci_high
    p_value: that there is no difference; of directions that the concept's is drawn as the control's are (its place among them, over classes and seeds), of rankings over classes
    p_adjusted: p_value after Benjamini and Hochberg, over the table
    times: value over control_value; of absolute_logit
    times_ci_low: lower end of its 95 % interval (delta method, over classes and seeds)
    times_ci_high: upper end of its 95 % interval
    n_videos, n_classes, n_seeds
    """,
    inputs={"steered": "steered_concepts", "scores": "scored_concepts", "controls": "concept_controls"},
    options={"rank_by": "scores.rank_by"},
)
def steering_gaps_table(
    steered: pd.DataFrame, scores: pd.DataFrame, controls: pd.DataFrame, *, rank_by: str = "effect"
) -> pd.DataFrame:
    """What concepts' directions do beyond their controls, with classes (and seeds) as units.

    Parameters
    ----------
    steered : DataFrame
        As in `concept_steering_table`; with a column subset, its values are told apart, too.
    scores : DataFrame
        PLACE, concept, rank, score, derivative, effect.
    controls : DataFrame
        PLACE, concept, and a column per ranking without scores (`voxplain.concepts.controls`).
    rank_by : {"effect", "score"}
        What the run ranks by.
    """
    rows = []
    steered = steered[steered["space"] == "layer"]
    firsts = _firsts(scores, controls, rank_by)
    for (model, layer), group in steered.groupby(["model", "layer"], sort=False):
        parts = {"all": group}
        if "subset" in group and group["subset"].nunique() > 1:
            parts |= dict(list(group.groupby("subset")))
        for subset, part in parts.items():
            for steering, own in part.groupby("steering", sort=False):
                place = {"model": model, "layer": layer, "subset": subset, "steering": steering}
                cells = _Cells(own, firsts[(firsts["model"] == model) & (firsts["layer"] == layer)])
                more = {"n_videos": own["video"].nunique(), "n_seeds": own["seed"].nunique()}
                rows += [place | row | more for row in _gaps(cells, steering)]
    found = pd.DataFrame(rows)
    found["p_adjusted"] = adjust_p_values(found["p_value"])
    return found[list(_GAPS)]


_GAPS = """model layer subset steering concepts measure control norm value value_ci_low value_ci_high control_value difference ci_low ci_high p_value
p_adjusted times times_ci_low times_ci_high n_videos n_classes n_seeds""".split()


def _firsts(scores: pd.DataFrame, controls: pd.DataFrame, rank_by: str) -> pd.DataFrame:
    """PLACE, ranking and the concept that it puts first, of every ranking; the last one's of the run's own (least) and of controls (_least)."""
    rows = []
    known = dict(list(controls.groupby(PLACE)))
    for key, own in scores.groupby(PLACE, sort=False):
        for name, order in rankings(own, known.get(key), rank_by=rank_by).items():
            rows.append((*key, name, order[0]))
            if name == "top" or name.startswith("control_"):
                rows.append((*key, reverse_of(name), order[-1]))
    return pd.DataFrame(rows, columns=[*PLACE, "ranking", "concept"])


class _Cells:
    """Means over the clips of each seed and class of one network, layer and kind of steering."""

    def __init__(self, steered: pd.DataFrame, firsts: pd.DataFrame) -> None:
        sign = -1.0 if steered["steering"].iloc[0] == "removal" else 1.0
        logit = sign * steered["change_of_logit"]
        steered = steered.assign(
            logit=logit,
            margin=logit - sign * steered["change_of_other_logits"],
            accuracy=sign * steered["change_of_accuracy"],
            absolute_logit=logit.abs(),
        )
        self.measures = ["logit", "margin", "accuracy", "absolute_logit"]
        keys = ["seed", "class", "rank", "concept", "control", "norm", "draw", "first"]
        by_video = steered.groupby([*keys, "video"], sort=False)[self.measures].mean()
        means = by_video.groupby(keys, sort=False).mean().reset_index()
        self.own = means[means["control"] == "none"]
        self.others = {
            key: rows for key, rows in means.groupby(["control", "norm"], sort=False) if key[0] != "none"
        }
        self.index = pd.MultiIndex.from_product(
            [sorted(means["seed"].unique()), sorted(means["class"].unique())]
        )
        self.firsts = firsts.merge(self.own, on=["seed", "class", "concept"])

    def of(self, rows: pd.DataFrame, measure: str) -> np.ndarray:
        """(seeds, classes) means of rows; NaN where a seed has none of the class."""
        found = rows.groupby(["seed", "class"])[measure].mean().reindex(self.index)
        return found.to_numpy(dtype=float).reshape(len(self.index.levels[0]), -1)

    def draws(self, rows: pd.DataFrame, measure: str) -> np.ndarray:
        """(units, draws) means over concepts, a unit per seed and class, of the draws that all of them have."""
        found = rows.pivot_table(index=["seed", "class"], columns="draw", values=measure)
        return found.dropna(axis=1).reindex(self.index).to_numpy()


def _gaps(cells: _Cells, steering: str) -> Iterator[dict[str, Any]]:
    """Rows of steering_gaps of one network, layer and kind of steering, but for what they have in common."""
    for concepts in ("first", "all"):
        own = cells.own[cells.own["rank"] == 1] if concepts == "first" else cells.own
        for measure in cells.measures if concepts == "first" else ["absolute_logit"]:
            if measure == "accuracy" and steering == "addition":
                continue  # what is right cannot become more so
            values = cells.of(own, measure)
            base = {"concepts": concepts, "measure": measure}
            for (control, norm), rows in cells.others.items():
                # The best of as many: that the concept is the best of several must not count for it.
                rows = rows[rows["first"]] if concepts == "first" else rows
                candidates = np.column_stack([values.ravel(), cells.draws(rows, measure)])
                p_value = chosen_p_value(candidates[~np.isnan(candidates).any(axis=1)])
                yield (
                    base
                    | {"control": control, "norm": norm}
                    | _gap(values, cells.of(rows, measure), measure, p_value)
                )
            if concepts == "first" and measure != "absolute_logit":
                others = {"random": cells.own}
                others |= dict(
                    list(cells.firsts[cells.firsts["ranking"] != "top"].groupby("ranking", sort=False))
                )
                for control, rows in others.items():
                    yield (
                        base
                        | {"control": control, "norm": "own"}
                        | _gap(values, cells.of(rows, measure), measure)
                    )


def _gap(
    values: np.ndarray, others: np.ndarray, measure: str, p_value: float | None = None
) -> dict[str, Any]:
    """Difference and ratio of two (seeds, classes) values."""
    both = ~(np.isnan(values) | np.isnan(others)).any(axis=0)
    values, others = values[:, both], others[:, both]
    difference = values - others
    low, high = mean_interval(difference)
    times = ratio_values(values, others) if measure == "absolute_logit" else np.full(values.shape, np.nan)
    times_low, times_high = mean_interval(times)
    value_low, value_high = mean_interval(values)
    return {
        "value": _mean(values),
        "value_ci_low": value_low,
        "value_ci_high": value_high,
        "control_value": _mean(others),
        "difference": _mean(difference),
        "ci_low": low,
        "ci_high": high,
        "p_value": mean_p_value(difference) if p_value is None else p_value,
        "times": _mean(times),
        "times_ci_low": times_low,
        "times_ci_high": times_high,
        "n_classes": values.shape[1],
    }


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else np.nan


@table(
    "steering_agreement",
    part="concepts",
    title="What agrees with steering",
    meaning="Kendall's tau of a class's concepts ranked by what steering with them does and by other measures of their importance, and by rankings that need no score.",
    columns="""
    model, layer
    steering: removal: by the class's logit that is lost; addition: by the logit that is gained
    other: effect, score, derivative; absolute_effect, as removal does not tell a direction from its opposite; addition (steering), hiding and showing (of the concept's voxels, by the logit); control_* (concept_controls)
    tau: Kendall's tau within a class, mean over classes and seeds
    ci_low: lower end of its 95 % interval; units are classes, and seeds
    ci_high: upper end of its 95 % interval
    p_value: that tau is 0, of the same units
    p_adjusted: p_value after Benjamini and Hochberg, over the table
    difference: tau of the run's own ranking less this one's; empty for the own
    difference_ci_low: lower end of its 95 % interval
    difference_ci_high: upper end of its 95 % interval
    n_concepts, n_videos
    n_classes: classes whose concepts have an order by both, in every seed
    n_seeds
    """,
    inputs={"steered": "steered_concepts", "scores": "scored_concepts", "controls": "concept_controls"},
    options={"rank_by": "scores.rank_by"},
)
def steering_agreement_table(
    steered: pd.DataFrame, scores: pd.DataFrame, controls: pd.DataFrame, *, rank_by: str = "effect"
) -> pd.DataFrame:
    """Kendall's tau of concepts by steering with other importance, within classes.

    Parameters as in `steering_gaps_table`.
    """
    own = steered[steered["control"] == "none"]
    keys = [*PLACE, "concept"]
    # What counts is lost by removal and by hiding, and gained by addition and by showing.
    lost = own["steering"] == "removal"
    own = own.assign(gain=own["change_of_logit"] * np.where(lost, -1, 1))
    own["kind"] = np.where(
        own["space"] == "layer", own["steering"], np.where(lost, "hiding", "showing")
    )  # fmt: skip
    found = own.pivot_table(index=keys, columns="kind", values="gain").reset_index()
    named = {name: f"control_{name}" for name in controls.columns.difference(keys, sort=False)}
    found = found.merge(scores[[*keys, *SCORES, "rank"]], on=keys)
    found["absolute_effect"] = found["effect"].abs()
    found[rank_by] = -found["rank"]  # the run's own ranking, with ties broken
    found = found.merge(controls.rename(columns=named), how="left", on=keys)
    orders = [*SCORES, "absolute_effect", "addition", "hiding", "showing", *named.values()]
    rows = []
    for (model, layer), group in found.groupby(["model", "layer"], sort=False):
        cells = dict(list(group.groupby(["seed", "class"])))
        seeds, classes = sorted(group["seed"].unique()), sorted(group["class"].unique())
        videos = own[(own["model"] == model) & (own["layer"] == layer)]["video"].nunique()
        for steering in ("removal", "addition"):
            taus = {
                other: np.array([[_tau(cells.get((s, c)), steering, other) for c in classes] for s in seeds])
                for other in orders
                if other != steering
            }
            for other, values in taus.items():
                known = values[:, ~np.isnan(values).any(axis=0)]
                row = {
                    "model": model,
                    "layer": layer,
                    "steering": steering,
                    "other": other,
                    "tau": _mean(known),
                }
                row |= dict(zip(("ci_low", "ci_high"), np.clip(mean_interval(known), -1, 1), strict=True))
                row["p_value"] = mean_p_value(known)
                itself = np.nan if other == rank_by else 0.0
                difference = taus[rank_by] - values + itself
                difference = difference[:, ~np.isnan(difference).any(axis=0)]
                low, high = mean_interval(difference)
                row |= {"difference": _mean(difference), "difference_ci_low": low, "difference_ci_high": high}
                row |= {"n_concepts": len(group), "n_videos": videos, "n_classes": known.shape[1]}
                rows.append(row | {"n_seeds": len(seeds)})
    table = pd.DataFrame(rows)
    table.insert(table.columns.get_loc("p_value") + 1, "p_adjusted", adjust_p_values(table["p_value"]))
    return table


def _tau(cell: pd.DataFrame | None, a: str, b: str) -> float:
    if cell is None or len(cell) < 2:
        return float("nan")
    return float(row_taus(cell[[a]].to_numpy(dtype=float).T, cell[b].to_numpy(dtype=float))[0])
