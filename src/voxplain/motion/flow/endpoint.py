"""Known flow fields, and an estimate's distance from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from voxplain.errors import VideoError

_TAG = 202021.25  # first float of a Middlebury file
_UNKNOWN = 1e9  # Middlebury's mark for pixels without truth


def read_flo(path: str | Path) -> np.ndarray:
    """Read a flow field in Middlebury's ``.flo`` format.

    Returns
    -------
    (H, W, 2) float32 array
        (dx, dy) in pixels; unknown pixels hold values above 1e9.

    Raises
    ------
    VideoError
        The file is not in that format or is cut short.
    """
    data = Path(path).read_bytes()
    tag = np.frombuffer(data[:4], "<f4")
    if len(data) < 12 or tag[0] != np.float32(_TAG):
        raise VideoError(f"{path} is not a Middlebury flow file (its first number is not {_TAG}).")
    width, height = (int(side) for side in np.frombuffer(data[4:12], "<i4"))
    values = np.frombuffer(data[12:], np.uint8)
    if len(values) != 8 * width * height:
        raise VideoError(
            f"{path} should hold {height} x {width} displacements ({12 + 8 * width * height} bytes) but has "
            f"{len(data)} bytes: copy it again."
        )
    return values.view("<f4").reshape(height, width, 2).astype(np.float32)


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
    counted = (np.abs(truth) < _UNKNOWN).all(axis=-1)
    if mask is not None:
        counted &= np.asarray(mask, bool)
    distances = np.linalg.norm(flow[counted] - truth[counted], axis=-1)
    return float(distances.mean()) if distances.size else float("nan")
