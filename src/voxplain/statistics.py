"""Intervals and tests for the tables. Libraries where they have it; otherwise a few lines.

All functions take plain arrays. A *video* is always the unit that is resampled, because clips and
supervoxels of one video are not independent.
"""

from __future__ import annotations

import numpy as np
from scipy import stats


def wilson_interval(successes: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion.

    Parameters
    ----------
    successes : int
        Number of successes, 0..n.
    n : int
        Number of trials; 0 gives ``(nan, nan)``.

    Returns
    -------
    (low, high) : floats in [0, 1]
    """
    if n == 0:
        return np.nan, np.nan
    interval = stats.binomtest(int(successes), n).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap_interval(
    values: np.ndarray, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean, resampling videos and, if given, seeds.

    Parameters
    ----------
    values : (videos,) or (seeds, videos) float
        One value per video, or per training seed and video. With two axes both are resampled
        independently (the pigeonhole bootstrap), since all seeds see the same videos.

    Returns
    -------
    (low, high) : floats
    """
    table = np.atleast_2d(np.asarray(values, dtype=float))
    if table.size == 0:
        return np.nan, np.nan
    n_seeds, n_videos = table.shape
    rng = np.random.default_rng(seed)
    videos = rng.multinomial(n_videos, np.full(n_videos, 1 / n_videos), size=resamples) / n_videos
    seeds = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=resamples) / n_seeds
    means = np.einsum("rs,sv,rv->r", seeds, table, videos)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_test(a: np.ndarray, b: np.ndarray, *, flips: int = 9999, seed: int = 0) -> float:
    """Two-sided p-value that paired outcomes per video have equal means.

    With outcomes of 0 and 1 this is McNemar's exact test. With means over several random draws,
    whose differences are fractions, it is the sign-flip permutation test of which McNemar's test
    is the special case.

    Parameters
    ----------
    a, b : (videos,) float
        Outcome per video under the two conditions.
    """
    difference = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    difference = difference[difference != 0]
    if len(difference) == 0:
        return 1.0
    if np.all(np.abs(difference) == 1):
        return float(stats.binomtest(int(np.sum(difference > 0)), len(difference)).pvalue)
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], size=(flips, len(difference)))
    # The tolerance keeps ties ties: sums of equal fractions differ in their last bits.
    extreme = np.abs(signs @ difference) >= np.abs(difference.sum()) - 1e-9
    return float((1 + extreme.sum()) / (1 + flips))


def rank_p_value(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Two-sided p-values of observed statistics by their rank among draws of a null.

    ``p = min(1, 2 min(P(null >= observed), P(null <= observed)))`` with one added to both counts,
    so that p is never 0 and is valid for any shape of null, ties included.

    Parameters
    ----------
    observed : (n,) float
    null : (draws,) float

    Returns
    -------
    (n,) float in (0, 1]
    """
    null = np.sort(np.asarray(null, dtype=float))
    observed = np.asarray(observed, dtype=float)
    at_most = np.searchsorted(null, observed, side="right")
    at_least = len(null) - np.searchsorted(null, observed, side="left")
    return np.minimum(1.0, 2 * (1 + np.minimum(at_most, at_least)) / (1 + len(null)))


def adjust_p_values(p_values: np.ndarray) -> np.ndarray:
    """Correct p-values for multiple tests by Benjamini and Hochberg's rule; NaN stay NaN."""
    p_values = np.asarray(p_values, dtype=float)
    adjusted = np.full_like(p_values, np.nan)
    known = ~np.isnan(p_values)
    if known.any():
        adjusted[known] = stats.false_discovery_control(p_values[known])
    return adjusted
