"""Where live overlays go: a video file, a window, a local page."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
import select
import socket
import sys
import threading
from contextlib import suppress
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from ..artifacts import atomic_file
from ..errors import ConfigError, VoxplainError, system_fault

log = logging.getLogger(__name__)
BOUNDARY = "frame"
PATIENCE = 10.0  # seconds for which a reader of the page may neither send, nor take what it is sent
READERS = 32  # connections at once


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
        self._place = atomic_file(path)
        try:
            self._file = self._place.__enter__()
        except OSError as error:
            raise ConfigError(
                f"No video can be written to {path} ({error.strerror or error}): give a place where you may write."
            ) from None
        self._fps, self._last, self._stream = fps, -1, None
        try:
            self._container = av.open(self._file, "w")
        except (av.FFmpegError, ValueError, OSError):
            self._give_up()
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
        return self._file.error is None  # `close` tells it

    def close(self) -> None:
        """End the file; with no frame there is none.

        Raises
        ------
        VoxplainError
            It could not be written whole, as on a full disk, and is not there.
        """
        if self._stream is None:
            self._container.close()
            self._give_up()
            return
        self._container.mux(self._stream.encode())
        self._container.close()
        try:
            self._place.__exit__(None, None, None)
        except OSError as error:
            raise VoxplainError(system_fault(error) or f"The video cannot be written ({error}).") from error

    def _give_up(self) -> None:
        """Remove what was written."""
        with suppress(_Empty):
            self._place.__exit__(_Empty, _Empty(), None)


class _Empty(BaseException):
    """No frame came, so there is no file."""


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
    Requests under another host's name, or of another site's pages, are refused, so that no other site can look through
    the camera or show it within itself. There are at most `READERS` connections, and none that stands still for longer
    than `PATIENCE` seconds.

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
            self._server = _Server(("127.0.0.1", port), _handler(self))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigError(
                f"Port {port} cannot be served ({reason}): choose another, or 0 for any."
            ) from None
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

    def newest(self, after: int, timeout: float = 1.0) -> tuple[int, bytes] | None:
        """Wait for a JPEG newer than number `after`; None once there will be none, no bytes where none came in time."""
        with self._change:
            new = self._change.wait_for(lambda: self._closed or self._number > after, timeout)
            return None if self._closed else (self._number, self._jpeg if new else b"")

    def status(self) -> bytes:
        """The newest status as JSON."""
        with self._change:
            return json.dumps(self._status).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = READERS  # beyond a shorter queue a connection is tried again only after a second

    def __init__(self, *arguments: Any) -> None:
        self._places = threading.BoundedSemaphore(READERS)
        super().__init__(*arguments)

    def process_request(self, request: socket.socket, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        with suppress(OSError):
            request.setblocking(False)
            request.send(b"HTTP/1.0 503 Too many readers\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        self.shutdown_request(request)

    def process_request_thread(self, request: socket.socket, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that leaves is no news; of an error of ours a line is enough, since the page goes on."""
        error = sys.exception()
        if not isinstance(error, OSError):
            log.warning("The page could not answer a request (%s: %s).", type(error).__name__, error)


def _handler(page: Page) -> type[BaseHTTPRequestHandler]:
    text = files("voxplain.live").joinpath("page.html").read_text(encoding="utf-8")
    own = {kind: _hashes(text, kind) for kind in ("script", "style")}
    policy = (
        f"default-src 'none'; img-src 'self' data:; connect-src 'self'; script-src {own['script']}; "
        f"style-src {own['style']}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }

    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE

        def do_GET(self) -> None:
            if not self._of_this_page():
                self.send_error(403)
            elif self.path == "/":
                body = text.replace("{{title}}", _escape(page.title)).encode()
                self._answer(body, "text/html; charset=utf-8")
            elif self.path == "/status.json":
                self._answer(page.status(), "application/json")
            elif self.path == "/stream.mjpg":
                self._frames()
            else:
                self.send_error(404)

        def _of_this_page(self) -> bool:
            """Whether the request is made to this machine, and by this page or by the user."""
            names = [f"{name}:{page.port}" for name in ("127.0.0.1", "localhost")]
            hosts, origins = self.headers.get_all("Host", []), self.headers.get_all("Origin", [])
            if len(hosts) != 1 or hosts[0] not in names or any(o != f"http://{hosts[0]}" for o in origins):
                return False
            # Browsers say who asks: a link that the user follows from elsewhere is no harm, a picture or frame is.
            if self.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
                return True
            return self.path == "/" and self.headers.get("Sec-Fetch-Dest") == "document"

        def version_string(self) -> str:
            return "voxplain"

        def end_headers(self) -> None:
            for name, value in headers.items():
                self.send_header(name, value)
            super().end_headers()

        def _answer(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _frames(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
            self.end_headers()
            number = 0
            try:
                while (found := page.newest(number)) is not None:
                    number, jpeg = found
                    if not jpeg:
                        if self._gone():
                            return
                        continue
                    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
                self.wfile.write(f"--{BOUNDARY}--\r\n".encode())
            except OSError:  # the reader has gone
                pass

        def _gone(self) -> bool:
            """Whether the reader has closed the connection; of a stream that stands still nothing else tells it."""
            readable, _, _ = select.select([self.connection], [], [], 0)
            return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""

        def log_message(self, *arguments: Any) -> None:
            pass

    return Handler


def _hashes(text: str, kind: str) -> str:
    """Sums of the page's own scripts or styles, as a content security policy names them."""
    found = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
    return " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'" for part in found
    )


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
