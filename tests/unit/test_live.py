"""Live explanation: what is dropped, measured and written, on streams whose timing is known."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import resource
import socket
import struct
import threading
import time

import numpy as np
import pytest

from voxplain.cli.explain import write_video
from voxplain.errors import ConfigError, VideoError, VoxplainError
from voxplain.live import outputs
from voxplain.live.outputs import Page, VideoFile
from voxplain.live.player import Player, _rate, _spread
from voxplain.live.stream import Stream
from voxplain.videos.decode import probe, read_chosen_frames


def read_frames(path, **how) -> np.ndarray:
    """All frames of a video, or the chosen ones."""
    return read_chosen_frames(path, **{"choose": np.arange} | how)[0]


@pytest.fixture
def ramp(tmp_path):
    """A video of 20 frames, 20 a second, each brighter than the one before by 10."""
    frames = np.repeat(np.arange(20, dtype=np.uint8)[:, None, None, None] * 10 + 20, 16, 1)
    path = tmp_path / "ramp.mp4"
    write_video(path, np.tile(frames, (1, 1, 16, 3)), 20)
    return str(path)


def drain(stream):
    while not stream.ended:
        time.sleep(0.01)


class Recorder:
    def __init__(self, limit=10**6):
        self.images, self.seconds, self.limit = [], [], limit

    def show(self, image, seconds, status):
        self.images.append(image)
        self.seconds.append(seconds)
        return len(self.images) < self.limit

    def close(self):
        self.closed = True


def nothing(clip):
    return np.zeros(clip.shape[:3], np.float32), "none"


def test_only_the_newest_clip_and_frame_are_kept(ramp):
    stream = Stream(ramp, frames=4, step=2, size=16, shown=32)
    drain(stream)
    clip, frame = stream.next_clip(0)
    # The last frame is brightest: 210; the clip's frames are two apart.
    np.testing.assert_allclose(clip.mean((1, 2, 3)), [150, 170, 190, 210], atol=3)
    assert clip.shape == (4, 16, 16, 3) and frame.number == stream.count == 20
    assert stream.next_frame(0).number == 20 and stream.next_frame(0).image.shape == (32, 32, 3)
    assert stream.next_clip(20) is None and stream.next_frame(20, timeout=0) is None
    assert stream.error is None


def test_a_stream_shorter_than_a_clip_is_repeated_from_its_beginning(ramp):
    stream = Stream(ramp, frames=32, size=16, shown=16)
    drain(stream)
    brightness = stream.next_clip(0)[0].mean((1, 2, 3))
    np.testing.assert_allclose(brightness[:20], np.arange(20) * 10 + 20, atol=3)
    np.testing.assert_array_equal(brightness[20:], brightness[:12])


def test_a_slow_explainer_does_not_hold_up_the_frames(ramp):
    recorder = Recorder()

    def slow(clip):
        time.sleep(0.3)
        return nothing(clip)

    found = Player(Stream(ramp, frames=4, size=16, shown=16), slow, [recorder]).run()
    # A second of video, of which the last 0.8 s have whole clips: two or three explanations of 0.3 s.
    assert found["frames"] == 20 and found["shown"] + found["dropped"] == 20
    assert 1 <= found["explanations"] <= 3
    assert found["explanation_latency_ms"]["median"] >= 300 > found["shown_latency_ms"]["median"]
    assert found["ended"] == "end" and recorder.closed


def test_frames_are_dropped_and_not_queued(ramp):
    class Slow(Recorder):
        def show(self, image, seconds, status):
            time.sleep(0.2)
            return super().show(image, seconds, status)

    slow = Slow()
    found = Player(Stream(ramp, frames=2, size=16, shown=16), nothing, [slow]).run()
    assert found["dropped"] >= 10 and len(slow.images) <= 8
    assert slow.seconds == sorted(slow.seconds)


def test_the_user_can_stop(ramp):
    found = Player(
        Stream(ramp, frames=2, size=16, shown=16, repeat=True), nothing, [Recorder(limit=30)]
    ).run()
    assert found["ended"] == "stopped" and found["frames"] >= 30  # more than the file has: it was repeated


def test_what_fails_is_told(ramp, tmp_path):
    def broken(clip):
        raise ConfigError("mend me")

    with pytest.raises(ConfigError, match="mend me"):
        Player(Stream(ramp, frames=2, size=16, shown=16), broken, []).run()
    for source, says in {
        "lost.mp4": "no such file",
        "9": "other programs",
        "http://127.0.0.1:9/": "reached",
    }.items():
        with pytest.raises(VideoError, match=says):
            Stream(source, frames=2, size=16, shown=16)
    (tmp_path / "text.mp4").write_bytes(b"no video" * 99)
    with pytest.raises(VideoError, match="cannot be opened"):
        Stream(str(tmp_path / "text.mp4"), frames=2, size=16, shown=16)


def test_rates_and_latencies_by_hand():
    events = [(10.0, 0.010), (10.5, 0.020), (12.0, 0.030)]  # three in two seconds are one a second
    assert _rate(events) == 1.0 and _rate(events[:1]) is None
    assert _spread(events) == {"median": 20.0, "p95": 29.0} and _spread([]) is None


def test_a_file_keeps_the_time_of_dropped_frames(tmp_path):
    file = VideoFile(tmp_path / "out.mp4", 10)
    for seconds in (0.0, 0.1, 0.5):
        file.show(np.full((33, 32, 3), int(200 * seconds), np.uint8), seconds, {})
    assert not (tmp_path / "out.mp4").exists()  # whole or absent
    file.close()
    assert len(read_frames(tmp_path / "out.mp4")) == 3 and probe(tmp_path / "out.mp4").height == 32
    with pytest.raises(ConfigError, match="ends in .mp4"):
        VideoFile(tmp_path / "out.txt", 10)
    VideoFile(tmp_path / "empty.mp4", 10).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4"]


@pytest.fixture
def page():
    page = Page(0, "r3d <by> dtd")
    yield page
    if not page._closed:
        page.close()


def ask(page, path, host=None):
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
    connection.request("GET", path, headers={"Host": host} if host else {})
    return connection.getresponse()


def test_the_page_and_its_status(page):
    answer = ask(page, "/")
    text = answer.read().decode()
    assert answer.status == 200 and "r3d &lt;by>" in text and re.search(r'<img[^>]+alt="\w', text)
    assert "://" not in text  # nothing from elsewhere
    page.show(np.zeros((8, 8, 3), np.uint8), 0.0, {"answer": "kick"})
    assert json.loads(ask(page, "/status.json").read()) == {"answer": "kick"}
    assert ask(page, "/../secret").status == 404
    assert ask(page, "/", host="elsewhere.example").status == 403
    with pytest.raises(ConfigError, match="choose another"):
        Page(page.port, "again")
    with pytest.raises(ConfigError, match="choose another"):
        Page(70000, "no port")


def test_the_frames_come_as_parts_of_jpeg(page):
    import cv2

    page.show(np.full((8, 8, 3), (200, 0, 0), np.uint8), 0.0, {})
    answer = ask(page, "/stream.mjpg")
    boundary = re.fullmatch(
        r"multipart/x-mixed-replace; boundary=(\w+)", answer.headers["Content-Type"]
    ).group(1)
    for color in ((200, 0, 0), (0, 0, 200)):
        assert answer.readline() == f"--{boundary}\r\n".encode()
        assert answer.readline() == b"Content-Type: image/jpeg\r\n"
        length = int(answer.readline().removeprefix(b"Content-Length: "))
        assert answer.readline() == b"\r\n"
        image = cv2.imdecode(np.frombuffer(answer.read(length), np.uint8), cv2.IMREAD_COLOR_RGB)
        assert np.abs(image.mean((0, 1)) - color).max() < 12  # red and blue are not swapped
        assert answer.readline() == b"\r\n"
        page.show(np.full((8, 8, 3), (0, 0, 200), np.uint8), 0.1, {})
    # A reader that waits is let go when the stream ends.
    threading.Timer(0.2, page.close).start()
    assert answer.read().rstrip().endswith(f"--{boundary}--".encode())


# --- readers that mean harm, leave, or stand still ---


def request(page, path="/", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


@pytest.mark.parametrize("path", ["/", "/status.json", "/stream.mjpg"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:1"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "empty"},
    ],
)
def test_no_other_site_looks_through_the_page(page, path, headers):
    assert request(page, path, **headers).status == 403


def test_the_user_may_come_from_anywhere(page):
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
    assert request(page, "/", **link).status == 200
    assert request(page, "/stream.mjpg", **link).status == 403
    own = {"Origin": f"http://127.0.0.1:{page.port}", "Sec-Fetch-Site": "same-origin"}
    assert request(page, "/status.json", **own).status == 200


def test_nothing_can_be_framed_embedded_or_added(page):
    for path in ("/", "/status.json", "/nothing"):
        found = request(page, path).headers
        policy = dict(part.split(" ", 1) for part in found["Content-Security-Policy"].split("; "))
        assert policy["frame-ancestors"] == policy["default-src"] == policy["base-uri"] == "'none'"
        assert "unsafe" not in found["Content-Security-Policy"]
        assert found["Cross-Origin-Resource-Policy"] == "same-origin" and found["X-Frame-Options"] == "DENY"
        assert found["X-Content-Type-Options"] == "nosniff" and "Python" not in found["Server"]
    text = request(page).read().decode()
    for kind in ("script", "style"):
        (part,) = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        wanted = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert policy[f"{kind}-src"] == f"'sha256-{wanted}'"


def wait_for(condition, seconds=40.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "took too long"
        time.sleep(0.02)


def test_readers_that_stand_still_or_are_too_many_are_let_go(monkeypatch, capfd):
    monkeypatch.setattr(outputs, "PATIENCE", 3.0)
    monkeypatch.setattr(outputs, "READERS", 5)
    others = set(threading.enumerate())  # of tests before this one, which may end meanwhile

    def own():
        return len(set(threading.enumerate()) - others)

    page = Page(0, "r3d")
    started = time.monotonic()
    idle = [socket.create_connection(("127.0.0.1", page.port)) for _ in range(20)]
    assert time.monotonic() - started < 0.9  # none waited for a second try
    try:
        wait_for(lambda: own() >= 6)
        assert own() == 6  # five readers and who lets them in
        answered = socket.create_connection(("127.0.0.1", page.port), timeout=5)
        assert answered.recv(99).startswith(b"HTTP/1.0 503 ")
        wait_for(lambda: own() == 1)  # after three seconds without a word
        assert request(page).status == 200
        # One that asks for the stream and reads nothing of it.
        mute = socket.create_connection(("127.0.0.1", page.port))
        mute.sendall(f"GET /stream.mjpg HTTP/1.0\r\nHost: 127.0.0.1:{page.port}\r\n\r\n".encode())
        wait_for(lambda: own() == 2)
        image = np.random.default_rng(0).integers(0, 255, (700, 700, 3), np.uint8)
        end = time.monotonic() + 20
        while own() > 1 and time.monotonic() < end:
            page.show(image, 0.0, {})
            time.sleep(0.01)
        assert own() == 1
    finally:
        page.close()
        for reader in (*idle, answered, mute):
            reader.close()
    assert "Traceback" not in capfd.readouterr().err


def test_readers_that_leave_are_no_news(page, capfd):
    before = threading.active_count()
    for kind in range(12):
        reader = socket.create_connection(("127.0.0.1", page.port))
        if kind % 3:
            reader.sendall(
                f"GET /stream.mjpg HTTP/1.0\r\nHost: 127.0.0.1:{page.port}\r\n\r\n".encode()[: 20 * kind]
            )
        if kind % 2:  # a reset instead of an end
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reader.close()
    for _ in range(3):
        page.show(np.zeros((64, 64, 3), np.uint8), 0.0, {})
        time.sleep(0.05)
    wait_for(lambda: threading.active_count() <= before)  # also of a stream that shows nothing new
    assert capfd.readouterr().err == ""
    assert request(page).status == 200


@pytest.mark.parametrize(
    "words",
    [b"\0" * 50, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /" + b"a" * 70_000,
     b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GÉT / HTTP/1.1\r\n\r\n".encode()],
)  # fmt: skip
def test_what_is_malformed_is_refused_and_the_page_goes_on(page, words, capfd):
    reader = socket.create_connection(("127.0.0.1", page.port), timeout=5)
    reader.sendall(words)
    reader.shutdown(socket.SHUT_WR)
    answer = b""
    try:
        while found := reader.recv(4096):
            answer += found
    except ConnectionError:
        pass
    assert b" 200 " not in answer.partition(b"\n")[0]
    assert request(page).status == 200 and "Traceback" not in capfd.readouterr().err


def test_a_full_disk_ends_the_stream_and_leaves_no_half_video(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    for size in (0, 500, 20_000):
        file = VideoFile(tmp_path / "out.mp4", 10)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            going = [file.show(noise, number / 10, {}) for number in range(40)]
            with pytest.raises(VoxplainError, match="File too large.*Make room.*run the same command again"):
                file.close()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert not going[-1]
        assert not list(tmp_path.iterdir())
