"""Areas under deletion and insertion curves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ...statistics import adjust_p_values, mean_p_value
from ...tables import Figure, table
from ..tables import NETWORK, by_unit, mean_of
from .compute import areas

PLACE = [*NETWORK, "fill", "curve", "outcome"]
ORDER = ["method", "control_of"]
RANDOM = ("random", "")
BETTER = {"deletion": -1, "insertion": 1}  # sign of a faithful method's difference
ALPHA = 0.05


@table(
    "faithfulness",
    part="checks",
    title="Faithfulness",
    meaning="How fast the network's answer falls when the supervoxels a method ranks first are hidden, and rises when "
    "they alone are shown, beside orders that do not explain the network.",
    columns="""
    model, layer
    fill: what hidden voxels show: mean, blur or previous
    curve: deletion or insertion
    outcome: what the curve follows: probability of the class; or margin, its logit less another class's, in logits
    method: explainer, concepts or random_masking; or a control: random (mean over random orders), control_saturation and the others of the pixels (no network), control_activation (the norm of the activation, whatever the class), control_other_class (the explanation of another class), control_random_head (of the network with its last layer drawn anew)
    control_of: method that a control belongs to; empty for methods, and for controls of all
    area: area under the curve, mean over videos and seeds
    area_ci_low: lower end of its 95 % interval; its units are videos and seeds
    area_ci_high: upper end of its 95 % interval
    floor: deletion, probability: share of videos whose probability is at most 1 in the number of classes after the first supervoxel; where it is near 1 the curve tells little
    random_difference: area less that of random orders; below 0 in deletion and above 0 in insertion is faithful
    random_difference_ci_low: lower end of its 95 % interval; units as of area
    random_difference_ci_high: upper end of its 95 % interval
    random_p_value: two-sided, that random_difference is 0; not corrected
    best_control: the best control by its mean area, of those of all methods and of the method's own
    difference: area less that of best_control, which is chosen by the same videos, so that the difference errs against the method
    difference_ci_low: lower end of its 95 % interval; units as of area
    difference_ci_high: upper end of its 95 % interval
    p_value: two-sided, that the difference is 0: flipped signs of videos, Student's t with several seeds
    p_adjusted: p_value corrected for all of this table's (Benjamini and Hochberg)
    beats_controls: whether the difference is on the faithful side and p_adjusted at most 0.05; empty for controls, and for fewer than 3 videos
    n_videos, n_units, n_seeds
    """,
    inputs={"curves": "perturbation_curves"},
    figure=Figure("faithfulness_figure", {"table": "faithfulness", "curves": "perturbation_curves"}),
)
def faithfulness_table(curves: pd.DataFrame) -> pd.DataFrame:
    """Areas under deletion and insertion curves, and their paired differences from controls.

    Parameters
    ----------
    curves : DataFrame
        model, seed, layer, fill, video, clip, method, control_of, draw, curve, share, probability, margin, chance
        (1 in the number of classes); method ``random`` is there.

    Returns
    -------
    DataFrame : a row per `PLACE` and `ORDER`
    """
    rows, nothing = [], np.empty((1, 0))
    for where, known, floors, videos in _cells(curves):
        for order, values in known.items():
            best, difference = None, nothing
            if not _is_control(order):
                sign = BETTER[where["curve"]]
                best = max(_rivals(known, order), key=lambda other: sign * known[other].mean())
                difference = values - known[best]
            beyond = nothing if order == RANDOM else values - known[RANDOM]
            row = where | dict(zip(ORDER, order, strict=True)) | mean_of("area", values)
            row |= {"floor": floors[order]} | mean_of("random_difference", beyond)
            row["random_p_value"] = mean_p_value(beyond)
            row |= {"best_control": best[0] if best else None} | mean_of("difference", difference)
            row |= {"p_value": mean_p_value(difference), "p_adjusted": np.nan, "beats_controls": None}
            rows.append(row | {"n_videos": videos, "n_units": values.shape[1], "n_seeds": values.shape[0]})
    return _tested(pd.DataFrame(rows), "beats_controls")


@table(
    "faithfulness_controls",
    part="checks",
    title="Faithfulness beside each control",
    meaning="What hiding and showing supervoxels in the order of a method does beyond the order of each of its controls: "
    "beyond the explanation of another class it tells the class, beyond a random head the network.",
    columns="""
    model, layer
    fill: what hidden voxels show: mean, blur or previous
    curve: deletion or insertion
    outcome: probability of the class; or margin, its logit less another class's, in logits
    method: explainer, concepts or random_masking
    control: as in faithfulness
    difference: area under the method's curve less that under the control's, mean over videos and seeds; below 0 in deletion and above 0 in insertion is faithful
    difference_ci_low: lower end of its 95 % interval; its units are videos and seeds
    difference_ci_high: upper end of its 95 % interval
    p_value: two-sided, that the difference is 0: flipped signs of videos, Student's t with several seeds
    p_adjusted: p_value corrected for all of this table's (Benjamini and Hochberg)
    beats_control: whether the difference is on the faithful side and p_adjusted at most 0.05; empty for fewer than 3 videos
    n_videos, n_units, n_seeds
    """,
    inputs={"curves": "perturbation_curves"},
)
def faithfulness_controls_table(curves: pd.DataFrame) -> pd.DataFrame:
    """Paired differences of the areas of every method from those of each of its controls.

    Parameters as in `faithfulness_table`.

    Returns
    -------
    DataFrame : a row per `PLACE`, method and control
    """
    rows = []
    for where, known, _, videos in _cells(curves):
        for order, values in known.items():
            for control in [] if _is_control(order) else _rivals(known, order):
                difference = values - known[control]
                row = where | {"method": order[0], "control": control[0]} | mean_of("difference", difference)
                row |= {"p_value": mean_p_value(difference), "p_adjusted": np.nan, "beats_control": None}
                rows.append(
                    row | {"n_videos": videos, "n_units": values.shape[1], "n_seeds": values.shape[0]}
                )
    return _tested(pd.DataFrame(rows), "beats_control")


def _cells(curves: pd.DataFrame) -> Iterator[tuple[dict, dict, dict, int]]:
    """For each of `PLACE`: the place, areas (seeds, videos or groups) by (method, control_of), mean floors, videos."""
    units = ["group", "video"] if "group" in curves else ["video"]
    found = areas(curves, [*PLACE[:-1], *ORDER, "draw", "seed", *units, "clip"])
    found.loc[found["curve"] == "insertion", "floor"] = np.nan
    found = found.drop(columns="draw")  # random orders of a clip are averaged
    for key, group in found.groupby(PLACE, sort=False):
        orders = dict(list(group.groupby(ORDER, sort=False)))
        known = {order: by_unit(part, "video", "area") for order, part in orders.items()}
        floors = {order: part["floor"].mean() for order, part in orders.items()}
        yield dict(zip(PLACE, key, strict=True)), known, floors, group["video"].nunique()


def _is_control(order: tuple[str, str]) -> bool:
    return order == RANDOM or order[0].startswith("control_")


def _rivals(known: dict[tuple[str, str], np.ndarray], order: tuple[str, str]) -> list[tuple[str, str]]:
    """Controls of all methods, and the method's own."""
    return [other for other in known if _is_control(other) and other[1] in ("", order[0])]


def _tested(table: pd.DataFrame, verdict: str) -> pd.DataFrame:
    """The table with its p-values corrected, and what they say."""
    adjusted = adjust_p_values(table["p_value"])
    faithful = table["curve"].map(BETTER) * table["difference"] > 0
    beats = (faithful & (adjusted <= ALPHA)).astype("boolean").mask(table["p_value"].isna())
    return table.assign(**{"p_adjusted": adjusted, verdict: beats})
