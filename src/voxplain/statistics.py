"""Intervals and tests for the tables. Libraries where they have it; otherwise a few lines.

All functions take plain arrays. What is independent is the caller's to say: videos or their
groups, or classes, but no clips or supervoxels of one video.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache

import numpy as np
import scipy  # whose parts are loaded when they are used

FEWEST_UNITS = 3  # of fewer, no interval


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
    interval = scipy.stats.binomtest(int(successes), n).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def mean_interval(
    values: np.ndarray, *, share: bool = False, change: bool = False, level: float = 0.95
) -> tuple[float, float]:
    """Interval of a mean over independent units, and over training seeds that see the same units.

    Units are what is independent of each other: videos where a network is asked about videos, classes where
    a ranking is shared by a class's videos. Which interval it is:

    - shares that are 0 or 1, of one seed or the same everywhere: Wilson's over units, which is cautious, since no
      share of the same mean spreads more;
    - changes of answers that are -1, 0 or 1, likewise: the normal one of two units more, one that gains and one that
      loses (Bonett and Price, Journal of Educational and Behavioral Statistics 37 (2012), p. 479), which is cautious,
      too. A change that is rare is often not seen in few units, and Student's t covers it in half of the cases;
    - else one seed: Student's t over units;
    - several seeds: Student's t of the mean of two crossed random effects, seed and unit, with Satterthwaite's
      degrees of freedom. With 3 seeds these are few, and the interval is as wide as that makes it.

    Parameters
    ----------
    values : (units,) or (seeds, units) float
        NaN is a value that is not there: its unit is left out in all seeds.
    share : bool
        Values lie between 0 and 1, as outcomes, accuracies, precisions and AUROCs do, and so does the interval.
    change : bool
        Values are how answers that are right or wrong change, between -1 and 1, and so lies the interval.

    Returns
    -------
    (low, high) : floats; NaN where there are too few units to say, fewer than 3. Of other values that are all equal,
    that value twice.
    """
    table = _complete(values)
    if table.shape[1] < FEWEST_UNITS:
        return np.nan, np.nan
    same = np.ptp(table) == 0
    alone = same or len(table) == 1
    if share and alone and np.isin(table, (0, 1)).all():
        return wilson_interval(int(table[0].sum()), table.shape[1], level=level)
    if change and alone and np.isin(table, (-1, 0, 1)).all():
        more = np.append(table[0], [-1, 1])
        mean, error, freedom = more.mean(), more.std() / len(more) ** 0.5, np.inf
    else:
        mean, error, freedom = _crossed_error(table)
        error = 0.0 if same else error
    reach = error * scipy.stats.t.ppf(_ends(level)[1], freedom)
    lowest, highest = 0 if share else -1 if change else -np.inf, 1 if share or change else np.inf
    low, high = np.clip((mean - reach, mean + reach), lowest, highest)
    return float(low), float(high)


def mean_p_value(values: np.ndarray) -> float:
    """Two-sided p-value that a mean over units, and over training seeds, is 0.

    One seed: the exact test of flipped signs (`paired_test`), which for outcomes of -1, 0 and 1 is McNemar's.
    Several: the test that belongs to `mean_interval`, since what seeds have in common does not flip; but where all
    values are equal, which leaves that no error to go by, the former one.

    Parameters
    ----------
    values : (units,) or (seeds, units) float
        Differences; NaN as for `mean_interval`.

    Returns
    -------
    float in (0, 1]; NaN for fewer than 3 units
    """
    table = _complete(values)
    if table.shape[1] < FEWEST_UNITS:
        return np.nan
    mean, error, freedom = _crossed_error(table)
    if len(table) == 1 or np.ptp(table) <= 1e-9 * np.abs(table).max():
        return paired_test(table.mean(axis=0), np.zeros(table.shape[1]))
    return float(2 * scipy.stats.t.sf(abs(mean) / error, freedom))


def _complete(values: np.ndarray) -> np.ndarray:
    table = np.atleast_2d(np.asarray(values, dtype=float))
    return table[:, ~np.isnan(table).any(axis=0)]


def _crossed_error(table: np.ndarray) -> tuple[float, float, float]:
    """Mean of (seeds, units) values, its standard error and that error's degrees of freedom.

    The variance of the mean is (MS of seeds + MS of units - MS of the rest) / n; where what is taken away leaves
    less than the largest of the three, that one stands for it.
    """
    seeds, units = table.shape
    mean, by_seed, by_unit = table.mean(), table.mean(axis=1), table.mean(axis=0)
    if seeds == 1:
        return mean, float(np.sqrt(by_unit.var(ddof=1) / units)), units - 1
    rest = table - by_seed[:, None] - by_unit + mean
    freedoms = np.array([seeds - 1, units - 1, (seeds - 1) * (units - 1)])
    squares = np.array(
        [units * by_seed.var(ddof=1), seeds * by_unit.var(ddof=1), (rest**2).sum() / freedoms[2]]
    )
    total, largest = squares @ [1, 1, -1], squares.argmax()
    if total > squares[largest]:
        freedom = total**2 / (squares**2 / freedoms).sum()
    else:
        total, freedom = squares[largest], freedoms[largest]
    return mean, float(np.sqrt(total / table.size)), float(freedom)


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


def group_values(values: np.ndarray, groups: Iterable[Hashable] | None) -> np.ndarray:
    """Values per group of units that are not independent of each other; their mean is that over the units.

    Of groups of one size they are the groups' means, else as far from the mean as leaving the group out moves it, times
    the number of the others (the jackknife's), and stretched so that an interval with as many degrees of freedom as
    there are groups, less one, is as wide as one with Satterthwaite's. The delta method of a ratio takes the mean for
    known, and the mean hangs on a large group: of one group of twelve videos among ten of one, all of a group alike, its
    intervals cover 76 %, the jackknife's 91 % and these 98 %; where the largest of 14 has ten and the smallest one, 89,
    92 and 95 %.

    Parameters
    ----------
    values : (units,) or (seeds, units) float
        NaN as for `mean_interval`.
    groups : (units,), optional
        The group of each unit; each is its own where not given.

    Returns
    -------
    (seeds, groups) float
    """
    table = np.atleast_2d(np.asarray(values, dtype=float))
    if groups is None:
        return table
    known = ~np.isnan(table).any(axis=0)
    codes = np.unique([str(group) for group in groups], return_inverse=True)[1][known]
    member = np.eye(codes.max(initial=-1) + 1)[codes]
    member = member[:, member.any(axis=0)]
    sums, sizes = table[:, known] @ member, member.sum(axis=0)
    if len(set(sizes)) <= 1:
        return sums / sizes
    total, count = sums.sum(axis=1, keepdims=True), sizes.sum()
    without = (total - sums) / (count - sizes)
    others = len(sizes) - 1
    quantile = scipy.stats.t.ppf(_ends(0.95)[1], [_group_freedom(tuple(sizes)), others])
    stretch = quantile[0] / quantile[1]
    return total / count - others * stretch * (without - without.mean(axis=1, keepdims=True))


@lru_cache(maxsize=64)
def _group_freedom(sizes: tuple[float, ...]) -> float:
    """Degrees of freedom of the jackknife's variance over groups, if units were independent.

    Twice the squared mean of that variance over its own variance (Satterthwaite), as Bell and McCaffrey have it
    for regressions (Survey Methodology 28 (2002), p. 169).

    Parameters
    ----------
    sizes : (groups,)
        Units of each group.
    """
    units = np.asarray(sizes)
    # Of groups' sums in the mean without each of them.
    weights = (1 - np.eye(len(units))) / (units.sum() - units)[:, None]
    moves = (weights - weights.mean(axis=0)) * np.sqrt(units)
    products = moves @ moves.T
    return float(np.trace(products) ** 2 / (products**2).sum())


def units_needed(deviation: float, difference: float, *, power: float = 0.8, level: float = 0.05) -> int:
    """Independent units that a two-sided paired t-test needs to find a mean difference.

    Parameters
    ----------
    deviation : float
        Standard deviation of the difference over units.
    difference : float
        To be found, above 0.
    power : float
        Probability of finding it.
    level : float
        Of the test.

    Returns
    -------
    int
        At least `FEWEST_UNITS`.
    """
    units = FEWEST_UNITS
    while True:
        limit = scipy.stats.t.ppf(1 - level / 2, units - 1)
        shift = difference / deviation * units**0.5
        found = scipy.stats.nct.sf(limit, units - 1, shift) + scipy.stats.nct.cdf(-limit, units - 1, shift)
        if found >= power:
            return units
        units += 1


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
        return float(scipy.stats.binomtest(int(np.sum(difference > 0)), len(difference)).pvalue)
    signs = _flipped_signs(flips, len(difference), seed)
    # The tolerance keeps ties ties: sums of equal fractions differ in their last bits.
    extreme = np.abs(signs @ difference) >= np.abs(difference.sum()) - 1e-9
    return float((1 + extreme.sum()) / (1 + flips))


@lru_cache(maxsize=4)  # tables ask thousands of times for as many videos
def _flipped_signs(flips: int, n: int, seed: int) -> np.ndarray:
    """(flips, n) of -1 and 1."""
    return np.random.default_rng(seed).choice([-1.0, 1.0], size=(flips, n))


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


def chosen_p_value(values: np.ndarray, *, draws: int = 9999, seed: int = 0) -> float:
    """Two-sided p-value that what each unit chose was drawn from its candidates, each as likely.

    The mean over units of the chosen candidates is placed among the means of candidates drawn at random, in every
    unit on its own. Of whatever distribution the values are and however they hang together, the test is exact.

    Parameters
    ----------
    values : (units, candidates) float
        The chosen one first.

    Returns
    -------
    float
        In (0, 1]: twice the smaller tail, with one added to all counts. NaN without a unit.
    """
    units, candidates = values.shape
    if not units:
        return float("nan")
    chosen = np.random.default_rng(seed).integers(candidates, size=(draws, units))
    null, observed = values[np.arange(units), chosen].sum(axis=1), values[:, 0].sum()
    tails = np.sum(null >= observed - 1e-9), np.sum(null <= observed + 1e-9)
    return float(min(1.0, 2 * (1 + min(tails)) / (1 + draws)))


def adjust_p_values(p_values: np.ndarray) -> np.ndarray:
    """Correct p-values for multiple tests by Benjamini and Hochberg's rule; NaN stay NaN."""
    p_values = np.asarray(p_values, dtype=float)
    adjusted = np.full_like(p_values, np.nan)
    known = ~np.isnan(p_values)
    if known.any():
        adjusted[known] = scipy.stats.false_discovery_control(p_values[known])
    return adjusted


def auroc(values: np.ndarray, positive: np.ndarray) -> float:
    """Probability that a positive has a greater value than a negative, ties counted half.

    scikit-learn's ``roc_auc_score`` is the same, at a hundred times the cost for a bootstrap's small samples.

    Parameters
    ----------
    values : (n,) float, or of any shape
    positive : bool, of the same shape

    Returns
    -------
    float : NaN without a positive or without a negative
    """
    values, positive = np.asarray(values), np.asarray(positive, dtype=bool)
    found, others = np.sort(values[positive]), np.sort(values[~positive])
    if not len(found) or not len(others):
        return float("nan")
    # Of every positive, how many negatives rank below it, twice; whole numbers, so that nothing is rounded.
    below = np.searchsorted(others, found, "left") + np.searchsorted(others, found, "right")
    return float(below.sum() / (2 * len(found) * len(others)))


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation, ties given their mean rank; NaN where either is constant."""
    a, b = scipy.stats.rankdata(a), scipy.stats.rankdata(b)
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def row_taus(values: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of each row of (draws, n) with (n,), all rows at once; NaN where either is constant.

    For a single long ranking take ``scipy.stats.kendalltau``: the cost here grows with n squared.
    """
    i, j = np.triu_indices(len(other), 1)
    mine, theirs = np.sign(values[:, i] - values[:, j]), np.sign(other[i] - other[j])
    size = np.sqrt((mine**2).sum(axis=1) * (theirs**2).sum())
    return np.divide(mine @ theirs, size, out=np.full(len(values), np.nan), where=size > 0)


def _ends(level: float) -> tuple[float, float]:
    return (1 - level) / 2, (1 + level) / 2
