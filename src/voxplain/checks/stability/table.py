"""Agreement of ranks and spread of scores over every choice."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from ...statistics import bootstrap_interval
from ...tables import Figure, table
from ..findings import rank_agreement


@table(
    "stability",
    part="checks",
    title="Stability",
    meaning="How far scores and ranks depend on seeds, random sets, clusters and the layer.",
    columns="""
    model, layer
    what: what is chosen otherwise: random_sets, clusters, draws, seeds, layer
    value: the other choice
    tau: Kendall's tau of ranks: of concepts for random_sets, else of supervoxels by their concepts' ranks
    tau_ci_low: lower end of its 95 % interval
    tau_ci_high: upper end of its 95 % interval
    spread: standard deviation of a score; random_sets only
    needed: random sets for a spread of 0.05
    n_classes
    n_pairs: pairs of seeds or draws
    """,
    inputs={"choices": "choices", "importance": "supervoxel_importance", "variants": "variant_agreement"},
    figure=Figure("stability_figure", {"table": "stability"}),
)
def stability_table(choices: pd.DataFrame, importance: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """Agreement of ranks and spread of scores over every choice.

    Parameters
    ----------
    choices : DataFrame
        model, seed, layer, what, value, draw, class, tau, spread, needed.
    importance : DataFrame
        model, seed, layer, class, video, clip, level, supervoxel, importance.
    variants : DataFrame
        model, seed, layer, variant, class, tau: those of another layer are taken.

    Returns
    -------
    DataFrame
        model, layer, what (random_sets, clusters, draws, seeds, layer), value, tau (Kendall's tau-b of ranks:
        of concepts for random_sets, else of supervoxels by their concepts' ranks), tau_ci_low, tau_ci_high (95 %,
        bootstrap over classes and seeds), spread (standard deviation of a score; random_sets only), needed
        (random sets for a spread of 0.05), n_classes, n_pairs (of seeds or draws).
    """
    layers = variants[variants["variant"].str.startswith("layer_")]
    layers = layers.assign(what="layer", value=layers["variant"].str.removeprefix("layer_"))
    pairs = pd.DataFrame(
        _between_seeds(importance), columns=["model", "layer", "what", "value", "class", "seed", "tau"]
    )
    columns = ["model", "seed", "layer", "what", "value", "draw", "class", "tau", "spread", "needed"]
    parts = [
        part.reindex(columns=columns).fillna({"draw": 0}) for part in (choices, layers, pairs) if len(part)
    ]
    table = pd.concat(parts).astype({"seed": str})
    rows = []
    for key, group in table.groupby(["model", "layer", "what", "value"], sort=False):
        wide = group.pivot_table(index=["seed", "draw"], columns="class", values="tau").dropna(axis=1)
        low, high = bootstrap_interval(wide.to_numpy())
        rows.append(
            {
                **dict(zip(["model", "layer", "what", "value"], key, strict=True)),
                "tau": wide.to_numpy().mean() if wide.size else np.nan,
                "tau_ci_low": low,
                "tau_ci_high": high,
                "spread": group["spread"].mean(),
                "needed": group["needed"].mean(),
                "n_classes": wide.shape[1],
                "n_pairs": wide.shape[0],
            }
        )
    return pd.DataFrame(rows)


def _between_seeds(importance: pd.DataFrame) -> Iterable[tuple]:
    """tau between every two seeds of a network, and between every two of its layers."""
    for (model, layer, class_name), group in importance.groupby(["model", "layer", "class"], sort=False):
        seeds = sorted(group["seed"].unique())
        for first in range(len(seeds)):
            for second in range(first + 1, len(seeds)):
                a, b = (group[group["seed"] == seeds[number]] for number in (first, second))
                yield (
                    model,
                    layer,
                    "seeds",
                    "training",
                    class_name,
                    f"{seeds[first]} {seeds[second]}",
                    rank_agreement(a, b),
                )
    for (model, seed, class_name), group in importance.groupby(["model", "seed", "class"], sort=False):
        layers = list(group["layer"].unique())
        for other in layers[1:]:
            a, b = (group[group["layer"] == name] for name in (layers[0], other))
            yield model, layers[0], "layer", other, class_name, seed, rank_agreement(a, b)
