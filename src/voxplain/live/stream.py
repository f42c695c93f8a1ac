"""A running stream of frames, of which only the newest are kept."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from ..errors import VideoError
from ..videos.clips import Crop, clip_indices, fit_frame
from ..videos.decode import decoder_of, upright

PATIENCE = 10.0  # seconds without an answer after which a network stream has failed


@dataclass(frozen=True)
class Frame:
    """A frame as it came.

    Attributes
    ----------
    number : int
        Of the stream's frames, from 1.
    arrived : float
        When it was decoded, on `time.perf_counter`'s clock.
    image : (S, S, 3) uint8
        RGB.
    """

    number: int
    arrived: float
    image: np.ndarray


class Stream:
    """Frames of a video file, a camera or a network stream, read by a thread of its own.

    Nothing is queued: a slot holds the newest frame to show, a ring the frames of the newest clip, and what
    is not fetched in time is dropped. Files are read at their own frame rate.

    Parameters
    ----------
    source : str
        Path of a video file; number of a camera, from 0; or an address such as ``rtsp://…``, ``http://…``.
    frames, step, size : int
        Clips: length, distance of their frames in the stream, height and width.
    crop : {"center", "squash"}
        How frames, also those to show, are fitted (`voxplain.videos.clips.fit_frame`).
    shown : int
        Height and width of frames to show.
    repeat : bool
        Begin a file again at its end.

    Attributes
    ----------
    fps : float
        Frame rate that the stream says it has; 25 where it says none.
    count : int
        Frames read until now.
    ended : bool
        No frame will come any more.
    error : str or None
        Why, if not because the stream is at its end.

    Raises
    ------
    VideoError
        The source cannot be opened; the text says what to do.
    """

    def __init__(
        self,
        source: str,
        *,
        frames: int,
        step: int = 1,
        size: int,
        crop: Crop = "center",
        shown: int,
        repeat: bool = False,
    ) -> None:
        self.source, self.count, self.ended, self.error = source, 0, False, None
        self._frames, self._step, self._repeat = frames, step, repeat
        self._size, self._crop, self._shown = size, crop, shown
        self._ring: deque[Frame] = deque(maxlen=(frames - 1) * step + 1)
        self._newest: Frame | None = None
        self._change = threading.Condition()
        self._stopped = False
        container = _open(source)
        video = container.streams.video[0]
        self.fps = float(video.average_rate or video.guessed_rate or 25)
        self._paced = Path(source).is_file() or container.duration is not None
        self._thread = threading.Thread(target=self._read, args=(container,), daemon=True)
        self._thread.start()

    def next_frame(self, after: int, timeout: float = 0.1) -> Frame | None:
        """The newest frame to show, if it came after frame number `after`; waits for it at most `timeout` s."""
        with self._change:
            self._change.wait_for(lambda: self.ended or self.count > after, timeout)
            return self._newest if self._newest is not None and self._newest.number > after else None

    def next_clip(self, after: int, timeout: float = 0.1) -> tuple[np.ndarray, Frame] | None:
        """The newest clip (T, S, S, 3) uint8 with its last frame, if that came after frame number `after`.

        A stream that ends with less than a clip is repeated from its beginning to fill one, as in
        `voxplain.videos.clips.clip_indices`; then the last frame shown is not the clip's last.
        """
        with self._change:
            full = self._change.wait_for(
                lambda: self.ended or (len(self._ring) == self._ring.maxlen and self.count > after), timeout
            )
            ring = list(self._ring)
        if not full or not ring or ring[-1].number <= after:
            return None
        if len(ring) < self._ring.maxlen:
            chosen = clip_indices(len(ring), frames=self._frames, step=self._step)[0]
        else:
            chosen = range(0, len(ring), self._step)
        return np.stack([ring[i].image for i in chosen]), ring[-1]

    def close(self) -> None:
        """Stop reading."""
        self._stopped = True
        self._thread.join(timeout=1.0)

    def _read(self, container: av.container.InputContainer) -> None:
        error = None
        try:
            for image in self._images(container):
                small, shown = (
                    fit_frame(image, size=size, crop=self._crop) for size in (self._size, self._shown)
                )
                with self._change:
                    self.count += 1
                    now = time.perf_counter()
                    self._ring.append(Frame(self.count, now, small))
                    self._newest = Frame(self.count, now, shown)
                    self._change.notify_all()
                if self._stopped:
                    break
        except (av.FFmpegError, OSError, ValueError, VideoError) as problem:
            error = getattr(problem, "strerror", None) or str(problem)
        with self._change:
            if error is None and self.count == 0 and not self._stopped:
                error = "it holds no frame that can be decoded"
            self.error, self.ended = error, True
            self._change.notify_all()

    def _images(self, container: av.container.InputContainer) -> Iterator[np.ndarray]:
        """Decode frames, those of files at their rate: frame i not before i / fps, as time stamps can be wrong."""
        started, count = time.perf_counter(), 0
        while True:
            before = count
            with container:
                video = container.streams.video[0]
                decoder = decoder_of(video)
                for packet in container.demux(video):
                    try:
                        decoded = decoder.decode(packet if packet.size else None)
                    except av.InvalidDataError:  # a damaged packet does not end a stream
                        continue
                    for frame in decoded:
                        wait = started + count / self.fps - time.perf_counter()
                        if self._paced and wait > 0:
                            time.sleep(wait)
                        count += 1
                        yield upright(frame)
            if not (self._repeat and self._paced) or count == before:
                return
            container = _open(self.source)


def _open(source: str) -> av.container.InputContainer:
    options: dict[str, str] = {}
    kind, mend = None, "Correct its path."
    place = source
    if Path(source).is_file():
        mend = "Give a video file."
    elif source.isdecimal():
        if not sys.platform.startswith(("linux", "darwin")):
            raise VideoError(f"Cameras cannot be opened on {sys.platform}: give a file or an address.")
        linux = sys.platform.startswith("linux")
        kind, place = ("v4l2", f"/dev/video{source}") if linux else ("avfoundation", source)
        options = {} if linux else {"framerate": "30"}
        mend = "Is the camera there, and free of other programs? Other numbers are other cameras."
    elif "://" in source:
        options = {"rtsp_transport": "tcp"} if source.startswith("rtsp") else {}
        mend = "Check the address, and that it can be reached from here."
    elif not Path(source).exists():
        raise VideoError(f"{source}: no such file")
    try:
        container = av.open(
            place, format=kind, options=options, metadata_errors="ignore", timeout=(PATIENCE, PATIENCE)
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoError(f"{source} cannot be opened ({reason}). {mend}") from None
    if not container.streams.video:
        container.close()
        raise VideoError(f"{source} holds no video. {mend}")
    container.streams.video[0].thread_type = "AUTO"
    return container
