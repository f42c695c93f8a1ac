"""Supervoxels merged from many small ones, every level a refinement of the one before."""

from __future__ import annotations

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from scipy.sparse import coo_matrix
from skimage.color import rgb2lab
from skimage.segmentation import slic
from sklearn.cluster import AgglomerativeClustering

from . import SEGMENTERS


@SEGMENTERS("agglomerative")
def agglomerative(
    video: np.ndarray,
    *,
    n_segments: tuple[PositiveInt, ...] = (15, 50, 80),
    fine: PositiveInt = 600,
    compactness: PositiveFloat = 20.0,
    sigma: NonNegativeFloat = 1.0,
) -> np.ndarray:
    """Divide a video finely by SLIC, and merge neighbors whose mean color is most alike, by Ward's rule.

    Levels are nested: a supervoxel of a coarse level is one or several of a finer one. Sizes follow the
    video: a sky may be a single supervoxel among many small ones.

    Parameters
    ----------
    video : (T, H, W, 3) uint8
    n_segments : sequence of int
        Number of supervoxels of each level, coarse levels first; fewer where the fine ones are fewer.
    fine : int
        Approximate number of supervoxels to merge.
    compactness, sigma : float
        Of the fine supervoxels; see `voxplain.segmenters.slic.slic`.

    Returns
    -------
    (levels, T, H, W) int : labels from 1

    References
    ----------
    Ward, Hierarchical grouping to optimize an objective function, JASA 58 (1963).
    Grundmann et al., Efficient hierarchical graph-based video segmentation, CVPR (2010): merging video regions
    by color, level by level.
    """
    labels = slic(video.astype(np.float64), fine, compactness=compactness, sigma=sigma)
    small = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    sizes = np.bincount(small.ravel())
    color = rgb2lab(video).reshape(-1, 3)
    means = np.stack([np.bincount(small.ravel(), channel) / sizes for channel in color.T], axis=1)
    graph = _neighbors(small)
    levels = []
    for n in n_segments:
        if n >= len(means):
            levels.append(small + 1)
            continue
        merged = AgglomerativeClustering(n, linkage="ward", connectivity=graph).fit_predict(means)
        levels.append(merged[small] + 1)
    return np.stack(levels)


def _neighbors(labels: np.ndarray) -> coo_matrix:
    """Which labels share a face of a voxel, as a symmetric (n, n) matrix."""
    n = int(labels.max()) + 1
    pairs = [np.delete(labels, -1, axis) * n + np.delete(labels, 0, axis) for axis in range(labels.ndim)]
    first, second = np.divmod(np.unique(np.concatenate([codes.ravel() for codes in pairs])), n)
    matrix = coo_matrix((np.ones(len(first)), (first, second)), (n, n))
    return matrix + matrix.T
