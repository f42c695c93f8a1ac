"""Where live overlays go: a video file, a window, a local page."""

from __future__ import annotations

import json
import threading
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from ..artifacts import atomic_path
from ..errors import ConfigError

BOUNDARY = "frame"


class VideoFile:
    """Writes overlays to an H.264 file, each at the time of its frame.

    Parameters
    ----------
    path : path
        Whole or absent: it is there once the stream has ended.
    fps : float
        Grid of the times; a frame that was dropped leaves the one before it on the screen.

    Raises
    ------
    ConfigError
        No video can be written there.
    """

    def __init__(self, path: str | Path, fps: float) -> None:
        self._place = atomic_path(path)
        self._temporary = self._place.__enter__()
        self._fps, self._last, self._stream = fps, -1, None
        try:
            self._container = av.open(str(self._temporary), "w")
        except (av.FFmpegError, ValueError, OSError):
            self._place.__exit__(*_NOTHING_WRITTEN)
            raise ConfigError(f"No video can be written to {path}: give a name that ends in .mp4.") from None

    def show(self, image: np.ndarray, seconds: float, status: dict[str, Any]) -> bool:
        image = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]  # as H.264 wants it
        if self._stream is None:
            rate = Fraction(self._fps).limit_denominator(1001)
            self._stream = self._container.add_stream("h264", rate=rate)
            self._stream.height, self._stream.width, self._stream.pix_fmt = *image.shape[:2], "yuv420p"
            self._stream.options = {"crf": "20", "preset": "ultrafast"}
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        self._last = max(self._last + 1, round(seconds * self._fps))
        frame.pts, frame.time_base = self._last, 1 / Fraction(self._fps).limit_denominator(1001)
        self._container.mux(self._stream.encode(frame))
        return True

    def close(self) -> None:
        if self._stream is None:
            self._container.close()
            self._place.__exit__(*_NOTHING_WRITTEN)
            return
        self._container.mux(self._stream.encode())
        self._container.close()
        self._place.__exit__(None, None, None)


class _Empty(Exception):
    """No frame came, so there is no file."""


_NOTHING_WRITTEN = (_Empty, _Empty(), None)


class Window:
    """Shows overlays in a window; q, escape or closing it ends the stream.

    Raises
    ------
    ConfigError
        There is no display, or this OpenCV is built without windows.
    """

    NAME = "voxplain"

    def __init__(self) -> None:
        try:
            cv2.namedWindow(self.NAME, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        except cv2.error:
            raise ConfigError(
                "No window can be opened: there is no display, or this OpenCV has no windows (replace "
                "opencv-python-headless by opencv-python). Use --serve 8000 and a browser, or --output FILE."
            ) from None

    def show(self, image: np.ndarray, seconds: float, status: dict[str, Any]) -> bool:
        cv2.imshow(self.NAME, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        cv2.setWindowTitle(self.NAME, f"voxplain: {status['answer'] or 'no explanation yet'}")
        open_still = cv2.waitKey(1) not in (ord("q"), 27)
        return open_still and cv2.getWindowProperty(self.NAME, cv2.WND_PROP_VISIBLE) > 0

    def close(self) -> None:
        cv2.destroyAllWindows()


class Page:
    """Serves overlays as a page on this machine alone, at http://127.0.0.1:PORT/.

    ``/`` is the page, ``/stream.mjpg`` the frames as multipart JPEG, ``/status.json`` rates and the answer.
    Requests under another host's name are refused, so that no other site can look through the camera.

    Parameters
    ----------
    port : int
        0 takes any free one; see attribute `address`.
    title : str
        What is explained, and how.

    Raises
    ------
    ConfigError
        The port is taken or not allowed.
    """

    def __init__(self, port: int, title: str) -> None:
        self.title = title
        self._change = threading.Condition()
        self._number, self._jpeg, self._status, self._closed = 0, b"", {}, False
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigError(
                f"Port {port} cannot be served ({reason}): choose another, or 0 for any."
            ) from None
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.address = f"http://127.0.0.1:{self.port}/"
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        ).start()

    def show(self, image: np.ndarray, seconds: float, status: dict[str, Any]) -> bool:
        _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
        with self._change:
            self._number, self._jpeg, self._status = self._number + 1, jpeg.tobytes(), status
            self._change.notify_all()
        return True

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._change.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def newest(self, after: int) -> tuple[int, bytes] | None:
        """Wait for a JPEG newer than number `after`; None once there will be none."""
        with self._change:
            self._change.wait_for(lambda: self._closed or self._number > after)
            return None if self._closed else (self._number, self._jpeg)

    def status(self) -> bytes:
        """The newest status as JSON."""
        with self._change:
            return json.dumps(self._status).encode()


def _handler(page: Page) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Host") not in (f"127.0.0.1:{page.port}", f"localhost:{page.port}"):
                self.send_error(403)
            elif self.path == "/":
                text = files("voxplain.live").joinpath("page.html").read_text(encoding="utf-8")
                self._answer(
                    text.replace("{{title}}", _escape(page.title)).encode(), "text/html; charset=utf-8"
                )
            elif self.path == "/status.json":
                self._answer(page.status(), "application/json")
            elif self.path == "/stream.mjpg":
                self._frames()
            else:
                self.send_error(404)

        def _answer(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def _frames(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            number = 0
            try:
                while (found := page.newest(number)) is not None:
                    number, jpeg = found
                    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
                self.wfile.write(f"--{BOUNDARY}--\r\n".encode())
            except OSError:  # the reader has gone
                pass

        def log_message(self, *arguments: Any) -> None:
            pass

    return Handler


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
