"""Random sets of supervoxels that are shown, and what scores of such sets say of each supervoxel."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
from sklearn.linear_model import LinearRegression


def shown_in_half(rng: np.random.Generator, count: int, samples: int) -> np.ndarray:
    """Random sets of shown supervoxels, each followed by its complement.

    Returns
    -------
    (samples or one less, count) bool
    """
    half = rng.random((samples // 2, count)) < 0.5
    return np.stack([half, ~half], axis=1).reshape(-1, count)


def shown_less_hidden(shown: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Mean score where a supervoxel is shown less that where it is hidden.

    Parameters
    ----------
    shown : (samples, supervoxels) bool
        Every supervoxel is shown in half of the samples.
    scores : (samples, ...) float

    Returns
    -------
    (supervoxels, ...) float
    """
    return (2 * shown - 1).T @ scores / (len(shown) / 2)


def shown_by_shapley_kernel(rng: np.random.Generator, count: int, samples: int) -> np.ndarray:
    """Sets of shown supervoxels drawn by the Shapley kernel, each followed by its complement; all sets where they are no more.

    Returns
    -------
    (sets, count) bool : neither the empty set nor the whole one, unless there is but one supervoxel
    """
    if count == 1:
        return np.zeros((0, 1), dtype=bool)
    if 2**count - 2 <= samples:
        sets = np.array(list(product([False, True], repeat=count)))[1 : 2 ** (count - 1)]
    else:
        sizes = np.arange(1, count)
        # The kernel of one set, times the number of sets of its size.
        chance = 1 / (sizes * (count - sizes))
        drawn = rng.choice(sizes, size=samples // 2, p=chance / chance.sum())
        sets = rng.random((len(drawn), count)).argsort(axis=1) < drawn[:, None]
    return np.stack([sets, ~sets], axis=1).reshape(-1, count)


def shapley_values(shown: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Shapley values from the scores of sets, by least squares that keeps the sum.

    Parameters
    ----------
    shown : (sets + 2, supervoxels) bool
        The empty set, the whole one, and sets from `shown_by_shapley_kernel`.
    scores : (sets + 2,) float

    Returns
    -------
    (supervoxels,) float64 : they sum to the score of the whole set less that of the empty one
    """
    (empty, whole), count = scores[:2], shown.shape[1]
    sets, gains = shown[2:].astype(float), scores[2:] - empty
    if count == 1:
        return np.array([whole - empty])
    weight = None
    if len(sets) == 2**count - 2:  # all of them, instead of as often as the kernel says
        size = sets.sum(axis=1)
        weight = 1 / (np.array([comb(count, int(n)) for n in size]) * size * (count - size))
    # The last value is what the others leave.
    rest = LinearRegression(fit_intercept=False).fit(
        sets[:, :-1] - sets[:, -1:], gains - sets[:, -1] * (whole - empty), sample_weight=weight
    )
    return np.append(rest.coef_, whole - empty - rest.coef_.sum())
