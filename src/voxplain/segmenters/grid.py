"""A control: cuboids that know nothing of the video."""

from __future__ import annotations

import numpy as np
from pydantic import PositiveInt

from . import SEGMENTERS


@SEGMENTERS("grid")
def grid(video: np.ndarray, *, n_segments: tuple[PositiveInt, ...] = (15, 50, 80)) -> np.ndarray:
    """Divide a video into equal cuboids, as cube-like as their number allows, whatever it shows.

    What holds for concepts of cuboids as well as for concepts of supervoxels does not come from the
    segmentation.

    Parameters
    ----------
    video : (T, H, W, 3) uint8
    n_segments : sequence of int
        Approximate number of cuboids of each level, coarse levels first.

    Returns
    -------
    (levels, T, H, W) int : labels from 1
    """
    return np.stack([_cuboids(video.shape[:3], n) for n in n_segments])


def _cuboids(shape: tuple[int, ...], n_segments: int) -> np.ndarray:
    """Labels (T, H, W) of about `n_segments` cuboids."""
    labels, left = np.zeros((1, 1, 1), dtype=np.int64), float(n_segments)
    # The shortest side first: where it has room for one part only, the others share what is left.
    axes = np.argsort(shape, kind="stable")
    for done, axis in enumerate(axes):
        sides = np.array(shape)[axes[done:]]
        edge = (np.prod(sides) / left) ** (1 / len(sides))
        parts = int(np.clip(round(shape[axis] / edge), 1, shape[axis]))
        number = np.arange(shape[axis]) * parts // shape[axis]
        labels = labels * parts + np.expand_dims(number, [other for other in range(3) if other != axis])
        left = max(left / parts, 1.0)
    return labels + 1
