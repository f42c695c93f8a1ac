"""Importance of concepts by hiding random subsets of them, beside importance by direction."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..faithfulness.compute import answer_masks


def total_effects(squares: np.ndarray, variance: float | np.ndarray, *, flip: bool = True) -> np.ndarray:
    """Sobol total effects by Jansen's estimator.

    Parameters
    ----------
    squares : (..., d) float
        Mean squared change of the function when input i alone is another.
    variance : float, or broadcast to squares
        Of the function.
    flip : bool
        How it is another: True for the other one of two equally likely values; False for a fresh independent
        draw, which of such a pair is the same value half the time.

    Returns
    -------
    (..., d) float : 0 where the function does not vary

    References
    ----------
    Jansen, Computer Physics Communications 117 (1999), p. 35: E[(f - f_i)^2] / (2 Var f).
    """
    squares, variance = np.broadcast_arrays(
        np.asarray(squares, dtype=float), np.asarray(variance, dtype=float)
    )
    return np.divide(squares / (4 if flip else 2), variance, out=np.zeros(squares.shape), where=variance > 0)


def concept_masks(
    labels: np.ndarray, supervoxels: np.ndarray, concepts: np.ndarray, count: int
) -> np.ndarray:
    """Voxels of each concept in a clip.

    Supervoxels of several levels overlap, and so do concepts.

    Parameters
    ----------
    labels : (levels, T, H, W) uint16
    supervoxels : (n, 2) int
        (level, label) of each kept supervoxel.
    concepts : (n,) int
        Its concept; -1 for none.
    count : int
        Concepts of the class.

    Returns
    -------
    (count, T, H, W) bool
    """
    masks = np.zeros((count, *labels.shape[1:]), dtype=bool)
    for concept in range(count):
        for number, level in enumerate(labels):
            rows = (supervoxels[:, 0] == number) & (concepts == concept)
            if rows.any():
                inside = np.zeros(int(level.max()) + 1, dtype=bool)
                inside[supervoxels[rows, 1]] = True
                masks[concept] |= inside[level]
    return masks


def ablate(
    answer: Callable[[np.ndarray], np.ndarray],
    clip: np.ndarray,
    masks: np.ndarray,
    *,
    subsets: int,
    seed,
    **options,
) -> dict[str, np.ndarray]:
    """Hide random subsets of concepts, and the same subsets with each concept changed over.

    A voxel is hidden if any concept that it belongs to is. Each concept is shown with probability 1/2.

    Parameters
    ----------
    answer : callable
        Maps clips (n, T, H, W, 3) uint8 to one or several outcomes (n,) or (n, outcomes).
    clip : (T, H, W, 3) uint8
    masks : (concepts, T, H, W) bool
        From `concept_masks`.
    subsets, seed
        Number of subsets, and their seed.
    **options
        Of `hide`.

    Returns
    -------
    dict
        squares (concepts, outcomes): mean squared change of the answer when a concept changes over;
        gains (concepts, outcomes): mean answer with the concept minus without, in the same company (its
        Banzhaf value); variance (outcomes,): of the answers over subsets, from `independent_variance`.
        All are 0 where the clip has none of the concepts.
    """
    players = np.flatnonzero(masks.any(axis=(1, 2, 3)))  # what the clip does not have changes nothing
    shown = np.random.default_rng(seed).random((subsets, len(players))) < 0.5
    flips = shown[:, None, :] ^ np.eye(len(players), dtype=bool)
    every = np.concatenate([shown, flips.reshape(subsets * len(players), len(players))])
    unique, index = np.unique(every, axis=0, return_inverse=True)
    hidden = [masks[players[~row]].any(axis=0) for row in unique]
    answers = answer_masks(answer, clip, hidden, **options)[index.ravel()]
    answers = answers.reshape(len(every), -1).astype(float)
    base, changed = answers[:subsets], answers[subsets:].reshape(subsets, len(players), answers.shape[1])
    change = base[:, None] - changed
    sign = np.where(shown, 1.0, -1.0)[..., None]
    squares, gains = np.zeros((2, len(masks), answers.shape[1]))
    squares[players], gains[players] = (change**2).mean(axis=0), (sign * change).mean(axis=0)
    # Points and their changes are alike in distribution, so both tell the variance.
    groups = np.concatenate([base[:, None], changed], axis=1)
    return {"squares": squares, "gains": gains, "variance": independent_variance(groups)}


def independent_variance(groups: np.ndarray) -> np.ndarray:
    """Variance of a function, without bias, from groups of points of which those of one group hang together.

    A point and its changes are alike, so that the variance of all of them together is too small, the more so the
    fewer groups there are. Half the mean squared difference of two points of different groups is not.

    Parameters
    ----------
    groups : (n, points, ...) float
        At least two groups.

    Returns
    -------
    (...) float : at least 0
    """
    n, points = groups.shape[:2]
    every = (n * points) ** 2 * groups.reshape(n * points, *groups.shape[2:]).var(axis=0)
    within = points**2 * groups.var(axis=1).sum(axis=0)
    return np.maximum(every - within, 0) / (points**2 * n * (n - 1))
