"""The camera's own motion, found robustly and taken from the flow."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from voxplain.errors import ConfigError, VideoError

from .base import check_frames

# Of noise RANSAC finds up to 5 % that agree with some motion, of two pictures at a cut up to 12 %; what such a motion
# takes off makes the flow longer, on average, where less than this agree (pasted hands: 9.98 pixels for 8.79).
LEAST_SHARE = 0.1


def compensate_camera(
    flow: np.ndarray,
    frames: np.ndarray | None = None,
    *,
    model: Literal["homography", "affine"] = "homography",
    tolerance: float = 0.5,
    stride: int = 2,
    textured: float = 0.75,
) -> tuple[np.ndarray, np.ndarray]:
    """Subtract the motion that most of each frame shares: the camera's.

    For each pair of frames, a plane's motion is fitted by RANSAC to the flow's correspondences on a regular
    grid, and the flow that it implies is subtracted everywhere. What moves on its own keeps its motion
    relative to the scene. Something that fills most of the frame is taken for the scene.

    Parameters
    ----------
    flow : (T-1, H, W, 2) array
        (dx, dy) in pixels per frame; NaN where it is not known. The fit is of what is known, and taken from all of it.
    frames : (T or T-1, H, W, 3) uint8 array, optional
        The clip. With it the flattest part of the grid is not fitted: there, flow estimators report little
        motion, whatever the camera does.
    model : {"homography", "affine"}
        8 or 6 degrees of freedom. At few pixels or strong noise the affine model is the steadier one.
    tolerance : float
        Distance in pixels within which a correspondence agrees with the fit.
    stride : int
        Spacing of the grid in pixels.
    textured : float
        With `frames`, the share of the grid, most textured first, that is fitted.

    Returns
    -------
    residual : (T-1, H, W, 2) float32 array
        The flow without the camera's. All of a pair is NaN where part of it is not known and nothing could be fitted.
    inlier_share : (T-1,) float64 array
        Share of fitted correspondences that agree; 0 where none of a tenth or more does, which is chance, as at a cut, and
        nothing was subtracted. Low values mean that no one plane explains the scene.

    Raises
    ------
    ConfigError
        The model is unknown.
    VideoError
        Flow and frames do not belong together, or the flow is infinite.
    """
    if model not in ("homography", "affine"):
        raise ConfigError(f"No camera model is called {model!r}. Known: homography, affine.")
    flow = np.asarray(flow, np.float32)
    if flow.ndim != 4 or flow.shape[-1] != 2 or np.isinf(flow).any():
        raise VideoError(f"Camera motion needs a finite flow of shape (T-1, H, W, 2), not {flow.shape}.")
    if frames is not None and check_frames(frames)[: len(flow)].shape[:3] != flow.shape[:3]:
        raise VideoError(f"Frames of {np.shape(frames)} do not belong to a flow of {flow.shape}.")

    height, width = flow.shape[1:3]
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    grid = np.zeros((height, width), bool)
    grid[stride // 2 :: stride, stride // 2 :: stride] = True
    residual, inlier_share = flow.copy(), np.zeros(len(flow))
    for t, field in enumerate(flow):
        fitted = grid if frames is None else grid & _texture_mask(frames[t], grid, textured)
        known = np.isfinite(field).all(axis=-1)
        fitted = fitted & known
        matrix, inlier_share[t] = _fit(pixels[fitted], (pixels + field)[fitted], model, tolerance)
        if not known.all() and not inlier_share[t]:
            residual[t] = np.nan  # of so little nobody knows what the camera did
        elif field[known].any():  # else the fit's rounding would be all the motion that there is
            residual[t] -= cv2.perspectiveTransform(pixels, matrix) - pixels
    return residual, inlier_share


def _texture_mask(frame: np.ndarray, grid: np.ndarray, share: float) -> np.ndarray:
    """Pixels at least as corner-like as the top `share` of the grid."""
    strength = cv2.cornerMinEigenVal(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), blockSize=5)
    return strength >= np.quantile(strength[grid], 1 - share)


def _fit(source: np.ndarray, target: np.ndarray, model: str, tolerance: float) -> tuple[np.ndarray, float]:
    """Return the 3 x 3 motion from `source` to `target` points (n, 2) and the share that follows it."""
    matrix, inliers = None, None
    if len(source) >= 4:
        if model == "homography":
            matrix, inliers = cv2.findHomography(source, target, cv2.RANSAC, tolerance)
        else:
            matrix, inliers = cv2.estimateAffine2D(
                source, target, method=cv2.RANSAC, ransacReprojThreshold=tolerance
            )
    if matrix is None or inliers.mean() < LEAST_SHARE:
        return np.eye(3), 0.0
    if model == "affine":
        matrix = np.vstack([matrix, [0, 0, 1]])
    return matrix, float(inliers.mean())
