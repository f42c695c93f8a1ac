"""Relevance drawn over frames."""

from __future__ import annotations

import matplotlib
import numpy as np


def overlay(
    clip: np.ndarray, relevance: np.ndarray, *, strength: float = 0.85, limit: float | None = None
) -> np.ndarray:
    """Draw relevance over the darkened, gray clip: the brighter and yellower, the more relevant.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8
    relevance : (T, H, W) float
        Of negative relevance, the magnitude is shown.
    strength : float
        Of the overlay, 0..1.
    limit : float, optional
        Relevance of the brightest color; by default `brightest` of the whole map.

    Returns
    -------
    (T, H, W, 3) uint8
    """
    amount = np.clip(np.abs(relevance) / (limit or brightest(relevance)), 0, 1)
    gray = clip.mean(axis=-1, keepdims=True, dtype=np.float32) / 255 * 0.6
    colors = matplotlib.colormaps["inferno"](amount)[..., :3]
    weight = strength * np.sqrt(amount)[..., None]
    return np.rint(255 * ((1 - weight) * gray + weight * colors)).astype(np.uint8)


def brightest(relevance: np.ndarray) -> float:
    """Magnitude that gets the brightest color: a few extreme voxels would leave all others dark."""
    amount = np.abs(relevance)
    return float(np.percentile(amount, 99.5) or amount.max() or 1.0)
