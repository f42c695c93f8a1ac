"""What tables of several checks share: means of units that are independent, and of seeds where they share units."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..statistics import group_values, mean_interval
from ..tables import video_groups

NETWORK = ["model", "layer"]
CONCEPT = ["model", "seed", "layer", "class", "concept"]


def by_unit(rows: pd.DataFrame, unit: str, column: str, *, over: str | None = None) -> np.ndarray:
    """Means as (seeds, units), or another column's values `over` for seeds, of the units that have one of each.

    Seeds and units stand in their sorted order. Videos of one group, where the rows say it, are one unit (`group_values`).
    Where rows have a column draw, and there is one seed, its draws stand in the seeds' place: what is said then
    holds for that network and other draws. Of several seeds draws are averaged, since they lie within seeds.
    """
    over = over or ("draw" if "draw" in rows and rows["seed"].nunique() == 1 else "seed")
    known = rows[rows[column].notna()]
    (draws, first), (units, second) = (pd.factorize(known[name], sort=True) for name in (over, unit))
    shape = len(first), len(second)
    flat = draws * shape[1] + units
    total = np.bincount(flat, known[column].to_numpy(dtype=float), shape[0] * shape[1])
    count = np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape)
    there = (count > 0).all(axis=0)
    if not there.any():
        return np.empty((1, 0))
    means = total.reshape(shape)[:, there] / count[:, there]
    groups = video_groups(known) if unit == "video" else None
    return means if groups is None else group_values(means, groups.loc[second[there]])


def mean_of(name: str, values: np.ndarray) -> dict[str, float]:
    """Mean of (seeds, units) values and its interval: columns name, name_ci_low and name_ci_high."""
    low, high = mean_interval(values)
    return {name: float(values.mean()) if values.size else np.nan, **ends(name, low, high)}


def ends(name: str, low: float, high: float) -> dict[str, float]:
    """Columns name_ci_low and name_ci_high."""
    return {f"{name}_ci_low": low, f"{name}_ci_high": high}


def pair_values(means: np.ndarray) -> np.ndarray:
    """Values for the mean over pairs, of seeds say, from each seed's mean over the pairs that it is in.

    A seed stands in several pairs, so the spread of its means is too small by the part that all of them share: twice
    the distance from the mean is the projection that the variance of a mean over pairs rests on (Hoeffding,
    Annals of Mathematical Statistics 19 (1948), p. 293).

    Parameters
    ----------
    means : (seeds, ...) float

    Returns
    -------
    (seeds, ...) float : of the same mean
    """
    return 2 * means - means.mean(axis=0)
