"""Importance of concepts by ablation, and how well it agrees with that by direction."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...statistics import adjust_p_values, mean_interval, mean_p_value, ratio_values, row_taus
from ...tables import Figure, table
from ..tables import CONCEPT, by_unit, mean_of
from .compute import total_effects

ABLATIONS, DIRECTIONS = ("total_effect", "mean_effect"), ("score", "derivative", "effect")
PLACE = ["model", "layer", "outcome", "ablation", "direction"]
SIZES = ["n_concepts", "n_videos"]


@table(
    "concept_ablation",
    part="checks",
    title="Importance by ablation",
    meaning="How much the class's score depends on each concept when random concepts are hidden, beside its CAV score.",
    columns="""
    model, seed, layer, class, concept
    outcome: probability or logit of the class
    score: by direction, as in concept_scores
    derivative: as in concept_scores
    effect: as in concept_scores
    total_effect: share of the outcome's variance that hangs on the concept (Jansen's total index), squared changes and variance each a mean over videos; a ratio of means of few subsets, whose bias is below 1 % with 8 subsets in 6 videos
    total_effect_ci_low: lower end of its 95 % interval (delta method); units are videos of the class
    total_effect_ci_high: upper end of its 95 % interval
    mean_effect: outcome with the concept minus without
    mean_effect_ci_low: lower end of its 95 % interval; units are videos of the class
    mean_effect_ci_high: upper end of its 95 % interval
    n_videos
    """,
    inputs={"ablations": "concept_ablations", "scores": "scored_concepts"},
    figure=Figure(
        "concept_ablation_figure", {"table": "concept_ablation", "agreement": "concept_ablation_agreement"}
    ),
)
def concept_ablation_table(ablations: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Importance of every concept by ablation, beside that by direction.

    Parameters
    ----------
    ablations : DataFrame
        model, seed, layer, class, concept, outcome (probability or logit), video, clip, squares, gains,
        variance, as from `voxplain.checks.concept_ablation.compute.ablate`.
    scores : DataFrame
        model, seed, layer, class, concept, score, derivative, effect.

    Returns
    -------
    DataFrame
        CONCEPT, outcome, score, derivative, effect, total_effect (Jansen's, squares and variance pooled over
        clips), mean_effect (answer with the concept minus without), each with _ci_low and _ci_high (95 %, over
        videos), n_videos.
    """
    rows = []
    keys = ["model", "seed", "layer", "class", "outcome"]
    for key, group in ablations.groupby(keys, sort=False):
        squares, gains, variance = _ablation_arrays(group)
        for number, concept in enumerate(np.sort(group["concept"].unique())):
            total = ratio_values(squares[None, :, number], 4 * variance[None])
            if not variance.mean() > 0:
                total = np.zeros_like(total)  # as `total_effects`: of an answer that nothing changes
            row = dict(zip(keys, key, strict=True)) | {"concept": concept}
            row |= mean_of("total_effect", total) | mean_of("mean_effect", gains[None, :, number])
            rows.append(row | {"n_videos": group["video"].nunique()})
    table = scores[[*CONCEPT, *DIRECTIONS]].merge(pd.DataFrame(rows), on=CONCEPT)
    order = [f"{name}{end}" for name in ABLATIONS for end in ("", "_ci_low", "_ci_high")]
    return table[[*CONCEPT, "outcome", *DIRECTIONS, *order, "n_videos"]]


@table(
    "concept_ablation_agreement",
    part="checks",
    title="Agreement of ablation and direction",
    meaning="Kendall's tau of concepts ranked by ablation and by their CAVs.",
    columns="""
    model, layer
    outcome: probability or logit of the class
    ablation: total_effect or mean_effect
    direction: score, derivative or effect
    class: class, or all: the mean over classes
    tau: Kendall's tau, mean over seeds
    ci_low: lower end of its 95 % interval; units are classes, since a class's concepts have one ranking, and seeds; of a single class, and of fewer than 3, there is none
    ci_high: upper end of its 95 % interval
    p_value: two-sided, that tau is 0, of the same units: flipped signs of classes, Student's t with several seeds
    p_adjusted: p_value corrected for all of this table's (Benjamini and Hochberg)
    n_classes, n_concepts, n_videos, n_seeds
    """,
    inputs={"ablations": "concept_ablations", "scores": "scored_concepts"},
)
def concept_ablation_agreement_table(ablations: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Kendall's tau between importance by ablation and by direction, within classes and their mean.

    Parameters as in `concept_ablation_table`.

    Returns
    -------
    DataFrame
        PLACE, class (``all``: the mean over classes), tau (mean over seeds; NaN where a ranking has no order in it),
        ci_low, ci_high (95 %, over classes and seeds), p_value, p_adjusted, n_classes, n_concepts, n_videos, n_seeds.
    """
    known = dict(list(scores.groupby(["model", "seed", "layer", "class"])))
    found = []
    for key, group in ablations.groupby(["model", "layer", "outcome", "class", "seed"], sort=False):
        model, layer, outcome, class_name, seed = key
        squares, gains, variance = _ablation_arrays(group)
        importance = {
            "total_effect": total_effects(squares.mean(axis=0), variance.mean()),
            "mean_effect": gains.mean(axis=0),
        }
        directions = known[model, seed, layer, class_name].sort_values("concept")
        counts = {"n_concepts": len(directions), "n_videos": group["video"].nunique()}
        for ablation, values in importance.items():
            for direction in DIRECTIONS:
                tau = row_taus(values[None], directions[direction].to_numpy())[0]
                place = dict(zip(PLACE, (model, layer, outcome, ablation, direction), strict=True))
                found.append(place | {"class": class_name, "seed": seed, "tau": tau, **counts})
    found, rows = pd.DataFrame(found), []
    for key, group in found.groupby(PLACE, sort=False):
        place, parts = dict(zip(PLACE, key, strict=True)), dict(list(group.groupby("class", sort=False)))
        values = by_unit(group, "class", "tau")
        low, high = mean_interval(values)
        sizes = {name: {size: part[size].max() for size in SIZES} for name, part in parts.items()}
        total = {size: sum(counts[size] for counts in sizes.values()) for size in SIZES}
        rows.append(
            {
                **place,
                "class": "all",
                "tau": values.mean() if values.size else np.nan,
                "ci_low": low,
                "ci_high": high,
                "p_value": mean_p_value(values),
                "n_classes": values.shape[1],
                **total,
                "n_seeds": group["seed"].nunique(),
            }
        )
        for name, part in parts.items():
            alone = {
                "class": name,
                "tau": part["tau"].mean(),
                "n_classes": 1,
                "n_seeds": part["seed"].nunique(),
            }
            rows.append({**place, **alone, **sizes[name]})
    table = pd.DataFrame(rows)
    table.insert(table.columns.get_loc("p_value") + 1, "p_adjusted", adjust_p_values(table["p_value"]))
    return table


def _ablation_arrays(group: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Squares and gains (videos, concepts) and variance (videos,), means over clips."""
    squares, gains, variance = (
        by_unit(group, "video", name, over="concept").T for name in ("squares", "gains", "variance")
    )
    return squares, gains, variance[:, 0]
