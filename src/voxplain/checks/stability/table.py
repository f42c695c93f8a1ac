"""Agreement of ranks and spread of scores over every choice."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import pandas as pd

from ...tables import Figure, table
from ..findings import rank_agreement
from ..tables import by_unit, mean_of, pair_values


@table(
    "stability",
    part="checks",
    title="Stability",
    meaning="How far scores and ranks depend on seeds, random sets, clusters and the layer.",
    columns="""
    model, layer
    what: what is chosen otherwise: random_sets, clusters, draws, videos (two disjoint halves of so many groups of videos), seeds, layer
    value: the other choice
    tau: Kendall's tau of ranks: of concepts for random_sets, else of supervoxels by their concepts' ranks
    tau_ci_low: lower end of its 95 % interval; units are classes, and seeds where there are several (with one, draws)
    tau_ci_high: upper end of its 95 % interval
    stable: whether tau is at least checks.stable
    spread: standard deviation of a score; random_sets only
    needed: random sets for a spread of 0.05
    n_classes
    n_pairs: pairs of seeds, or draws of each seed; of random_sets, pairs of disjoint sets of them in the class that has most
    n_seeds
    """,
    inputs={"choices": "choices", "importance": "supervoxel_importance", "variants": "variant_agreement"},
    options={"limit": "checks.stable"},
    figure=Figure("stability_figure", {"table": "stability"}),
)
def stability_table(
    choices: pd.DataFrame, importance: pd.DataFrame, variants: pd.DataFrame, *, limit: float = 0.6
) -> pd.DataFrame:
    """Agreement of ranks and spread of scores over every choice.

    Parameters
    ----------
    choices : DataFrame
        model, seed, layer, what, value, draw, class, tau, pairs (that tau is a mean over; NaN: it is of one), spread,
        needed.
    importance : DataFrame
        model, seed, layer, class, video, clip, level, supervoxel, importance.
    variants : DataFrame
        model, seed, layer, variant, class, tau: those of another layer are taken.
    limit : float
        tau from which on ranks count as stable.

    Returns
    -------
    DataFrame
        model, layer, what (random_sets, clusters, draws, videos, seeds, layer), value, tau (Kendall's tau-b of ranks:
        of concepts for random_sets, else of supervoxels by their concepts' ranks), tau_ci_low, tau_ci_high (95 %,
        over classes and seeds), stable, spread (standard deviation of a score; random_sets only), needed (random sets for
        a spread of 0.05), n_classes, n_pairs, n_seeds.
    """
    layers = variants[variants["variant"].str.startswith("layer_")]
    layers = layers.assign(what="layer", value=layers["variant"].str.removeprefix("layer_"))
    pairs = pd.DataFrame(
        _between_seeds(importance),
        columns=["model", "layer", "what", "value", "class", "seed", "draw", "tau"],
    )
    columns = ["model", "seed", "layer", "what", "value", "draw", "class", "tau", "pairs", "spread", "needed"]
    parts = [
        part.reindex(columns=columns).fillna({"draw": 0, "pairs": 1})
        for part in (choices, layers, pairs)
        if len(part)
    ]
    rows = []
    for key, group in pd.concat(parts).groupby(["model", "layer", "what", "value"], sort=False):
        values, seeds, draws = (
            by_unit(group, "class", "tau"),
            group["seed"].nunique(),
            group["draw"].nunique(),
        )
        if key[2] == "seeds":
            values, draws = pair_values(values), seeds * (seeds - 1) // 2
        rows.append(
            {
                **dict(zip(["model", "layer", "what", "value"], key, strict=True)),
                **mean_of("tau", values),
                "stable": bool(values.size and values.mean() >= limit),
                "spread": group["spread"].mean(),
                "needed": group["needed"].mean(),
                "n_classes": values.shape[1],
                "n_pairs": draws * int(group["pairs"].max()),
                "n_seeds": seeds,
            }
        )
    return pd.DataFrame(rows)


def _between_seeds(importance: pd.DataFrame) -> Iterable[tuple]:
    """tau between every two seeds of a network, under each of the two, and between every two of its layers."""
    for (model, layer, class_name), group in importance.groupby(["model", "layer", "class"], sort=False):
        for first, second in combinations(sorted(group["seed"].unique()), 2):
            tau = rank_agreement(*(group[group["seed"] == seed] for seed in (first, second)))
            for seed, other in ((first, second), (second, first)):
                yield model, layer, "seeds", "training", class_name, seed, other, tau
    for (model, seed, class_name), group in importance.groupby(["model", "seed", "class"], sort=False):
        layers = list(group["layer"].unique())
        for other in layers[1:]:
            a, b = (group[group["layer"] == name] for name in (layers[0], other))
            yield model, layers[0], "layer", other, class_name, seed, 0, rank_agreement(a, b)
