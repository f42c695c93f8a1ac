"""Statistics of rankings, with intervals over groups that stand or fall together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats


def auroc(values: np.ndarray, positive: np.ndarray) -> float:
    """Probability that a positive has a greater value than a negative, ties counted half.

    Parameters
    ----------
    values : (n,) float
    positive : (n,) bool

    Returns
    -------
    float : NaN without a positive or without a negative
    """
    positive = np.asarray(positive, dtype=bool)
    n = int(positive.sum())
    if n in (0, len(positive)):
        return float("nan")
    ranks = stats.rankdata(values)
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(positive) - n)))


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation, ties given their mean rank; NaN where either is constant."""
    a, b = stats.rankdata(a), stats.rankdata(b)
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def grouped_interval(
    statistic: Callable[..., float],
    arrays: Sequence[np.ndarray],
    groups: Sequence[np.ndarray],
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic of rows, resampling whole groups.

    Rows that share a group, such as the concepts of one class or of one training seed, are drawn
    together, since they are not independent. With several groupings each is resampled on its own (the
    pigeonhole bootstrap): a row counts as often as all of its groups are drawn, multiplied.

    Parameters
    ----------
    statistic : callable
        Of the arrays' rows; draws for which it is NaN are left out.
    arrays : sequence of (n,) array
    groups : sequence of (n,) array
        One or more groupings of the rows.

    Returns
    -------
    (low, high) : floats, NaN where no draw gives a number
    """
    rng = np.random.default_rng(seed)
    arrays = [np.asarray(array) for array in arrays]
    codes = [np.unique(np.asarray(group), return_inverse=True)[1] for group in groups]
    found = []
    for _ in range(resamples):
        counts = np.ones(len(arrays[0]), dtype=int)
        for code in codes:
            n = code.max() + 1
            counts *= rng.multinomial(n, np.full(n, 1 / n))[code]
        rows = np.repeat(np.arange(len(counts)), counts)
        if len(rows):
            found.append(statistic(*(array[rows] for array in arrays)))
    known = np.array(found)[~np.isnan(found)] if found else np.array([])
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def shuffled_p_value(
    statistic: Callable[[np.ndarray, np.ndarray], float],
    a: np.ndarray,
    b: np.ndarray,
    groups: np.ndarray,
    *,
    shuffles: int = 999,
    seed: int = 0,
) -> float:
    """Two-sided p-value that `a` and `b` are unrelated within groups, by shuffling `a` within each.

    Parameters
    ----------
    statistic : callable
        Of two (n,) arrays.
    a, b, groups : (n,) array

    Returns
    -------
    float
        In (0, 1]: twice the smaller tail, with one added to all counts. NaN where the statistic is.
    """
    observed = statistic(a, b)
    if np.isnan(observed):
        return float("nan")
    rng = np.random.default_rng(seed)
    a, groups = np.asarray(a), np.asarray(groups)
    rows = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    null = np.empty(shuffles)
    for draw in range(shuffles):
        shuffled = a.copy()
        for own in rows:
            shuffled[own] = a[rng.permutation(own)]
        null[draw] = statistic(shuffled, b)
    tails = np.sum(null >= observed - 1e-12), np.sum(null <= observed + 1e-12)
    return float(min(1.0, 2 * (1 + min(tails)) / (1 + shuffles)))
