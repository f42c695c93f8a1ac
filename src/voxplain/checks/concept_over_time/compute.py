"""Concepts over time: windows of a long video, each explained as a clip of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import pandas as pd

from ...concepts.scores import directional_derivatives
from ...errors import VideoError, VoxplainError
from ...videos.clips import Crop, Sampling, clip_indices, fit_frame
from ...videos.decode import probe, read_chosen_frames


def window_starts(n_frames: int, length: int, step: int) -> np.ndarray:
    """First frames of windows, `step` apart; the last one ends with the video.

    A video shorter than a window has one, from its first frame.

    Parameters
    ----------
    n_frames, length, step : int
        Frames of the video and of a window (from its first to its last frame), and between windows.
    """
    last = max(n_frames - length, 0)
    return np.unique([*range(0, last + 1, step), last])


def window_indices(
    n_frames: int, *, frames: int, between: int, step: int, sampling: Sampling = "center"
) -> np.ndarray:
    """Frames of each window of a video.

    Parameters
    ----------
    n_frames : int
        Length of the video.
    frames, between : int
        Frames of a clip and their distance.
    step : int
        Distance of windows in frames; smaller than a clip, they overlap.
    sampling : str
        How the run cuts clips. Of clips of whole videos the one window is that clip.

    Returns
    -------
    (windows, frames) int
        A video shorter than a window is repeated as `voxplain.videos.clips.clip_indices` repeats it.
    """
    length = (frames - 1) * between + 1
    if sampling == "whole" or n_frames < length:
        return clip_indices(
            n_frames, frames=frames, step=between, sampling="whole" if sampling == "whole" else "center"
        )
    return window_starts(n_frames, length, step)[:, None] + between * np.arange(frames)


def window_rows(masks: np.ndarray, gradient: np.ndarray, vectors: np.ndarray) -> pd.DataFrame:
    """Share and directional derivative of every concept in one window.

    Parameters
    ----------
    masks : (concepts, T, H, W) bool
    gradient : (d,) float
        Of the class's logit at the layer.
    vectors : (concepts, sets, d) float
        CAVs.

    Returns
    -------
    DataFrame, one row per concept
        concept, share (of the window's voxels), derivative (mean over random sets, in logits per unit
        length), derivative_low, derivative_high (2.5th and 97.5th percentile over random sets).
    """
    derivatives = directional_derivatives(gradient[None], vectors)[..., 0]
    low, high = np.quantile(derivatives, [0.025, 0.975], axis=1)
    return pd.DataFrame(
        {
            "concept": np.arange(len(masks)),
            "share": masks.mean(axis=(1, 2, 3)),
            "derivative": derivatives.mean(axis=1),
            "derivative_low": low,
            "derivative_high": high,
        }
    )


def read_windows(
    video: Any,
    *,
    step: int,
    frames: int,
    between: int,
    sampling: Sampling,
    size: int,
    crop: Crop,
    most: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Decode a video's windows.

    Parameters
    ----------
    video : row of a video table
    step, frames, between, sampling
        As for `window_indices`.
    size, crop
        As for `voxplain.videos.clips.fit_frame`.
    most : int
        Windows at most; of a longer video, as many, evenly spread.

    Returns
    -------
    clips : (windows, T, H, W, 3) uint8
    indices : (windows, T) int
        Frames of the file.
    """

    def choose(n_frames: int) -> np.ndarray:
        found = window_indices(n_frames, frames=frames, between=between, step=step, sampling=sampling)
        return found[np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int))]

    start, end = (None if pd.isna(time) else time for time in (video.start, video.end))
    return read_chosen_frames(
        video.path,
        choose=choose,
        start=start,
        end=end,
        transform=lambda frame: fit_frame(frame, size=size, crop=crop),
    )


def read_longest(
    videos: pd.DataFrame, classes: int, **windows: Any
) -> Iterator[tuple[str, Any, np.ndarray, np.ndarray]]:
    """Decode the windows of the longest video of each of the first classes of which one can be read.

    What cannot be read is printed, and the next longest of its class is taken.

    Parameters
    ----------
    videos : DataFrame
        Rows of a video table. Of a part of a file counts what the file has between start and end.
    classes : int
    **windows
        As for `read_windows`.

    Yields
    ------
    class_name : str
    video : row of `videos`
    clips, indices
        As from `read_windows`.

    Raises
    ------
    VoxplainError
        No video can be read, or the machine cannot read one now.
    """
    found = 0
    for class_name, group in videos.groupby("class", sort=True):
        lengths: dict[Any, float] = {}
        for video in group.itertuples():
            with _passed_over(video):
                lengths[video] = _length(video)
        for video in sorted(lengths, key=lengths.get, reverse=True):
            with _passed_over(video):
                clips, indices = read_windows(video, **windows)
                break
        else:
            continue
        yield class_name, video, clips, indices
        found += 1
        if found == classes:
            return
    if not found:
        raise VoxplainError(f"None of {len(videos)} videos can be followed: the log says why.")


@contextmanager
def _passed_over(video: Any) -> Iterator[None]:
    try:
        yield
    except VideoError as error:
        print(f"{video.video} is not followed: {error}")


def middle_frames(clips: np.ndarray) -> pd.DataFrame:
    """The middle frame of each window, to be looked at beside its numbers, whatever becomes of the video's file.

    Parameters
    ----------
    clips : (windows, T, H, W, 3) uint8

    Returns
    -------
    DataFrame
        window, frame (bytes: PNG).
    """
    shown = [cv2.cvtColor(clip[len(clip) // 2], cv2.COLOR_RGB2BGR) for clip in clips]
    return pd.DataFrame(
        {"window": np.arange(len(clips)), "frame": [cv2.imencode(".png", one)[1].tobytes() for one in shown]}
    )


def image_of(frame: bytes) -> np.ndarray:
    """A frame of `middle_frames` as (H, W, 3) uint8."""
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _length(video: Any) -> float:
    """Seconds of a row of a video table that are in its file."""
    return float(np.fmin(video.end, probe(video.path).duration) - np.fmax(video.start, 0))
