"""Whether long runs stay flat: memory, threads and open files of the live page's server, and of decoding clips.

::

    python -m benchmarks.endurance --minutes 60 --clips 5000
"""

from __future__ import annotations

import argparse
import gc
import random
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import psutil

ROOT = Path(__file__).resolve().parents[1]
GROWTH = 10  # MB that a long run may need more at its end than at its beginning
CHANCE = 5  # threads or files more that mean nothing: what leaks does so thousands of times
MEASURED = ["memory", "threads", "files"]
READERS, ROUNDS = 40, 8  # at once, which are more than the page lets in; and the fewest rounds of them
SHARD = 250  # clips, or fewer where there would not be 20 shards
# What readers of the page say; the last four do not wait for an end.
WORDS = {
    "page": b"GET / HTTP/1.0\r\nHost: %b\r\n\r\n",
    "status": b"GET /status.json HTTP/1.0\r\nHost: %b\r\n\r\n",
    "stream": b"GET /stream.mjpg HTTP/1.0\r\nHost: %b\r\n\r\n",
    "stream, unread": b"GET /stream.mjpg HTTP/1.0\r\nHost: %b\r\n\r\n",
    "half a request": b"GET /stream.mj",
    "nonsense": b"\0\xff\r\n\r\n%b",
    "nothing": b"",
}


def run(*, quick: bool = False) -> list[dict]:
    """Rows of part, against, ratio, low, high, goal, met: the memory that a long run may gain over what it gains."""
    minutes, clips = (0.05, 40) if quick else (2, 1000)
    return [row(*part) for part in (page(minutes), decoding(clips))]


def row(what: str, found: pd.DataFrame) -> dict:
    """Samples in the order of time, as a row of the benchmarks: the last fifth against the second one."""
    fifth = max(len(found) // 5, 1)
    first, last = found[MEASURED].iloc[fifth : 2 * fifth], found[MEASURED].iloc[-fifth:]
    more = (last - first.median()).median()
    flat = more["threads"] <= CHANCE and more["files"] <= CHANCE
    ratio = float(GROWTH / max(more["memory"], 0.1))
    told = ", ".join(f"{name} {first[name].median():.0f} to {last[name].median():.0f}" for name in MEASURED)
    return {
        "part": f"{what}: {told}",
        "against": f"{GROWTH} MB more",
        "ratio": ratio,
        "low": ratio,
        "high": ratio,
        "goal": 1.0,
        "met": bool(ratio >= 1 and flat),
    }


def state(process: psutil.Process) -> dict[str, float]:
    """Resident memory (MB), threads and open files of a process."""
    return {
        "memory": process.memory_info().rss / 2**20,
        "threads": process.num_threads(),
        "files": process.num_fds(),
    }


def page(minutes: float) -> tuple[str, pd.DataFrame]:
    """The page's server, measured between rounds of readers that come, stay for a while and go."""
    command = [sys.executable, "-m", "benchmarks.endurance", "--serve"]
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        port, process = int(server.stdout.readline()), psutil.Process(server.pid)
        threads, samples, readers = process.num_threads(), [], 0
        draw, end = random.Random(0), time.monotonic() + 60 * minutes
        with ThreadPoolExecutor(READERS) as pool:
            while time.monotonic() < end or len(samples) < ROUNDS:
                stay = min(3.0, minutes)
                coming = [(draw.choice(list(WORDS)), draw.uniform(0, stay)) for _ in range(READERS)]
                list(pool.map(lambda one: read(port, *one), coming))
                readers += READERS
                patience = time.monotonic() + 30
                while process.num_threads() > threads and time.monotonic() < patience:
                    time.sleep(0.05)
                samples.append(state(process))
    finally:
        server.communicate()
    return f"live page, {minutes:g} min, {readers} readers", pd.DataFrame(samples)


def read(port: int, kind: str, seconds: float) -> None:
    """One reader of the page, who goes after some seconds at most, half of them with a reset."""
    end = time.monotonic() + seconds
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=seconds + 1) as reader:
        reader.sendall(WORDS[kind].replace(b"%b", b"127.0.0.1:%d" % port))
        if kind in ("page", "status", "stream"):
            while time.monotonic() < end and reader.recv(1 << 16):
                pass
        else:
            time.sleep(seconds)
        if int(1e6 * seconds) % 2:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def serve() -> None:
    """Show frames on a page until there is no one left at the standard input."""
    from voxplain.live.outputs import Page

    shown = Page(0, "endurance")
    print(shown.port, flush=True)
    images = np.random.default_rng(0).integers(0, 255, (10, 64, 64, 3), np.uint8)
    number = 0
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        shown.show(images[number % len(images)], number / 20, {"frames": number})
        number += 1
    shown.close()


def decoding(clips: int) -> tuple[str, pd.DataFrame]:
    """The stage cache_clips on shards of tiny videos, one after the other in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.endurance", "--decode", str(clips)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    samples = [map(float, line.split()) for line in done.stdout.splitlines()]
    return f"{clips} clips decoded and cached", pd.DataFrame(samples, columns=MEASURED)


def decode(clips: int) -> Iterator[dict[str, float]]:
    """Decode and cache shards of clips, and give the state of this process after each."""
    sys.path.insert(0, str(ROOT / "src/stages"))
    from cache_clips import main as cache_clips

    from voxplain.videos.embedded import write_video

    size = min(SHARD, max(clips // 20, 2))
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{number}.mp4" for number in range(size)]
        for number, path in enumerate(paths):
            frames = np.random.default_rng(number).integers(0, 255, (10, 32, 32, 3), np.uint8)
            write_video(path, frames)
        with open(paths[-1], "r+b") as damaged:  # one of each shard is set aside
            damaged.truncate(200)
        for shard in range(0, clips, size):
            rows = [[f"v{shard + n}", path, "a", "train", None, None] for n, path in enumerate(paths)]
            output = SimpleNamespace(clips=f"{folder}/clips.h5", set_aside=f"{folder}/set_aside.parquet")
            options = {"frames": 8, "step": 1, "size": 32}
            listed = {"rows": rows[: clips - shard], "files": None}
            params = SimpleNamespace(listed=listed, options=options)
            cache_clips(SimpleNamespace(params=params, output=output, made_by={"shard": shard}))
            gc.collect()  # decoders, whose threads go with them
            yield state(psutil.Process())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="that the page is served (default: 10)")
    parser.add_argument("--clips", type=int, default=5000, help="that are decoded (default: 5000)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--decode", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.serve:
        serve()
    elif given.decode:
        told = sys.stdout
        sys.stdout = sys.stderr  # the stage's own words
        for found in decode(given.decode):
            print(*found.values(), file=told, flush=True)
    else:
        for measure, much in ((page, given.minutes), (decoding, given.clips)):
            found = row(*measure(much))
            print(f"{found['part']}: {'flat' if found['met'] else 'NOT FLAT'}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
