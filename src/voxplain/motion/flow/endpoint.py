"""An estimated flow's distance from a known one."""

from __future__ import annotations

import numpy as np

from voxplain.errors import VideoError
from voxplain.videos.truth import UNKNOWN


def endpoint_error(flow: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Mean distance between estimated and true displacements.

    Parameters
    ----------
    flow, truth : (..., H, W, 2) arrays
        Displacements in pixels.
    mask : (..., H, W) bool array, optional
        Where to measure. Pixels whose truth is unknown (above 1e9, or not finite) never count.

    Returns
    -------
    float
        Mean endpoint error in pixels; NaN where no pixel counts.
    """
    flow, truth = np.asarray(flow, np.float64), np.asarray(truth, np.float64)
    if flow.shape != truth.shape:
        raise VideoError(f"The flow is {flow.shape} but its truth is {truth.shape}: give them one shape.")
    counted = (np.abs(truth) < UNKNOWN).all(axis=-1)
    if mask is not None:
        counted &= np.asarray(mask, bool)
    distances = np.linalg.norm(flow[counted] - truth[counted], axis=-1)
    return float(distances.mean()) if distances.size else float("nan")
