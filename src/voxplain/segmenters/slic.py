"""SLIC supervoxels, as in 3D-ACE."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt
from skimage.segmentation import slic as skimage_slic

from . import SEGMENTERS


@SEGMENTERS("slic")
def slic(
    video: np.ndarray,
    *,
    n_segments: tuple[PositiveInt, ...] = (15, 50, 80),
    compactness: PositiveFloat = 20.0,
    sigma: Annotated[float, Field(ge=0, le=100)] = 1.0,  # the filter is as wide as eight of it
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
    (levels, T, H, W) int : labels from 1

    References
    ----------
    Achanta et al., SLIC superpixels compared to state-of-the-art superpixel methods, PAMI 34 (2012).
    """
    # Floats keep their scale in scikit-image, where uint8 would be divided by 255 first: same video,
    # other rounding, and now and then another label than the official code gives.
    values = video.astype(np.float64)
    return np.stack([skimage_slic(values, n, compactness=compactness, sigma=sigma) for n in n_segments])
