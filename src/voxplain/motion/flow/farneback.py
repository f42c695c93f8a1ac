"""Farneback's flow by OpenCV."""

from __future__ import annotations

import cv2
import numpy as np

from .base import FLOWS, flow_by_pairs


@FLOWS("farneback", source="Farneback 2003, by OpenCV")
def farneback(
    frames: np.ndarray,
    *,
    pyr_scale: float = 0.5,
    levels: int = 3,
    winsize: int = 15,
    iterations: int = 3,
    poly_n: int = 5,
    poly_sigma: float = 1.2,
    flags: int = 0,
) -> np.ndarray:
    """Dense flow by polynomial expansion; the defaults are those of the paper's code.

    Parameters
    ----------
    frames : (T, H, W, 3) uint8 array
    pyr_scale, levels, winsize, iterations, poly_n, poly_sigma, flags
        As in ``cv2.calcOpticalFlowFarneback``.

    Returns
    -------
    (T-1, H, W, 2) float32 array
        (dx, dy) in pixels per frame.
    """
    options = (pyr_scale, levels, winsize, iterations, poly_n, poly_sigma, flags)
    return flow_by_pairs(frames, lambda a, b: cv2.calcOpticalFlowFarneback(a, b, None, *options))
