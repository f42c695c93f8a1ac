"""SLIC supervoxels, as in 3D-ACE."""

from __future__ import annotations

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from skimage.segmentation import slic as skimage_slic

from ..errors import VoxplainError
from . import REGISTRY


@REGISTRY("slic")
def slic(
    video: np.ndarray,
    *,
    n_segments: tuple[PositiveInt, ...] = (15, 50, 80),
    compactness: PositiveFloat = 20.0,
    sigma: NonNegativeFloat = 1.0,
) -> np.ndarray:
    """Divide a video by k-means on color and position, once per number of segments.

    Parameters
    ----------
    video : (T, H, W, 3) uint8
    n_segments : sequence of int
        Approximate number of supervoxels of each level, coarse levels first.
    compactness : float
        Weight of position against color: higher gives more cube-like supervoxels.
    sigma : float
        Width in voxels of the Gaussian that smooths the video first, in time too; 0 for none.

    Returns
    -------
    (levels, T, H, W) uint16 : labels from 1

    Raises
    ------
    VoxplainError
        The video has another shape or type, or a level has more supervoxels than labels can count.
    """
    if video.ndim != 4 or video.shape[-1] != 3 or video.dtype != np.uint8 or not video.size:
        raise VoxplainError(
            f"A video to segment must be uint8 of shape (T, H, W, 3), not {video.dtype} of shape "
            f"{video.shape}. Convert it first."
        )
    # Floats keep their scale in scikit-image, where uint8 would be divided by 255 first: same video,
    # other rounding, and now and then another label than the official code gives.
    values = video.astype(np.float64)
    labels = [skimage_slic(values, n, compactness=compactness, sigma=sigma) for n in n_segments]
    most = max(level.max() for level in labels)
    if most > np.iinfo(np.uint16).max:
        raise VoxplainError(f"{most} supervoxels in one level are more than 65535. Lower n_segments.")
    return np.stack(labels).astype(np.uint16)
