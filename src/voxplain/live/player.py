"""Show a stream with its newest explanation, and measure how fast both come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from .overlay import brightest, overlay
from .stream import Frame, Stream

Explain = Callable[[np.ndarray], tuple[np.ndarray, str]]


class Output(Protocol):
    """Where overlays go."""

    def show(self, image: np.ndarray, seconds: float, status: dict[str, Any]) -> bool:
        """Take an overlay (S, S, 3) uint8, `seconds` after the first; False where the user wants no more."""

    def close(self) -> None:
        """Finish."""


@dataclass(frozen=True)
class _Explanation:
    relevance: np.ndarray  # (H, W), of the clip's last frame
    limit: float
    answer: str
    frame: Frame


class Player:
    """Runs an explainer on the newest clip, over and over, while frames are shown as they come.

    The two do not wait for each other: a frame is shown with the newest explanation there is, which is that of
    a clip some frames older. So two rates are measured, and two latencies: from a frame's arrival to its being
    shown, and from the arrival of a clip's last frame to its explanation.

    Parameters
    ----------
    stream : Stream
    explain : callable
        Maps a clip (T, H, W, 3) uint8 to relevance (T, H, W) and the name of the network's answer.
    outputs : sequence of Output
    """

    def __init__(self, stream: Stream, explain: Explain, outputs: Sequence[Output]) -> None:
        self._stream, self._explain, self._outputs = stream, explain, outputs
        self._newest: _Explanation | None = None
        self._failure: BaseException | None = None
        self._done = threading.Event()
        self._stop = threading.Event()
        self._stopped = False  # by the user
        self._explained: list[tuple[float, float]] = []  # when it was there, seconds since its last frame
        self._shown: list[tuple[float, float]] = []

    def run(self) -> dict[str, Any]:
        """Play until the stream ends, the user stops it, or the explainer fails; return `statistics`."""
        worker = threading.Thread(target=self._work, daemon=True)
        worker.start()
        number, first = 0, None
        try:
            while not self._done.is_set():
                frame = self._stream.next_frame(number)
                if frame is None:
                    continue
                number = frame.number
                first = frame.arrived if first is None else first
                if not self._show(frame, first):
                    self._stopped = True
                    break
            frame = self._stream.next_frame(0, timeout=0)
            # A stream shorter than a clip is explained only after its end.
            if frame is not None and self._newest is not None and not self._stopped:
                self._show(frame, first or frame.arrived, again=True)
        except KeyboardInterrupt:
            self._stopped = True
        finally:
            self._stop.set()
            self._stream.close()
            worker.join()
            for output in self._outputs:
                output.close()
        if self._failure is not None:
            raise self._failure
        return self.statistics()

    def statistics(self) -> dict[str, Any]:
        """What was measured until now.

        Returns
        -------
        dict
            ``source_fps``: the stream's own rate. ``frames``: how many came; ``shown``, ``dropped``,
            ``explanations``. ``shown_per_second``, ``explanations_per_second``: mean rates from the first to
            the last; None below two. ``shown_latency_ms``, ``explanation_latency_ms``: median and p95.
            ``ended``: "end", "stopped" or why the stream failed.
        """
        shown, explained = list(self._shown), list(self._explained)
        return {
            "source_fps": round(self._stream.fps, 3),
            "frames": self._stream.count,
            "shown": len(shown),
            "dropped": self._stream.count - len(shown),
            "explanations": len(explained),
            "shown_per_second": _rate(shown),
            "explanations_per_second": _rate(explained),
            "shown_latency_ms": _spread(shown),
            "explanation_latency_ms": _spread(explained),
            "ended": self._stream.error or ("stopped" if self._stopped else "end"),
        }

    def _work(self) -> None:
        number = 0
        try:
            while not self._stop.is_set():
                ended = self._stream.ended  # asked before the clip, so that the last one is not missed
                found = self._stream.next_clip(number)
                if found is None:
                    if ended:
                        break
                    continue
                clip, frame = found
                if ended and number:  # the last clip is worth its time only where it is the only one
                    break
                relevance, answer = self._explain(clip)
                number = frame.number
                self._newest = _Explanation(relevance[-1], brightest(relevance), answer, frame)
                now = time.perf_counter()
                self._explained.append((now, now - frame.arrived))
        except BaseException as error:  # told by the thread that waits
            self._failure = error
        self._done.set()

    def _show(self, frame: Frame, first: float, *, again: bool = False) -> bool:
        newest, image = self._newest, frame.image
        if newest is not None:
            size = image.shape[1::-1]
            relevance = cv2.resize(newest.relevance.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
            image = overlay(image[None], relevance[None], limit=newest.limit)[0]
        status = {"answer": newest.answer if newest else None, **self._rates()}
        seconds = frame.arrived - first + (1 / self._stream.fps if again else 0)
        going = [output.show(image, seconds, status) for output in self._outputs]
        if not again:
            now = time.perf_counter()
            self._shown.append((now, now - frame.arrived))
        return all(going)

    def _rates(self) -> dict[str, Any]:
        """Rates and latencies of the last moments, for the screen."""
        shown, explained = self._shown[-50:], self._explained[-20:]
        return {
            "shown_per_second": _rate(shown),
            "explanations_per_second": _rate(explained),
            "explanation_latency_ms": _spread(explained),
        }


def _rate(events: list[tuple[float, float]]) -> float | None:
    """Mean number per second between the first and the last."""
    if len(events) < 2:
        return None
    return round((len(events) - 1) / (events[-1][0] - events[0][0]), 2)


def _spread(events: list[tuple[float, float]]) -> dict[str, float] | None:
    if not events:
        return None
    median, p95 = np.percentile([1000 * seconds for _, seconds in events], [50, 95])
    return {"median": round(float(median), 1), "p95": round(float(p95), 1)}
