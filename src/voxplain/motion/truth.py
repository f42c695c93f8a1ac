"""Voxels of the embedded videos that are known to matter, or to move."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..videos.embedded import read_ground_truth
from ..videos.scenes import ACTOR, CUE
from .precision import moving_mask


def exact_flow(path: str | Path, video: str, indices: np.ndarray, *, camera: bool) -> np.ndarray:
    """What moves between a clip's frames, exactly.

    Parameters
    ----------
    path : path
        The ground truth of the embedded videos.
    video : str
    indices : (T,) int array
        The clip's frames in the video.
    camera : bool
        Take the background's drift from it, as if the camera moved.

    Returns
    -------
    (T-1, H, W, 2) float32 array
        Pixels per frame; NaN where two frames do not follow each other.
    """
    scene = read_ground_truth(path, video, indices)
    return (
        scene.flow - np.asarray(scene.attributes["background_velocity"], np.float32) if camera else scene.flow
    )


def truth_masks(
    path: str | Path,
    video: str,
    indices: np.ndarray,
    *,
    pairs: np.ndarray,
    camera: bool,
    unit: str,
    threshold: float,
) -> dict[str, np.ndarray]:
    """Masks of what decides the class, of other objects, of the actor, the context cue, and of what really moves.

    Parameters
    ----------
    path, video, indices, camera
        As for `exact_flow`.
    pairs : (T-1,) bool array
        Frames that are followed by the next one of the video.
    unit, threshold
        What counts as motion: see `moving_mask`.

    Returns
    -------
    dict
        evidence, distractor, actor and cue, (T, H, W) bool; moving, (number of pairs, H, W) bool. The evidence is what
        decides the class: the actor; of variant context_only the cue; of two_actors the one that labels follow.
    """
    scene = read_ground_truth(path, video, indices)
    flow = exact_flow(path, video, indices, camera=camera)[pairs]
    moving = moving_mask(flow, threshold, unit=unit) if len(flow) else np.zeros(flow.shape[:-1], bool)
    known = {"actor": scene.objects == ACTOR, "cue": scene.objects == CUE, "moving": moving}
    return scene.masks() | known
