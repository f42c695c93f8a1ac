"""Significance of given concepts, and what they are worth over classes; without a network, as final tables are planned."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...statistics import mean_interval, mean_p_value
from ..scores import mark_significant


def mark_by_source(table: pd.DataFrame, *, alpha: float = 0.05) -> pd.DataFrame:
    """Add p_adjusted and significant, corrected within each name, network, seed, layer and source.

    Each question is a family of its own: what is asked of the control does not weaken what is asked of the idea.

    Parameters
    ----------
    table : DataFrame
        model, seed, layer, source, p_value, and name where there are several.
    alpha : float
    """
    keys = ["name", "model", "seed", "layer", "source"]
    families = table.groupby([key for key in keys if key in table], sort=False, group_keys=False)
    return families[table.columns.tolist()].apply(mark_significant, alpha=alpha)


def summarize_given(table: pd.DataFrame) -> pd.DataFrame:
    """How a given concept and its control do over classes.

    Parameters
    ----------
    table : DataFrame
        model, seed, layer, class, source (given, control), effect, significant.

    Returns
    -------
    DataFrame, a row per network, layer and source
        model, layer, source (given; control; given less control), effect (mean over classes and seeds), ci_low, ci_high
        (95 %, over classes and seeds: `mean_interval`), p_value (that the mean is 0: `mean_p_value`), n_significant (of the
        n rows; for a positive effect), n, n_classes, n_seeds.
    """
    rows = []
    for (model, layer), group in table.groupby(["model", "layer"], sort=False):
        grids = {
            source: some.pivot(index="seed", columns="class", values="effect")
            for source, some in group.groupby("source", sort=False)
        }
        if "control" in grids:
            grids["given less control"] = grids["given"] - grids["control"]
        for source, values in grids.items():
            low, high = mean_interval(values.to_numpy())
            own = group[group["source"] == source]
            rows.append(
                {
                    "model": model,
                    "layer": layer,
                    "source": source,
                    "effect": np.nanmean(values.to_numpy()),
                    "ci_low": low,
                    "ci_high": high,
                    "p_value": mean_p_value(values.to_numpy()),
                    "n_significant": int((own["significant"] & (own["effect"] > 0)).sum()),
                    "n": int(values.notna().to_numpy().sum()),
                    "n_classes": int(values.notna().any().sum()),
                    "n_seeds": int(values.notna().any(axis=1).sum()),
                }
            )
    return pd.DataFrame(rows)
