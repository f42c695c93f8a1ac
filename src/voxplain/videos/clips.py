"""Clips of a fixed number of frames and a fixed size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import pandas as pd

from voxplain.errors import ConfigError, VideoError, VoxplainError

from .decode import Chosen, choose_frames

Sampling = Literal["center", "uniform", "consecutive", "whole"]
Crop = Literal["center", "squash"]


def clip_indices(
    n_frames: int,
    *,
    frames: int = 16,
    step: int = 1,
    sampling: Sampling = "center",
    per_video: int = 1,
) -> np.ndarray:
    """Choose the frames of a video's clips.

    Parameters
    ----------
    n_frames : int
        Length of the video.
    frames : int
        Length of a clip.
    step : int
        Distance of a clip's frames in the video.
    sampling : {"center", "uniform", "consecutive", "whole"}
        One clip from the middle; up to `per_video` clips, evenly spread from the first frame to the
        last; all clips one after the other, ceil(n_frames / (frames · step)) of them; or one clip of
        the whole video, whatever its length: the middle frames of equal parts, for which `step` means nothing.
    per_video : int
        Number of clips with sampling "uniform". A video too short for as many different clips gives
        fewer.

    Returns
    -------
    (n_clips, frames) int64 array
        A clip that reaches beyond the video's end is filled by repeating its own frames from its
        beginning (loop padding; Selective Relevance, section 4.2).

    Raises
    ------
    ConfigError
        A number is below 1, or the sampling is unknown.
    """
    for name, value in {"n_frames": n_frames, "frames": frames, "step": step, "per_video": per_video}.items():
        if value < 1:
            raise ConfigError(f"{name} is {value}; it must be at least 1.")
    if sampling == "whole":
        if n_frames >= frames:
            return ((2 * np.arange(frames) + 1) * n_frames // (2 * frames))[None]
        sampling, step = "center", 1
    slack = max(n_frames - ((frames - 1) * step + 1), 0)
    if sampling == "center":
        starts = np.array([slack // 2])
    elif sampling == "uniform":
        # The middles of equal parts of the possible starts; a single clip is the center one.
        starts = np.unique(((slack + 1) * (2 * np.arange(per_video) + 1) - 1) // (2 * per_video))
    elif sampling == "consecutive":
        starts = np.arange(0, n_frames, frames * step)
    else:
        raise ConfigError(f"Sampling {sampling!r} is unknown. Use center, uniform, consecutive or whole.")
    available = np.minimum(frames, (n_frames - 1 - starts) // step + 1)
    return starts[:, None] + step * (np.arange(frames) % available[:, None])


def fit_frame(frame: np.ndarray, *, size: int | tuple[int, int] = 112, crop: Crop = "center") -> np.ndarray:
    """Resize a frame to a clip's size.

    Parameters
    ----------
    frame : (H, W, 3) uint8 array
    size : int or (int, int)
        Height and width of the result.
    crop : {"center", "squash"}
        Resize without distortion until the frame just covers the size, then cut out the center; or
        resize both sides independently, as the code of 3D-ACE does.

    Returns
    -------
    (*size, 3) uint8 array

    Raises
    ------
    ConfigError
        The kind of crop is unknown.
    """
    height, width = (size, size) if isinstance(size, int) else size
    (rows, columns), top, left = fitted_size(frame.shape[:2], size=size, crop=crop)
    if rows * columns > 8 * max(frame.shape[0] * frame.shape[1], height * width):
        # A strip that is enlarged: only the part that stays, with a pixel on each side.
        scale_y, scale_x = rows / frame.shape[0], columns / frame.shape[1]
        y, x = max(int(top / scale_y) - 1, 0), max(int(left / scale_x) - 1, 0)
        frame = frame[y : int((top + height) / scale_y) + 2, x : int((left + width) / scale_x) + 2]
        rows, columns = round(frame.shape[0] * scale_y), round(frame.shape[1] * scale_x)
        top, left = round(top - y * scale_y), round(left - x * scale_x)
    # A copy, as a view would keep all of the frame in memory.
    return _resize(frame, rows, columns)[top : top + height, left : left + width].copy()


def fitted_size(
    shape: tuple[int, int], *, size: int | tuple[int, int], crop: Crop
) -> tuple[tuple[int, int], int, int]:
    """Height and width that `fit_frame` scales a frame of (H, W) to, and the rows and columns that it then cuts off."""
    height, width = (size, size) if isinstance(size, int) else size
    if crop == "squash":
        return (height, width), 0, 0
    if crop != "center":
        raise ConfigError(f"Crop {crop!r} is unknown. Use center or squash.")
    factor = max(height / shape[0], width / shape[1])
    scaled = max(round(shape[0] * factor), height), max(round(shape[1] * factor), width)
    return scaled, (scaled[0] - height) // 2, (scaled[1] - width) // 2


def _resize(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    # Area averaging does not alias, but only where neither side grows.
    smaller = min(height, frame.shape[0]), min(width, frame.shape[1])
    if smaller != frame.shape[:2]:
        frame = cv2.resize(frame, smaller[::-1], interpolation=cv2.INTER_AREA)
    if smaller != (height, width):
        frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
    return frame


def read_clips(
    path: str | Path,
    *,
    frames: int = 16,
    step: int = 1,
    size: int | tuple[int, int] = 112,
    sampling: Sampling = "center",
    per_video: int = 1,
    start: float | None = None,
    end: float | None = None,
    fps: float | None = None,
    crop: Crop = "center",
) -> tuple[np.ndarray, np.ndarray]:
    """Decode a video's clips.

    Parameters
    ----------
    path : path
    frames, step, sampling, per_video
        See `clip_indices`.
    size, crop
        See `fit_frame`.
    start, end, fps
        See `voxplain.videos.decode.read_chosen_frames`.

    Returns
    -------
    clips : (n, T, H, W, 3) uint8 array
        RGB.
    indices : (n, T) int64 array
        Numbers of the frames in the file.

    Raises
    ------
    VideoError
        The video cannot be used.
    ConfigError
        An option has an impossible value.
    """
    chosen = _choose_clips(
        path, frames=frames, step=step, size=size, sampling=sampling, per_video=per_video, start=start, end=end,
        fps=fps, crop=crop,
    )  # fmt: skip
    return chosen.frames, chosen.indices


class MiddleClip(NamedTuple):
    """The clip in the middle of those that a video is cut to.

    Attributes
    ----------
    clip : (T, H, W, 3) uint8
    indices : (T,) int64
        Numbers of its frames in the file.
    number, count : int
        Which of how many it is, from 0.
    """

    clip: np.ndarray
    indices: np.ndarray
    number: int
    count: int

    @property
    def distance(self) -> float:
        """Mean distance of successive frames in the file, without the jumps back of one that is repeated to fill it."""
        forward = np.diff(self.indices)[np.diff(self.indices) > 0]
        return float(forward.mean()) if len(forward) else 1.0


def read_middle_clip(
    path: str | Path, *, size: int | tuple[int, int] = 112, crop: Crop = "center", **which: Any
) -> MiddleClip:
    """Decode one of a video's clips: that in their middle, the earlier of two.

    Parameters
    ----------
    path : path
    size, crop
        See `fit_frame`.
    **which
        As for `clip_indices`; so are the errors, beside those of `read_clips`.
    """
    count = 0

    def choose(n_frames: int) -> np.ndarray:
        nonlocal count
        found = clip_indices(n_frames, **which)
        count = len(found)
        return found[(count - 1) // 2]

    chosen = choose_frames(path, transform=partial(fit_frame, size=size, crop=crop), choose=choose)
    return MiddleClip(chosen.frames, chosen.indices, (count - 1) // 2, count)


def _choose_clips(path, *, size=112, crop="center", start=None, end=None, fps=None, **which) -> Chosen:
    choose = partial(clip_indices, **which)
    transform = partial(fit_frame, size=size, crop=crop)
    return choose_frames(path, start=start, end=end, fps=fps, transform=transform, choose=choose)


@dataclass(frozen=True)
class DecodedVideo:
    """A video's clips, or the reason why there are none.

    Attributes
    ----------
    video : str
        Its name in the video table.
    clips : (n, T, H, W, 3) uint8 array or None
    indices : (n, T) int64 array or None
        Numbers of the frames in the file.
    reason : str or None
        Why the video is set aside, or what is damaged of a video that is used.
    damaged : int
        Frames of its clips that are damaged or lost, as `voxplain.videos.decode.Chosen` says.
    """

    video: str
    clips: np.ndarray | None = None
    indices: np.ndarray | None = None
    reason: str | None = None
    damaged: int = 0


def decode_shard(
    rows: pd.DataFrame,
    *,
    damaged: Literal["use", "set_aside"] = "use",
    damaged_share: float = 0.0,
    **options: Any,
) -> Iterator[DecodedVideo]:
    """Decode the clips of some rows of a video table, one video at a time.

    Parameters
    ----------
    rows : DataFrame
        As from `voxplain.videos.table.read_video_table`.
    damaged : {"use", "set_aside"}
        What becomes of a video with more than `damaged_share` of its clips' frames damaged or lost, or of itself cut
        off.
    damaged_share : float
    **options
        Those of `read_clips`, without `start` and `end`, which are in the table.

    Yields
    ------
    DecodedVideo
        In the rows' order. A video that cannot be used does not stop the rest.

    Raises
    ------
    VoxplainError
        The machine cannot read or hold a video now, which is no verdict on the video.
    """
    for row in rows.itertuples():
        start, end = (None if pd.isna(time) else time for time in (row.start, row.end))
        try:
            chosen = _choose_clips(row.path, start=start, end=end, **options)
        except VideoError as error:
            yield DecodedVideo(row.video, reason=str(error))
            continue
        except (MemoryError, cv2.error) as error:
            raise VoxplainError(
                f"{row.path} needs more memory than there is ({error}): give the job more, run fewer at once "
                "(--cores), or leave the video out."
            ) from None
        numbers = np.unique(chosen.indices)
        bad = len(np.unique(chosen.indices[chosen.damaged]))
        faults = [f"{bad} of the {len(numbers)} frames of its clips are damaged or lost"] if bad else []
        if chosen.missing:
            faults.append(f"the last {chosen.missing:.0%} of it are not in the file")
        reason = f"{row.path}: {'; '.join(faults)}" if faults else None
        if damaged == "set_aside" and max(bad / len(numbers), chosen.missing) > damaged_share:
            yield DecodedVideo(row.video, reason=reason, damaged=bad)
        else:
            yield DecodedVideo(row.video, chosen.frames, chosen.indices, reason, bad)
