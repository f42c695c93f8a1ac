"""What tables of several checks share: means of units that are independent, and of seeds where they share units."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..statistics import mean_interval

NETWORK = ["model", "layer"]
CONCEPT = ["model", "seed", "layer", "class", "concept"]


def by_unit(rows: pd.DataFrame, unit: str, column: str) -> np.ndarray:
    """Means as (seeds, units), of the units that have a value for every seed.

    Where rows have a column draw, and there is one seed, its draws stand in the seeds' place: what is said then
    holds for that network and other draws. Of several seeds draws are averaged, since they lie within seeds.
    """
    over = "draw" if "draw" in rows and rows["seed"].nunique() == 1 else "seed"
    wide = rows.pivot_table(index=over, columns=unit, values=column, aggfunc="mean", sort=True)
    return wide.dropna(axis=1).to_numpy(dtype=float).reshape(len(wide), -1)


def mean_of(name: str, values: np.ndarray) -> dict[str, float]:
    """Mean of (seeds, units) values and its interval: columns name, name_ci_low and name_ci_high."""
    low, high = mean_interval(values)
    return {name: float(values.mean()) if values.size else np.nan, **ends(name, low, high)}


def ends(name: str, low: float, high: float) -> dict[str, float]:
    """Columns name_ci_low and name_ci_high."""
    return {f"{name}_ci_low": low, f"{name}_ci_high": high}


def ratio_values(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Values per unit whose mean is the ratio of two means, and whose spread is that ratio's (delta method).

    Parameters
    ----------
    numerator, denominator : (seeds, units) float
        Of the same units.

    Returns
    -------
    (seeds, units) float : NaN where the mean of the denominator is not above 0
    """
    below = denominator.mean() if denominator.size else 0.0
    if not below > 0:
        return np.full(np.shape(numerator), np.nan)
    ratio = numerator.mean() / below
    return ratio + (numerator - ratio * denominator) / below


def pair_values(means: np.ndarray) -> np.ndarray:
    """Values per unit for the mean over pairs of units, from each unit's mean over the pairs that it is in.

    A unit stands in several pairs, so the spread of its means is too small by the half that all units share: twice
    the distance from the mean is the projection on which the variance of a mean over pairs rests (Hoeffding,
    Annals of Mathematical Statistics 19 (1948), p. 293).

    Parameters
    ----------
    means : (seeds, units) float

    Returns
    -------
    (seeds, units) float : of the same mean
    """
    return 2 * means - means.mean(axis=1, keepdims=True)
