"""Decoding of video files by presentation time, frame by frame, in bounded memory."""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import av.logging
import numpy as np

from voxplain.errors import VideoError, VoxplainError

GROUND = (0, 0, 0)  # RGB that transparent videos are laid on
# What says nothing of a file: the machine, or a share, is short of something or away for now.
PASSING = {
    errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ESTALE, errno.ETIMEDOUT, errno.EINTR,
    errno.EHOSTDOWN, errno.ENOTCONN,
}  # fmt: skip
WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # ffmpeg's own decoders of these leave transparency out
LOGGED = {"mjpeg", "ffv1"}  # codecs that tell damage in their log alone


@dataclass(frozen=True)
class VideoInfo:
    """What is in a file.

    Attributes
    ----------
    frames : int
        Number of frames.
    fps : float
        Mean number of frames per second.
    width, height : int
        In pixels, as shown (turned videos are turned).
    duration : float
        Seconds until the last frame's end.
    codec : str
    """

    frames: int
    fps: float
    width: int
    height: int
    duration: float
    codec: str


@dataclass(frozen=True)
class Chosen:
    """Frames of a video, and which of them are damaged.

    Attributes
    ----------
    frames : (…, H, W, 3) uint8 array
        RGB.
    indices : (…) int64 array
        Numbers of the frames in the file, from 0.
    damaged : (…) bool array
        Whether a frame is lost (the one before is in its place) or may show damage: its own, or that of a frame
        since the last key frame. Of codecs without checksums, not all damage can be told.
    missing : float
        Share of the video's declared duration that is not in the file: 0 but for files cut short by less than a tenth.
    """

    frames: np.ndarray
    indices: np.ndarray
    damaged: np.ndarray
    missing: float


def probe(path: str | Path) -> VideoInfo:
    """Read a video's packets and its first frame.

    Parameters
    ----------
    path : path

    Returns
    -------
    VideoInfo

    Raises
    ------
    VideoError
        The file is missing, cut short or not a video, or its first frame cannot be decoded.
    VoxplainError
        The machine cannot read it now.
    """
    timeline = _scan(path)
    with _open(path) as stream:
        first = next(_Decoder(stream, path, timeline).frames(), None)
        if first is None:
            raise VideoError(f"{path}: no frame can be decoded")
        height, width = _shown_shape(first[1])
        codec = stream.codec_context.name
    return VideoInfo(len(timeline.times), timeline.fps, width, height, timeline.end, codec)


def read_chosen_frames(path: str | Path, **how: Any) -> tuple[np.ndarray, np.ndarray]:
    """The frames and their numbers in the file, as from `choose_frames`."""
    chosen = choose_frames(path, **how)
    return chosen.frames, chosen.indices


