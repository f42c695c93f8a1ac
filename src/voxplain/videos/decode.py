"""Decoding of video files, frame by frame, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from voxplain.errors import VideoError


@dataclass(frozen=True)
class VideoInfo:
    """What a file says about itself.

    Attributes
    ----------
    frames : int
        Number of frames by the header, or 0 where it does not tell. Decoding may give slightly fewer.
    fps : float
        Mean number of frames per second.
    width, height : int
        In pixels, as shown (turned videos are turned).
    duration : float
        In seconds.
    codec : str
    """

    frames: int
    fps: float
    width: int
    height: int
    duration: float
    codec: str


def probe(path: str | Path) -> VideoInfo:
    """Read a video's header and first frame.

    Parameters
    ----------
    path : path

    Returns
    -------
    VideoInfo

    Raises
    ------
    VideoError
        The file is missing or not a video, or its first frame cannot be decoded.
    """
    with _open(path) as stream:
        fps = _rate(stream, path)
        frames = _declared_frames(stream, fps)
        height, width = next(_decode(stream, path)).shape()
        return VideoInfo(frames, fps, width, height, frames / fps, stream.codec_context.name)


def read_chosen_frames(
    path: str | Path,
    *,
    choose: Callable[[int], np.ndarray],
    start: float | None = None,
    end: float | None = None,
    fps: float | None = None,
    transform: Callable[[np.ndarray], np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Decode the frames of a video that are needed.

    Frames are counted as they are decoded, because the time stamps of some containers (B-frames in
    AVI) are wrong: frame i is shown at i / fps.

    Parameters
    ----------
    path : path
    choose : callable
        Gets the number n of frames in the part and returns the indices, below n, of those needed, in
        any shape and order.
    start, end : float, optional
        Part of the video in seconds, the end left out. What lies after the video's end is ignored.
    fps : float, optional
        Take the nearest frames at this rate in place of the video's own.
    transform : callable, optional
        Applied to each needed frame (H, W, 3) as it is decoded, such as resizing, so that memory is
        needed for the results only.

    Returns
    -------
    frames : (…, H, W, 3) uint8 array
        RGB, in the shape that `choose` returned.
    indices : (…) int64 array
        Numbers of the frames in the file, from 0.

    Raises
    ------
    VideoError
        The file is missing, empty, cut short, or holds no video, or the part lies outside of it.
    """
    with _open(path) as stream:
        rate = _rate(stream, path)
        total = declared = _declared_frames(stream, rate)
    if not declared:
        _, total = _collect(path, np.empty(0, int), transform, to_end=True)
    while True:
        part = _part(total, rate, start, end, fps, path)
        wanted = part[np.asarray(choose(len(part)))]
        # Headers are off by a frame or more: a choice that reaches the end is checked against it.
        kept, found = _collect(path, wanted, transform, to_end=wanted.max() >= total - 1)
        if found is None or found == total:
            break
        if found < 0.9 * declared - 2:
            raise VideoError(f"{path}: cut short, {found} of {declared} frames can be decoded")
        total = found
    if len({frame.shape for frame in kept.values()}) > 1:
        raise VideoError(f"{path}: the frames' size changes within the video")
    frames = np.stack([kept[i] for i in wanted.flat])
    return frames.reshape(*wanted.shape, *frames.shape[1:]), wanted.astype(np.int64)


def _part(total, rate, start, end, fps, path) -> np.ndarray:
    """Numbers of the file's frames that make up the asked part at the asked rate."""
    tolerance = 1e-6
    first = math.ceil((start or 0.0) * rate - tolerance)
    stop = total if end is None else min(total, math.ceil(end * rate - tolerance))
    if first >= stop:
        raise VideoError(
            f"{path}: no frame between {start or 0:g} s and {'the end' if end is None else f'{end:g} s'}, "
            f"the video is {total / rate:.2f} s long"
        )
    if fps is None:
        return np.arange(first, stop)
    n = max(round((stop - first) * fps / rate), 1)
    return np.minimum(first + np.rint(np.arange(n) * rate / fps).astype(int), stop - 1)


def _collect(path, wanted, transform, *, to_end) -> tuple[dict[int, np.ndarray], int | None]:
    """Decode the wanted frames; also return how many there are, None if not decoded to the end."""
    needed, last = set(wanted.flat), max(wanted.flat, default=-1)
    kept, count = {}, 0
    with _open(path) as stream:
        for frame in _decode(stream, path):
            if count in needed:
                array = frame.array()
                kept[count] = transform(array) if transform else array
            count += 1
            if count > last and not to_end:
                return kept, None
    return kept, count


class _Frame:
    """A decoded frame, turned into an array when asked for."""

    def __init__(self, frame: av.VideoFrame) -> None:
        self._frame = frame
        self._quarter_turns = round(frame.rotation / 90) % 4

    def shape(self) -> tuple[int, int]:
        shape = self._frame.height, self._frame.width
        return shape[::-1] if self._quarter_turns % 2 else shape

    def array(self) -> np.ndarray:
        array = self._frame.to_ndarray(format="rgb24")
        return np.ascontiguousarray(np.rot90(array, self._quarter_turns))


@contextmanager
def _open(path: str | Path) -> Iterator[av.VideoStream]:
    path = Path(path)
    if not path.is_file():
        raise VideoError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise VideoError(f"{path}: the file is empty")
    try:
        # Some files of HMDB51 have titles in no known encoding.
        container = av.open(str(path), metadata_errors="ignore")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{path}: not a readable video file ({_reason(error)})") from None
    with container:
        if not container.streams.video:
            raise VideoError(f"{path}: holds no video stream")
        yield container.streams.video[0]


def _decode(stream: av.VideoStream, path: str | Path) -> Iterator[_Frame]:
    """Decode all frames in the order shown, passing over damaged packets."""
    damage, any_frame = None, False
    packets = stream.container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            break
        except av.FFmpegError as error:
            damage = error
            break
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            damage = error
            continue
        for frame in frames:
            any_frame = True
            yield _Frame(frame)
    if not any_frame:
        why = _reason(damage) if damage else "none in the file"
        raise VideoError(f"{path}: no frame can be decoded ({why})")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _rate(stream: av.VideoStream, path: str | Path) -> float:
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    if not rate:
        raise VideoError(f"{path}: no frame rate in the file")
    return float(rate)


def _declared_frames(stream: av.VideoStream, fps: float) -> int:
    """Number of frames the header promises, 0 where it promises none.

    Of count and duration the smaller one: an edit list hides frames from the duration only.
    """
    counts = [stream.frames] if stream.frames else []
    if stream.duration:
        counts.append(round(float(stream.duration * stream.time_base) * fps))
    elif stream.container.duration:
        counts.append(round(stream.container.duration / av.time_base * fps))
    return max(min(counts, default=0), 0)
