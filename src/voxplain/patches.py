"""Supervoxels as network input: the voxels of one supervoxel on a fill (3D-ACE, section 2.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import cv2
import numpy as np
import scipy
from numpy.typing import ArrayLike
from PIL import Image

from .errors import ConfigError, VoxplainError

OFFICIAL_GRAY = (117, 117, 117)


def keep_only(video: np.ndarray, mask: np.ndarray, fill: ArrayLike) -> np.ndarray:
    """Show the voxels of a mask and the fill everywhere else.

    Parameters
    ----------
    video : (T, H, W, 3) uint8
    mask : (T, H, W) bool
    fill : (3,) or (T, H, W, 3)
        RGB color, or another video such as a blurred one, in 0..255; rounded.

    Returns
    -------
    (T, H, W, 3) uint8
    """
    shown = _as_video(fill, video.shape)
    shown[mask] = video[mask]
    return shown


def _as_video(fill: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    fill = np.asarray(fill)
    if fill.dtype != np.uint8:
        fill = np.rint(fill).astype(np.uint8)
    return np.array(np.broadcast_to(fill, shape))


def supervoxel_inputs(
    video: np.ndarray,
    labels: np.ndarray,
    kept: np.ndarray,
    *,
    form: Literal["crop", "in_place"] = "in_place",
    fill: ArrayLike = OFFICIAL_GRAY,
    size: tuple[int, int] | None = None,
    preset: Literal["official", "corrected"] = "corrected",
    batch: int = 16,
) -> Iterator[np.ndarray]:
    """Yield one clip per kept supervoxel, in batches, so that memory stays bounded.

    Time is never resampled: a clip has the video's T frames, and those in which the supervoxel does not
    occur are all fill. (The official code cuts them off and averages over 16-frame windows of what is
    left. The supervoxels that it keeps of a 16-frame clip last all 16 frames, so there it is the same.)
    Errors are raised with the first batch.

    Parameters
    ----------
    video : (T, H, W, 3) uint8
    labels : (levels, T, H, W) uint16
    kept : (n, 2) int
        (level, label) of each supervoxel, as :func:`voxplain.distinct_supervoxels` gives them.
    form : {"crop", "in_place"}
        ``crop`` enlarges the bounding box of the whole tube to the frame, each axis by its own factor;
        ``in_place`` leaves the supervoxel where it is.
    fill : (3,) or (T, H, W, 3)
        RGB color, or video, of everything else, in 0..255.
    size : (height, width), optional
        Size of the clips; by default the video's.
    preset : {"corrected", "official"}
        ``official`` cuts the last row and column off the box (except where nothing would be left), and
        resizes with Pillow as 3D-ACE's released code does; ``corrected`` keeps them, and resizes with
        OpenCV, which is five times faster.
    batch : int
        Most clips per batch; all have about as many.

    Yields
    ------
    (n, T, height, width, 3) uint8 : n <= batch clips, in the order of `kept`

    Raises
    ------
    ConfigError
        The form or the preset is unknown.
    VoxplainError
        A kept supervoxel is not in the labels, or they belong to another video.
    """
    if form not in ("crop", "in_place") or preset not in ("official", "corrected"):
        raise ConfigError(
            f"Supervoxels cannot be shown in the form {form!r} of the preset {preset!r}. "
            "Forms: crop, in_place; presets: corrected, official."
        )
    if labels.shape[1:] != video.shape[:3]:
        raise VoxplainError(
            f"Labels of shape {labels.shape} are not those of a video of shape {video.shape}. "
            "Segment this video, at this size."
        )
    background = _as_video(fill, video.shape)
    size = tuple(size or video.shape[1:3])
    resize = _resize_pillow if preset == "official" else _resize_opencv
    kept = np.asarray(kept).reshape(-1, 2)
    boxes = {level: scipy.ndimage.find_objects(labels[level]) for level in np.unique(kept[:, 0])}
    # Of about equal size, as those of `voxplain.device.batched`.
    for chosen in np.array_split(kept, -(-len(kept) // batch)) if len(kept) else ():
        clips = np.empty((len(chosen), len(video), *size, 3), np.uint8)
        for clip, (level, label) in zip(clips, chosen):
            window = _window(boxes[level], level, label, trim=preset == "official")
            if form == "in_place":
                window = np.s_[:]
            shown = keep_only(video[window], labels[level][window] == label, background[window])
            for target, frame in zip(clip, shown):
                target[:] = frame if frame.shape[:2] == size else resize(frame, size)
        yield clips


def _window(boxes: list, level: int, label: int, *, trim: bool) -> tuple[slice, slice, slice]:
    """All frames, and the rows and columns of a supervoxel's bounding box, without the last if `trim`."""
    box = boxes[label - 1] if 0 < label <= len(boxes) else None
    if box is None:
        raise VoxplainError(
            f"Level {level} has no supervoxel {label}. Take the kept ones from these very labels."
        )
    return (slice(None), *(slice(s.start, max(s.stop - trim, s.start + 1)) for s in box[1:]))


def _resize_pillow(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(frame).resize(size[::-1], Image.Resampling.BICUBIC))


def _resize_opencv(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    shrinks = frame.shape[0] > size[0] or frame.shape[1] > size[1]
    return cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