def choose_frames(
    path: str | Path,
    *,
    choose: Callable[[int], np.ndarray],
    start: float | None = None,
    end: float | None = None,
    fps: float | None = None,
    transform: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Chosen:
    """Decode the frames of a video that are needed.

    A frame's time is its time stamp, from the beginning of the file (of sound and picture), as players and ffmpeg
    count; only where a container has no usable ones (AVI, raw streams), frame i is shown at i / rate.

    Parameters
    ----------
    path : path
    choose : callable
        Gets the number n of frames in the part and returns the indices, below n, of those needed, in
        any shape and order.
    start, end : float, optional
        Part of the video in seconds: the frames that begin in it, the end left out; or the one that is on show
        where none begins. What lies after the video's end is ignored.
    fps : float, optional
        Take the nearest frames at this rate in place of the video's own.
    transform : callable, optional
        Applied to each needed frame (H, W, 3) as it is decoded, such as resizing, so that memory is
        needed for the results only.

    Returns
    -------
    Chosen
        Frames in the shape that `choose` returned. What is transparent is laid on `GROUND`.

    Raises
    ------
    VideoError
        The file is missing, empty, cut short, or holds no video, or the part lies outside of it.
    VoxplainError
        The machine cannot read it now, which says nothing of the file.
    """
    timeline = _scan(path)
    while True:
        part = _part(timeline, start, end, fps, path)
        wanted = part[np.asarray(choose(len(part)))]
        kept, damaged, shown = _collect(path, timeline, wanted, transform)
        if shown is None:
            break
        timeline = shown  # some packets hold no frame of their own: choose anew
    if len({frame.shape for frame in kept.values()}) > 1:
        raise VideoError(f"{path}: the frames' size changes within the video")
    frames = np.stack([kept[i] for i in wanted.flat])
    return Chosen(
        frames.reshape(*wanted.shape, *frames.shape[1:]),
        wanted.astype(np.int64),
        np.isin(wanted, sorted(damaged)),
        timeline.missing,
    )


def upright(frame: av.VideoFrame) -> np.ndarray:
    """A decoded frame as it is to be shown: turned and mirrored, laid on `GROUND`.

    Returns
    -------
    (H, W, 3) uint8 array
        RGB.
    """
    if _is_transparent(frame):
        image = frame.to_ndarray(format="rgba").astype(np.uint16)
        opaque = image[..., 3:]
        ground = np.array(GROUND, np.uint16)
        array = ((image[..., :3] * opaque + ground * (255 - opaque) + 127) // 255).astype(np.uint8)
    else:
        array = frame.to_ndarray(format="rgb24")
    transposed, upside, mirrored = _orientation(frame)
    if transposed:
        array = array.transpose(1, 0, 2)
    return np.ascontiguousarray(array[:: -1 if upside else 1, :: -1 if mirrored else 1])


def decoder_of(stream: av.VideoStream) -> av.VideoCodecContext:
    """What decodes a stream's packets, transparency too."""
    codec = stream.codec_context
    if stream.metadata.get("alpha_mode") == "1" and codec.name in WITH_ALPHA:
        return av.CodecContext.create(WITH_ALPHA[codec.name], "r")
    return codec


def _orientation(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """Whether a frame is to be transposed, and then turned upside down and mirrored.

    The display matrix maps x, y to a x + c y, b x + d y; what is not a multiple of 90° is rounded to one.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False, False, False
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix))
    if abs(b) + abs(c) > abs(a) + abs(d):
        return True, b < 0, c < 0
    return False, d < 0, a < 0


def _shown_shape(frame: av.VideoFrame) -> tuple[int, int]:
    shape = frame.height, frame.width
    return shape[::-1] if _orientation(frame)[0] else shape


def _is_transparent(frame: av.VideoFrame) -> bool:
    return frame.format.name == "pal8" or len(frame.format.components) in (2, 4)


@dataclass(frozen=True)
class _Timeline:
    """When the frames of a file are shown.

    Attributes
    ----------
    times : (n,) float array
        Seconds from the file's beginning, in order.
    end : float
        When the last frame ends.
    fps : float
        Mean rate.
    tick : float
        To which the times are rounded.
    numbers : dict of int to int or None
        Frames by time stamp; None where frames can be told by their order alone.
    groups : dict of int to list of int
        Frames that a damaged one may spoil, by its time stamp: those from it to the next key frame.
    broken : bool
        Whether packets are damaged by what the container says.
    missing : float
        As of `Chosen`.
    """

    times: np.ndarray
    end: float
    fps: float
    tick: float
    numbers: dict[int, int] | None
    groups: dict[int, list[int]]
    broken: bool
    missing: float


def _scan(path: str | Path) -> _Timeline:
    """Read the time stamps of all packets, without decoding them."""
    packets, ends, broken = [], [], False
    with _open(path) as stream:
        container, name, base = stream.container, stream.codec_context.name, stream.time_base
        demuxed = container.demux()
        while True:
            try:
                packet = next(demuxed)
            except StopIteration:
                break
            except av.FFmpegError as error:
                _raise_passing(error, path)
                broken = True
                break
            if packet.dts is None and packet.pts is None and not packet.size:
                continue
            if packet.pts is not None and packet.time_base:
                ends.append(float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream_index != stream.index or not packet.size:
                continue
            if name == "vp8" and not memoryview(packet)[0] & 0x10:  # a reference that is not shown
                continue
            packets.append(
                (packet.pts, packet.dts, packet.duration or 0, packet.is_keyframe, packet.is_discard)
            )
            broken |= packet.is_corrupt
        rate = stream.average_rate or stream.guessed_rate or stream.base_rate
        rate = float(rate) if rate else None
        declared, origin = stream.duration, container.start_time
        declared = float(declared * base) if declared else None
        first = float(stream.start_time * base) if stream.start_time is not None else 0.0
        whole = container.duration / av.time_base if container.duration else None
        origin = origin / av.time_base if origin is not None else 0.0
        has_times = container.format.name != "avi"
        listed = stream.frames if "mp4" in container.format.name else 0
    if not packets:
        raise VideoError(f"{path}: no frame can be decoded (none in the file)")
    count = len(packets)
    packets = _from_key_frame(packets)
    shown = [packet for packet in packets if not packet[4]]
    stamps = [packet[0] for packet in shown]
    keyed = has_times and None not in stamps and len(set(stamps)) == len(stamps)
    if keyed:
        times = np.array(sorted(stamps), float) * float(base) - origin
    else:
        stamps = [packet[1] for packet in shown]
        if None not in stamps and len(set(stamps)) == len(stamps):
            times = (np.array(sorted(stamps), float) - min(stamps)) * float(base)
        elif rate:
            times = np.arange(len(shown)) / rate
        else:
            raise VideoError(f"{path}: no frame rate in the file")
    gap = float(np.median(np.diff(times))) if len(times) > 1 else 1 / rate if rate else 0.0
    lasting = float(packets[-1][2] * base) if len(times) < 2 else 0.0
    end = float(times[-1]) + (lasting or gap)
    fps = _mean_rate(times, end, rate)
    if declared is not None:
        found = end + (origin - first if keyed else 0.0)
    else:
        found, declared = max([end, *(last - origin for last in ends)]), whole
    short = 0.0 if declared is None else declared - found
    if short > 0 and found < 0.9 * declared - 2 * gap:
        raise VideoError(f"{path}: cut short, {found:.2f} of {declared:.2f} s can be decoded")
    # Headers are off by a frame or more, but for that of MP4, which lists every frame (and an edit list may hide some).
    missing = short / declared if short > 0 and short > max(1.5 / fps, 1.5 * gap, 0.02 * declared) else 0.0
    if listed > count and (broken or (declared and gap and round(declared / gap) > len(times))):
        missing = max(missing, (listed - count) / listed)
    numbers = {stamp: i for i, stamp in enumerate(sorted(stamps))} if keyed else None
    return _Timeline(times, end, fps, float(base), numbers, _groups(packets), broken, missing)


def _from_key_frame(packets: list[tuple]) -> list[tuple]:
    """Packets from the first key frame on, without frames that are shown before it: they cannot be decoded."""
    first = next((i for i, packet in enumerate(packets) if packet[3]), 0)
    start = packets[first][0]
    return [packets[first]] + [
        packet for packet in packets[first + 1 :] if None in (start, packet[0]) or packet[0] >= start
    ]


def _groups(packets: list[tuple]) -> dict[int, list[int]]:
    """By time stamp, the stamps of the packets from this one to the next key frame, as they are decoded."""
    groups: dict[int, list[int]] = {}
    group: list[int] = []
    for stamp, _, _, key, _ in packets:
        if key:
            group = []
        group.append(stamp)
        groups[stamp] = group
    return groups


def _mean_rate(times: np.ndarray, end: float, rate: float | None) -> float:
    """Frames per second; the declared rate where it is this one but for rounding."""
    span = times[-1] - times[0] if len(times) > 1 else end - times[0]
    measured = max(len(times) - 1, 1) / span if span > 0 else rate or 1.0
    return rate if rate and abs(measured - rate) < 0.005 * rate else float(measured)


def _part(timeline: _Timeline, start, end, fps, path) -> np.ndarray:
    """Numbers of the file's frames that make up the asked part at the asked rate."""
    times, total = timeline.times, len(timeline.times)
    tolerance = min(timeline.tick / 2, 5e-4) + 1e-6 if timeline.numbers else 1e-6
    first = 0 if start is None else int(np.searchsorted(times, start - tolerance))
    stop = total if end is None else int(np.searchsorted(times, end - tolerance))
    begin = start or 0.0
    if first >= stop and begin < timeline.end - tolerance and (end is None or end > begin):
        first = max(first - 1, 0)  # none begins in it: the one on show
        stop = first + 1
    if first >= stop:
        raise VideoError(
            f"{path}: no frame between {begin:g} s and {'the end' if end is None else f'{end:g} s'}, "
            f"the video is {timeline.end:.2f} s long"
        )
    if fps is None:
        return np.arange(first, stop)
    until = times[stop] if stop < total else timeline.end
    n = max(round((until - times[first]) * fps), 1)
    places = np.interp(times[first] + np.arange(n) / fps, times[first:stop], np.arange(first, stop))
    return np.rint(places.round(3)).astype(int)


def _collect(
    path, timeline: _Timeline, wanted: np.ndarray, transform
) -> tuple[dict[int, np.ndarray], set[int], _Timeline | None]:
    """Decode the wanted frames; the numbers of damaged ones; and the timeline, if it is another one than thought."""
    needed, last = set(wanted.flat), int(wanted.max())
    kept: dict[int, np.ndarray] = {}
    latest = None
    with _open(path) as stream:
        decoder = _Decoder(stream, path, timeline)
        for number, frame in decoder.frames():
            if number in needed:
                array = upright(frame)
                kept[number] = transform(array) if transform else array
            latest = number
            if number >= last:
                break
        if latest is None:
            why = decoder.reason or "none in the file"
            raise VideoError(f"{path}: no frame can be decoded ({why})")
        lost = [number for number in range(last + 1) if number not in decoder.seen]
        if lost and not decoder.damaged and not timeline.broken:
            # Nothing is damaged: fields of a frame in packets of their own, or frames that are not shown.
            for _ in decoder.frames():
                pass
            return kept, set(), _of_shown(timeline, decoder.seen, path)
    if lost:
        kept = _with_neighbors(path, timeline, kept, needed, set(lost), transform)
    return kept, decoder.damaged | set(lost), None


def _of_shown(timeline: _Timeline, seen: set[int], path) -> _Timeline:
    numbers = sorted(seen)
    times = timeline.times[numbers]
    if timeline.numbers is None:
        stamps = None
    else:
        by_number = {number: stamp for stamp, number in timeline.numbers.items()}
        stamps = {by_number[number]: i for i, number in enumerate(numbers)}
    gap = float(np.median(np.diff(times))) if len(times) > 1 else timeline.end - float(times[0])
    end = max(timeline.end, float(times[-1]) + gap) if numbers[-1] < len(timeline.times) - 1 else timeline.end
    return replace(timeline, times=times, end=end, fps=_mean_rate(times, end, None), numbers=stamps)


def _with_neighbors(path, timeline, kept, needed, lost, transform) -> dict[int, np.ndarray]:
    """The kept frames, and for lost ones those before them, or after them where there are none before."""
    found = sorted(set(range(len(timeline.times))) - lost)
    stand_ins = {}
    for number in needed & lost:
        before = [other for other in found if other < number]
        stand_ins[number] = before[-1] if before else next(other for other in found if other > number)
    wanted = set(stand_ins.values()) - set(kept)
    if wanted:
        with _open(path) as stream:
            for number, frame in _Decoder(stream, path, timeline).frames():
                if number in wanted:
                    array = upright(frame)
                    kept[number] = transform(array) if transform else array
                if wanted <= set(kept):
                    break
    return {
        number: kept[stand_ins.get(number, number)]
        for number in needed
        if stand_ins.get(number, number) in kept
    }


class _Decoder:
    """Decodes a stream, and keeps account of frames that came and of those that are damaged."""

    def __init__(self, stream: av.VideoStream, path: str | Path, timeline: _Timeline) -> None:
        self._stream, self._path, self._timeline = stream, path, timeline
        self.seen: set[int] = set()
        self.damaged: set[int] = set()
        self.reason: str | None = None
        self._packets = stream.container.demux(stream)
        self._codec = decoder_of(stream)
        self._logged = self._codec.name in LOGGED
        if self._logged:
            self._codec.thread_count = 1  # its messages come from this thread, which alone is listened to

    def frames(self) -> Iterator[tuple[int, av.VideoFrame]]:
        """Decode all further frames, in the order shown, with their numbers; pass over damaged packets."""
        while True:
            try:
                packet = next(self._packets)
            except StopIteration:
                return
            except av.FFmpegError as error:
                self._note(error)
                self.damaged.add(len(self._timeline.times) - 1)
                return
            try:
                with _listening() if self._logged else nullcontext([]) as said:
                    frames = self._codec.decode(packet if packet.size else None)
            except av.FFmpegError as error:
                self._note(error)
                self._spoil(packet.pts)
                continue
            if packet.is_corrupt or said:
                self._spoil(packet.pts)
            for frame in frames:
                number = self._number(frame)
                if number is None:
                    continue
                self.seen.add(number)
                if frame.is_corrupt:
                    self._spoil(frame.pts)
                    self.damaged.add(number)
                yield number, frame

    def _number(self, frame: av.VideoFrame) -> int | None:
        numbers = self._timeline.numbers
        if numbers is None:
            number = len(self.seen)
            return number if number < len(self._timeline.times) else None
        return numbers.get(frame.pts)

    def _note(self, error: av.FFmpegError) -> None:
        _raise_passing(error, self._path)
        self.reason = _reason(error)

    def _spoil(self, stamp: int | None) -> None:
        """Frames that hang on the packet with this time stamp are damaged too."""
        group = self._timeline.groups.get(stamp, [])
        numbers = self._timeline.numbers
        if numbers is None or stamp not in group:
            self.damaged.add(len(self.seen))
            return
        self.damaged |= {numbers[other] for other in group[group.index(stamp) :] if other in numbers}


@contextmanager
def _listening() -> Iterator[list]:
    """What ffmpeg says of errors meanwhile, from this thread."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture(local=True) as said:
            yield said
    finally:
        av.logging.set_level(level)


@contextmanager
def _open(path: str | Path) -> Iterator[av.VideoStream]:
    path = Path(path)
    try:
        state = os.stat(path)
    except OSError as error:
        _raise_passing(error, path)
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise VideoError(f"{path}: no such file") from None
        raise VideoError(f"{path}: cannot be read ({error.strerror})") from None
    if not stat.S_ISREG(state.st_mode):
        raise VideoError(f"{path}: no such file")
    if state.st_size == 0:
        raise VideoError(f"{path}: the file is empty")
    try:
        # Some files of HMDB51 have titles in no known encoding.
        container = av.open(str(path), metadata_errors="ignore")
    except (av.FFmpegError, OSError, ValueError) as error:
        _raise_passing(error, path)
        raise VideoError(f"{path}: not a readable video file ({_reason(error)})") from None
    with container:
        if not container.streams.video:
            raise VideoError(f"{path}: holds no video stream")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise VideoError(f"{path}: of a codec that is not known")
        yield stream


def _raise_passing(error: Exception, path: str | Path) -> None:
    """Raise what is a matter of the machine, not of the file, so that it is no verdict on the file."""
    number = getattr(error, "errno", None)
    if number in PASSING or (number == errno.ENOMEM and not _has_memory()):
        pass
    elif number != errno.EIO or _can_be_read(path):  # ffmpeg says EIO of files that end too early as well
        return
    raise VoxplainError(
        f"{path} cannot be read now ({_reason(error)}), which says nothing of the file. See that the disk or share is "
        "there, and that the machine has memory, threads and open files left (ulimit -a; fewer jobs: --cores), and "
        "run again."
    ) from None


def _has_memory(size: int = 1 << 28) -> bool:
    try:
        bytearray(size)
    except MemoryError:
        return False
    return True


def _can_be_read(path: str | Path) -> bool:
    try:
        with open(path, "rb") as file:
            while file.read(1 << 24):
                pass
    except OSError:
        return False
    return True


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
