"""The registry of flow estimators, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from voxplain.errors import VideoError
from voxplain.registry import Registry

FLOWS = Registry("flow estimator", "voxplain.motion.flow")


def estimate_flow(frames: np.ndarray, method: str = "farneback", **options: Any) -> np.ndarray:
    """Estimate the optical flow of a clip with a registered method.

    Parameters
    ----------
    frames : (T, H, W, 3) uint8 array
        RGB frames.
    method : str
        A name in `FLOWS`: ``farneback`` (that of the authors' code), ``tvl1``, ``dis`` or ``raft``.
    **options
        Options of the method, checked against its schema.

    Returns
    -------
    (T-1, H, W, 2) float32 array
        Displacement (dx, dy) from frame t to t + 1, in pixels per frame; exactly 0 between frames that are the same.

    Raises
    ------
    ConfigError
        The method or an option is unknown.
    VideoError
        `frames` are not an RGB clip of bytes, or the estimator's flow is not finite.
    """
    plugin = FLOWS[method]
    frames = check_frames(frames)
    flow = plugin.function(frames, **plugin.options(options))
    if not np.isfinite(flow).all():
        raise VideoError(
            f"The flow estimator {method} gave values that are not finite: take another (flow.method)."
        )
    still = (frames[1:] == frames[:-1]).all(axis=(1, 2, 3))
    # Estimators make a little motion of nothing, and a rendering stretches it to the whole range.
    return np.where(still[:, None, None, None], np.float32(0), flow) if still.any() else flow


def check_frames(frames: np.ndarray) -> np.ndarray:
    """Return `frames` as an array, or raise VideoError if they are not (T, H, W, 3) uint8."""
    frames = np.asarray(frames)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
        raise VideoError(
            f"Optical flow needs RGB frames as (T, H, W, 3) uint8, not {frames.shape} {frames.dtype}. "
            "Pass the decoded clip before it is normalized for a network."
        )
    return frames


def flow_by_pairs(
    frames: np.ndarray, flow_of_pair: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """Apply `flow_of_pair` to each two consecutive gray frames.

    Parameters
    ----------
    frames : (T, H, W, 3) uint8 array
    flow_of_pair : callable
        Two (H, W) uint8 frames to their (H, W, 2) flow (dx, dy).

    Returns
    -------
    (T-1, H, W, 2) float32 array
    """
    gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in check_frames(frames)]
    flow = np.zeros((max(len(gray) - 1, 0), *frames.shape[1:3], 2), np.float32)
    for t, (first, second) in enumerate(pairwise(gray)):
        flow[t] = flow_of_pair(first, second)
    return flow
