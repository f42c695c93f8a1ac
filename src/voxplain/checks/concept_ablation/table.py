"""Importance of concepts by ablation, and how well it agrees with that by direction."""

from __future__ import annotations

import zlib

import numpy as np
import pandas as pd

from ...statistics import bootstrap_weights, percentile_interval, row_taus
from ...tables import Figure, table
from ..tables import CONCEPT
from .compute import total_effects

ABLATIONS, DIRECTIONS = ("total_effect", "mean_effect"), ("score", "derivative", "effect")


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
    total_effect: share of the outcome's variance that hangs on the concept (Jansen's total index)
    total_effect_ci_low: lower end of its 95 % interval
    total_effect_ci_high: upper end of its 95 % interval
    mean_effect: outcome with the concept minus without
    mean_effect_ci_low: lower end of its 95 % interval
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
        clips), mean_effect (answer with the concept minus without), each with _ci_low and _ci_high (95 %,
        bootstrap over videos), n_videos.
    """
    rows = []
    keys = ["model", "seed", "layer", "class", "outcome"]
    for key, group in ablations.groupby(keys, sort=False):
        squares, gains, variance = _ablation_arrays(group)
        draws = bootstrap_weights(len(variance))
        concepts = np.sort(group["concept"].unique())
        for column, values in (
            ("total_effect", total_effects(squares.mean(axis=0), variance.mean())),
            ("mean_effect", gains.mean(axis=0)),
        ):
            resampled = (
                total_effects(draws @ squares, (draws @ variance)[:, None])
                if column == "total_effect"
                else draws @ gains
            )
            low, high = percentile_interval(resampled)
            rows.append(
                pd.DataFrame(
                    {
                        **dict(zip(keys, key, strict=True)),
                        "concept": concepts,
                        "column": column,
                        "value": values,
                        "low": low,
                        "high": high,
                        "n_videos": len(variance),
                    }
                )
            )
    long = pd.concat(rows, ignore_index=True)
    where = [*CONCEPT, "outcome", "n_videos"]
    table = long.pivot(index=where, columns="column", values=["value", "low", "high"])
    table.columns = [name if kind == "value" else f"{name}_ci_{kind}" for kind, name in table.columns]
    table = scores[[*CONCEPT, *DIRECTIONS]].merge(table.reset_index(), on=CONCEPT)
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
    ci_low, ci_high, n_concepts, n_videos, n_seeds
    """,
    inputs={"ablations": "concept_ablations", "scores": "scored_concepts"},
)
def concept_ablation_agreement_table(ablations: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Kendall's tau between importance by ablation and by direction, within classes and their mean.

    Parameters as in `concept_ablation_table`.

    Returns
    -------
    DataFrame
        model, layer, class (``all``: the mean over classes), outcome, ablation, direction, tau (mean over
        seeds), ci_low, ci_high (95 %, bootstrap over the videos of each class, and over seeds; NaN for a single
        video and seed), n_concepts, n_videos, n_seeds.
    """
    known = scores.set_index(["model", "seed", "layer", "class"])
    found = {}
    for key, group in ablations.groupby(["model", "layer", "outcome", "class", "seed"], sort=False):
        model, layer, outcome, class_name, seed = key
        squares, gains, variance = _ablation_arrays(group)
        # Videos of two classes are drawn apart, those of two seeds together.
        weights = bootstrap_weights(len(variance), 400, seed=zlib.crc32(class_name.encode()))
        draws = np.concatenate([np.full((1, len(variance)), 1 / len(variance)), weights])
        importance = {
            "total_effect": total_effects(draws @ squares, (draws @ variance)[:, None]),
            "mean_effect": draws @ gains,
        }
        directions = known.loc[[(model, seed, layer, class_name)]].sort_values("concept")
        for ablation, values in importance.items():
            for direction in DIRECTIONS:
                place = (model, layer, outcome, ablation, direction)
                taus = row_taus(values, directions[direction].to_numpy())
                found.setdefault(place, {}).setdefault(class_name, []).append(
                    (taus, len(directions), len(variance))
                )
    rows = []
    for place, classes in found.items():
        means = {}
        for class_name, seeds in classes.items():
            means[class_name] = np.array([taus for taus, _, _ in seeds])
        counts = {
            class_name: (seeds[0][1], max(n for _, _, n in seeds)) for class_name, seeds in classes.items()
        }
        whole = np.nanmean(np.stack([means[class_name] for class_name in means]), axis=0)
        total = tuple(np.sum(list(counts.values()), axis=0))
        for class_name, taus, count in [
            ("all", whole, total),
            *((name, means[name], counts[name]) for name in means),
        ]:
            alone = (
                min(n for name, (_, n) in counts.items() if class_name in ("all", name)) < 2 and len(taus) < 2
            )
            low, high = (np.nan, np.nan) if alone else _over_seeds(taus[:, 1:])
            rows.append((*place, class_name, np.nanmean(taus[:, 0]), low, high, *count, len(taus)))
    names = ["model", "layer", "outcome", "ablation", "direction", "class", "tau", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=[*names, "n_concepts", "n_videos", "n_seeds"])


def _ablation_arrays(group: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Squares and gains (videos, concepts) and variance (videos,), means over clips."""
    squares, gains, variance = (
        group.pivot_table(index="video", columns="concept", values=name, aggfunc="mean").to_numpy()
        for name in ("squares", "gains", "variance")
    )
    return squares, gains, variance[:, 0]


def _over_seeds(taus: np.ndarray) -> tuple[float, float]:
    """Percentile interval of the mean over seeds of (seeds, draws), seeds resampled too."""
    n_seeds, n_draws = taus.shape
    weights = bootstrap_weights(n_seeds, n_draws, seed=1)
    low, high = percentile_interval(np.einsum("ds,sd->d", weights, taus))
    return float(low), float(high)
