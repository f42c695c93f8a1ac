"""Random sets: the negatives of CAVs, and random concepts as their control."""

from __future__ import annotations

import numpy as np

from ..errors import VoxplainError


def draw_sets(pool: np.ndarray, *, sets: int, size: int, seed: int) -> np.ndarray:
    """Draw sets of samples from a pool, each without repetition.

    Parameters
    ----------
    pool : (n, d) float
    sets : int
    size : int
        Samples per set; the whole pool if it is smaller.
    seed : int

    Returns
    -------
    (sets, size, d) float

    Raises
    ------
    VoxplainError
        The pool is too small for two different sets.
    """
    size = min(size, len(pool) - 1)
    if size < 3:
        raise VoxplainError(
            f"Random sets need a pool of at least 4 samples, and there are {len(pool)}: use more videos."
        )
    rng = np.random.default_rng(seed)
    return np.stack([pool[rng.choice(len(pool), size, replace=False)] for _ in range(sets)])
