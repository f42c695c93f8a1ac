"""Maps of a clip that know its pixels and no network: what an explanation must beat."""

from __future__ import annotations

import numpy as np
import scipy  # whose parts are loaded when they are used


def saturation_map(clip: np.ndarray) -> np.ndarray:
    """Saturation of every voxel, as in HSV: range of the three colors over the greatest, in [0, 1].

    Parameters
    ----------
    clip : (T, H, W, 3) uint8

    Returns
    -------
    (T, H, W) float32
    """
    high, low = clip.max(axis=-1).astype(np.float32), clip.min(axis=-1).astype(np.float32)
    return (high - low) / np.maximum(high, 1)


def redness_map(clip: np.ndarray) -> np.ndarray:
    """How far the red of every voxel exceeds its green, in -255..255: more in skin than in most that surrounds it.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8

    Returns
    -------
    (T, H, W) float32
    """
    return clip[..., 0].astype(np.float32) - clip[..., 1]


def blueness_map(clip: np.ndarray) -> np.ndarray:
    """How far the blue of every voxel exceeds the mean of its red and green, in -255..255: with redness, its hue.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8

    Returns
    -------
    (T, H, W) float32
    """
    return clip[..., 2] - clip[..., :2].mean(axis=-1, dtype=np.float32)


def blurred(values: np.ndarray) -> np.ndarray:
    """A map as smooth as explanations are: by a Gaussian of a sixteenth of the frame's shorter side, and of two frames.

    Parameters
    ----------
    values : (T, H, W) float

    Returns
    -------
    (T, H, W) float32
    """
    side = min(values.shape[1:]) / 16
    return scipy.ndimage.gaussian_filter(values.astype(np.float32), (2, side, side), mode="nearest")


def frame_difference_map(clip: np.ndarray) -> np.ndarray:
    """Absolute change of every voxel to the next frame, mean over colors; of the last frame, from the one before.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8

    Returns
    -------
    (T, H, W) float32 : in 0..255; 0 for a single frame
    """
    if len(clip) == 1:
        return np.zeros(clip.shape[:3], np.float32)
    change = np.abs(np.diff(clip.astype(np.float32), axis=0)).mean(axis=-1)
    return np.concatenate([change, change[-1:]])


def center_map(shape: tuple[int, ...]) -> np.ndarray:
    """Minus the distance of every voxel from the middle of its frame; 1 is half the frame's height and width.

    Parameters
    ----------
    shape : (T, H, W)

    Returns
    -------
    (T, H, W) float32
    """
    y, x = (np.linspace(1 - size, size - 1, size) / size for size in shape[1:])
    return np.broadcast_to(-np.hypot(y[:, None], x), shape).astype(np.float32)
