"""Relevance over a clip's frames, and whether it follows what the network loses without them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...motion.controls import is_control, knows_network
from ...motion.tables import of_groups
from ...statistics import adjust_p_values, mean_interval, mean_p_value, rank_correlation
from ...tables import Figure, table
from ..tables import by_unit

RELEVANCE = "relevance"
ENTRY = ["model", "method", "control_of", "selective"]
CLIP = ["seed", "video", "clip"]


@table(
    "frame_importance",
    part="checks",
    title="Importance of frames over time",
    meaning="How much of each explanation lies in each frame of a clip, and by how much the explained class's logit falls when "
    "that frame is hidden or repeated.",
    columns="""
    model
    measure: relevance (share of the positive relevance that lies in the frame); hidden (fall of the logit when the frame shows the input mean); repeated (when it shows the next frame)
    method: explainer or control, by name, of relevance
    selective: true: of its selective map
    frame: number within the clip, from 0
    value: mean over videos and seeds
    ci_low, ci_high
    n_units, n_seeds
    """,
    inputs={"scores": "frame_scores"},
    figure=Figure("frame_importance_figure", {"table": "frame_importance", "agreement": "frame_agreement"}),
)
def frame_importance_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean curves.

    Parameters
    ----------
    scores : DataFrame
        model, seed, video (and group), clip, and the columns of `voxplain.checks.frame_importance.compute.frame_rows`.

    Returns
    -------
    DataFrame
        As the table's entry says. Another class's and a random head's maps are in the table frame_agreement alone.
    """
    keys = ["model", "measure", "method", "selective", "frame"]
    rows = []
    for key, own in scores[scores["control_of"] == ""].groupby(keys, sort=False):
        values = by_unit(own, "video", "value")
        low, high = mean_interval(values)
        mean = values.mean() if values.size else np.nan
        row = {
            "value": mean,
            "ci_low": low,
            "ci_high": high,
            "n_units": values.shape[1],
            "n_seeds": len(values),
        }
        rows.append(dict(zip(keys, key, strict=True)) | row)
    return pd.DataFrame(rows, columns=[*keys, "value", "ci_low", "ci_high", "n_units", "n_seeds"])


@table(
    "frame_agreement",
    part="checks",
    title="Do explanations name the frames that matter?",
    meaning="Rank correlation, over the frames of a clip, of the relevance in a frame with what the logit loses without it; "
    "beside curves that know no network, and maps for another class or of a random head.",
    columns="""
    model
    method: explainer or control, by name; control_middle is nearness to the clip's middle
    control_of: explainer that a control belongs to; empty for explainers, and for controls of all of them
    selective: true: of its selective map
    effect: hidden, repeated: as in frame_importance
    correlation: Spearman's, mean over videos and seeds; 0 by chance
    ci_low, ci_high
    p_value: that the mean is 0
    p_adjusted: corrected over the table, by Benjamini and Hochberg
    best_control: of the controls that know no network the one of the greatest correlation
    difference: correlation less that of the best control, of the same videos
    difference_ci_low: lower end of its 95 % interval
    difference_ci_high: upper end of its 95 % interval
    difference_p_value: that it is 0
    difference_p_adjusted: corrected over the table
    n_units, n_seeds
    """,
    inputs={"scores": "frame_scores"},
)
def frame_agreement_table(scores: pd.DataFrame) -> pd.DataFrame:
    """How well relevance over time follows the effects.

    Parameters
    ----------
    scores : DataFrame
        As for `frame_importance_table`.

    Returns
    -------
    DataFrame
        As the table's entry says. A clip in which a curve is the same in all frames has no correlation, and is left out.
    """
    rows = [row for (_, own) in scores.groupby("model", sort=False) for row in _agreement(own)]
    found = pd.DataFrame(rows, columns=AGREEMENT)
    for name in ("p", "difference_p"):
        found[f"{name}_adjusted"] = adjust_p_values(found[f"{name}_value"].to_numpy(dtype=float))
    return found


def _agreement(scores: pd.DataFrame) -> list[dict]:
    """Rows of one network."""
    correlations: dict[tuple, pd.DataFrame] = {}
    effects = {name: own for name, own in scores.groupby("measure", sort=False) if name != RELEVANCE}
    curves = scores[scores["measure"] == RELEVANCE]
    for effect, fell in effects.items():
        both = curves.merge(fell[[*CLIP, "frame", "value"]], on=[*CLIP, "frame"], suffixes=("", "_lost"))
        for key, own in both.groupby(ENTRY, sort=False):
            clips = own.groupby(CLIP, sort=False)[["value", "value_lost"]]
            found = clips.apply(lambda rows: rank_correlation(*rows.to_numpy().T)).rename("correlation")
            correlations[*key, effect] = _by_video(found.reset_index(), "correlation")
    rows = []
    for (*key, effect), values in correlations.items():
        rivals = {
            other[1]: own
            for (*other, of), own in correlations.items()
            if of == effect and is_control(other[1]) and not knows_network(other[1]) and own.size
        }
        units = of_groups(values, scores)
        low, high = mean_interval(units)
        row = {
            **dict(zip(ENTRY, key, strict=True)), "effect": effect,
            "correlation": units.mean() if units.size else np.nan, "ci_low": low, "ci_high": high,
            "p_value": mean_p_value(units), "n_units": units.shape[1], "n_seeds": len(units),
        }  # fmt: skip
        if rivals and not is_control(row["method"]) and values.size:
            best = max(rivals, key=lambda name: rivals[name].to_numpy().mean())
            less = of_groups((values - rivals[best]).dropna(axis=1), scores)
            low, high = mean_interval(less)
            row |= {"best_control": best, "difference": less.mean() if less.size else np.nan}
            row |= {"difference_ci_low": low, "difference_ci_high": high}
            row["difference_p_value"] = mean_p_value(less)
        rows.append(row)
    return rows


def _by_video(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Means as seeds by videos; those without a value for every seed are left out."""
    return rows.pivot_table(index="seed", columns="video", values=column).dropna(axis=1)


AGREEMENT = [
    *ENTRY, "effect", "correlation", "ci_low", "ci_high", "p_value", "p_adjusted", "best_control", "difference",
    "difference_ci_low", "difference_ci_high", "difference_p_value", "difference_p_adjusted", "n_units", "n_seeds",
]  # fmt: skip
