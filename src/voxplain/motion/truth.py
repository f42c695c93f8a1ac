"""Voxels of a clip that are known to matter, or to move."""

from __future__ import annotations

import numpy as np

from ..videos.truth import Truth
from .flow.camera import compensate_camera
from .precision import moving_mask


def exact_flow(truth: Truth, camera: str) -> np.ndarray | None:
    """What moves between a clip's frames, exactly; None where that is not known.

    Parameters
    ----------
    truth : Truth
    camera : {"none", "homography", "affine"}
        Take the camera's motion from it: the known drift, or else what `compensate_camera` finds in the flow.

    Returns
    -------
    (T-1, H, W, 2) float32 array
        Pixels per frame; NaN where it is not known.
    """
    if truth.flow is None or camera == "none":
        return truth.flow
    if truth.drift is not None:
        return truth.flow - truth.drift
    return compensate_camera(truth.flow, model=camera)[0]


def truth_masks(
    truth: Truth, *, pairs: np.ndarray, camera: str, unit: str, threshold: float
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Masks of what is known to matter, and of what really moves.

    Parameters
    ----------
    truth : Truth
    pairs : (T-1,) bool array
        Frames that are followed by the next one of the video.
    camera
        As for `exact_flow`.
    unit, threshold
        What counts as motion: see `moving_mask`.

    Returns
    -------
    dict of str to (mask, known)
        (T, H, W) bool each: the targets of `truth`, and moving, where the exact flow is known. Of voxels that are not
        known to be or not to be of a target a mask says nothing.
    """
    known = truth.known
    found = {name: (mask, known) for name, mask in truth.masks().items()}
    flow = exact_flow(truth, camera)
    if flow is not None:
        there = np.isfinite(flow).all(axis=-1) & pairs[:, None, None]
        moving = moving_mask(np.where(there[..., None], flow, 0), threshold, unit=unit) & there
        last = np.zeros((1, *there.shape[1:]), bool)
        found["moving"] = np.concatenate([moving, last]), np.concatenate([there, last])
    return found
