"""Whether relevance leans to one side of the frame, whatever is shown."""

from __future__ import annotations

import numpy as np

OUTER = 8  # an eighth of the frame at each side


def position_bias(relevance: np.ndarray, mirrored: np.ndarray, axis: str) -> dict[str, float]:
    """Compare the two sides of the frame over clips and their mirror images, in which content balances out.

    Parameters
    ----------
    relevance, mirrored : (N, T, H, W) float
        Of clips, and of their mirror images as these lie, for the same classes. Negative relevance does not
        count, and each clip counts alike.
    axis : {"width", "height"}
        Of which the two sides are compared. Content balances out along the axis that was mirrored.

    Returns
    -------
    dict
        ``halves``: relevance of the left (upper) half over that of the right (lower) one, 1 without bias.
        ``first``, ``last``: share of the outermost eighth on each side over its share of the area.
    """
    profiles = []
    for maps in (relevance, mirrored):
        maps = np.clip(np.asarray(maps, dtype=np.float64), 0, None)
        profile = maps.sum((1, 2) if axis == "width" else (1, 3))
        profiles.append(profile / np.maximum(profile.sum(1, keepdims=True), np.finfo(float).tiny))
    profile = np.concatenate(profiles).mean(0)
    # Shares up to any place, which may lie within a pixel.
    edges, shares = np.arange(len(profile) + 1) / len(profile), np.append(0, np.cumsum(profile))
    half, first, last = np.interp([1 / 2, 1 / OUTER, 1 - 1 / OUTER], edges, shares)
    total = shares[-1]
    return {
        "halves": half / (total - half) if half < total else np.inf,
        "first": OUTER * first / total,
        "last": OUTER * (total - last) / total,
    }
