"""What tables of several checks share. Videos, and seeds where they share videos, are resampled."""

from __future__ import annotations

import numpy as np
import pandas as pd

NETWORK = ["model", "layer"]
CONCEPT = ["model", "seed", "layer", "class", "concept"]


def by_video(rows: pd.DataFrame, column: str) -> np.ndarray:
    """Means over clips as (seeds, videos)."""
    return rows.pivot_table(
        index="seed", columns="video", values=column, aggfunc="mean", sort=True
    ).to_numpy()


def bootstrap_weights(n: int, resamples: int = 2000, seed: int = 0) -> np.ndarray:
    """Bootstrap weights (resamples, n) that sum to 1."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples) / n


def row_taus(values: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of each row of (draws, n) with (n,); NaN where one of them is constant."""
    i, j = np.triu_indices(len(other), 1)
    mine, theirs = np.sign(values[:, i] - values[:, j]), np.sign(other[i] - other[j])
    size = np.sqrt((mine**2).sum(axis=1) * (theirs**2).sum())
    return np.divide(mine @ theirs, size, out=np.full(len(values), np.nan), where=size > 0)
