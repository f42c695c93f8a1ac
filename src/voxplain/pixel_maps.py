"""Maps of a clip that know its pixels and no network: what an explanation must beat."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import scipy  # whose parts are loaded when they are used

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
DIS_SIDE = 12  # pixels: the least that dense inverse search takes


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


def brightness_map(clip: np.ndarray) -> np.ndarray:
    """Luma of every voxel, in 0..255.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8

    Returns
    -------
    (T, H, W) float32
    """
    return clip @ LUMA


def contrast_map(clip: np.ndarray) -> np.ndarray:
    """How far the colors of every voxel are from their surroundings', mean over colors, in 0..255, and blurred.

    Surroundings are a Gaussian of a sixteenth of the frame's shorter side, within the frame.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8

    Returns
    -------
    (T, H, W) float32
    """
    import cv2  # whose Gaussian is ten times as fast as SciPy's, and which what asks for other maps can do without

    def smooth(frame: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(frame, (0, 0), min(clip.shape[1:3]) / 16, borderType=cv2.BORDER_REPLICATE)

    frames = clip.astype(np.float32)
    return np.stack([smooth(np.abs(frame - smooth(frame)).mean(axis=-1)) for frame in frames])


def still_contrast_map(clip: np.ndarray) -> np.ndarray:
    """`contrast_map` of the clip's mean frame: of what stands still, in every frame the same.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8

    Returns
    -------
    (T, H, W) float32
    """
    mean = clip.mean(axis=0, dtype=np.float32, keepdims=True)
    return np.broadcast_to(contrast_map(mean), clip.shape[:3]).astype(np.float32)


def motion_map(clip: np.ndarray) -> np.ndarray:
    """Length of every voxel's optical flow against its frame's median, which is the camera's, as smooth as explanations.

    By dense inverse search, in pixels per frame; of the last frame that of the one before, 0 for a single frame.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8

    Returns
    -------
    (T, H, W) float32
    """
    import cv2

    if len(clip) == 1:
        return np.zeros(clip.shape[:3], np.float32)
    height, width = clip.shape[1:3]
    more = [(0, 0), *((0, max(DIS_SIDE - side, 0)) for side in (height, width)), (0, 0)]
    gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in np.pad(clip, more, mode="edge")]
    # OpenCV's own, not the run's estimator, whatever that is: a control is the same in every run.
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = np.stack([estimator.calc(a, b, None) for a, b in pairwise(gray)])[:, :height, :width]
    length = np.linalg.norm(flow - np.median(flow, axis=(1, 2), keepdims=True), axis=-1)
    return blurred(np.concatenate([length, length[-1:]]))


def blurred_frame_difference_map(clip: np.ndarray) -> np.ndarray:
    """`frame_difference_map`, blurred.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8

    Returns
    -------
    (T, H, W) float32
    """
    return blurred(frame_difference_map(clip))


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


# Every map, by the name that the control has after ``control_``.
PIXEL_MAPS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "saturation": saturation_map,
    "redness": redness_map,
    "blueness": blueness_map,
    "brightness": brightness_map,
    "contrast": contrast_map,
    "still_contrast": still_contrast_map,
    "frame_difference": frame_difference_map,
    "blurred_frame_difference": blurred_frame_difference_map,
    "motion": motion_map,
    "center": lambda clip: center_map(clip.shape[:3]),
}
