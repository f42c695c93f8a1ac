"""What comes from elsewhere: weights, videos, video tables, configs, and readers of the live page."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import socket
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from voxplain import device
from voxplain.__main__ import main as command
from voxplain.errors import VoxplainError
from voxplain.live.outputs import Page
from voxplain.models.build import build_model, load_model
from voxplain.models.trained import load_trained
from voxplain.models.weights import write_safetensors
from voxplain.videos.clips import decode_shard
from voxplain.videos.embedded import write_video

from .core import Try, Wrong, memory, told
from .files import damage, network, write_weights

ROOT = Path(__file__).resolve().parents[2]


class Runs:
    """A pickle that makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def value(rng: np.random.Generator, depth: int = 0) -> Any:
    """Anything that JSON or YAML can hold."""
    plain = [None, True, False, 0, 1, -1, 3, 10**30, 2**63, -(2**31), 0.5, -0.0, 1e308, float("inf"), float("nan"), "",
             "a", "r3d", "subprocess:run", "os:mkdir", "../../etc", "x" * 5000, "é\n\t\0", "=1+1", "null", "<script>"]  # fmt: skip
    pick = int(rng.integers(len(plain) + 4))
    if pick < len(plain) or depth > 2:
        return plain[pick % len(plain)]
    inner = [value(rng, depth + 1) for _ in range(int(rng.integers(4)))]
    return inner if pick % 2 else {f"k{n}": found for n, found in enumerate(inner)}


def replaced(rng: np.random.Generator, tree: Any) -> tuple[str, Any]:
    """A nested mapping with one of its values replaced or one added, and where."""
    tree = json.loads(json.dumps(tree))
    here, place = tree, []
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        key = keys[int(rng.integers(len(keys)))] if keys else None
        if key is None or rng.random() < 0.05:
            key = "".join(rng.choice(list(string.ascii_lowercase), 5)) if isinstance(here, dict) else None
            if key is None:
                return ".".join(place), tree
            here[key] = value(rng)
            return ".".join([*place, key]), tree
        place.append(str(key))
        if not isinstance(here[key], dict | list) or rng.random() < 0.25:
            here[key] = value(rng)
            return ".".join(place), tree
        here = here[key]


# --- weights ---


def metadata(count: int) -> Iterator[Try]:
    """Files of weights that say anything of their network."""
    for seed in range(count):

        def call(folder: Path, seed=seed) -> None:
            rng = np.random.default_rng(seed)
            model = network()
            spec = {
                key: getattr(model.spec, key) for key in ("name", "num_classes", "options", "mean", "std")
            }
            about = {"kind": "weights", "version": 1, "spec": spec, "metadata": {"classes": ["a", "b", "c"]}}
            for _ in range(int(rng.integers(1, 3))):
                _, about = replaced(rng, about)
            path = folder / "w.safetensors"
            text = json.dumps(about) if rng.random() < 0.9 else json.dumps(about)[: int(rng.integers(60))]
            write_safetensors(model.state_dict(), path, {"voxplain": text})
            before = set(os.listdir("/"))
            os.chdir(folder)
            try:
                load_trained(path)
            except VoxplainError as error:
                told(str(error))
            if set(os.listdir(folder)) != {"w.safetensors"} or set(os.listdir("/")) != before:
                raise Wrong("unsafe", f"files are made: {os.listdir(folder)}")

        yield Try(f"metadata of weights, {seed}", call)


def checkpoints(count: int) -> Iterator[Try]:
    """What trainers save: read to the same network, or refused in words; nothing in it runs."""
    keys = ["state_dict", "model", "model_state_dict", "model_state", "network", "net", "weights"]
    prefixes = ["module.", "model.", "_orig_mod.", "net.", "network."]
    beside = [{"epoch": 3}, {"args": argparse.Namespace(lr=1)}, {"best": np.float64(0.5)}, {"optimizer": {"state": {}}},
              {"hyper_parameters": {"a": 1}}, {"curve": np.arange(3)}]  # fmt: skip
    for seed in range(count):

        def call(folder: Path, seed=seed) -> None:
            rng = np.random.default_rng(seed)
            model = network()
            state = dict(model.state_dict())
            for _ in range(int(rng.integers(3))):
                prefix = str(rng.choice(prefixes))
                state = {f"{prefix}{name}": tensor for name, tensor in state.items()}
            saved: Any = state
            if rng.random() < 0.7:
                saved = {str(rng.choice(keys)): state}
                for number in rng.integers(0, len(beside), 2):
                    saved |= beside[number]
            bad = str(rng.choice(["", "", "", "evil", "lost", "shape", "bits", "whole"]))
            if bad == "evil":
                saved = {"state_dict": state, "extra": Runs(folder / "ran")}
            elif bad == "lost":
                state.pop(next(iter(state)))
            elif bad == "shape":
                name = next(iter(state))
                state[name] = state[name][:1]
            elif bad == "whole":
                saved = model
            path = folder / f"w{rng.choice(['.pt', '.pth', '.ckpt', '.bin'])}"
            torch.save(saved, path)
            if bad == "bits":
                path.write_bytes(damage(rng, path.read_bytes())[1])
            try:
                found = build_model("r3d", path, width=4, depth=[1, 1, 1, 1])
            except VoxplainError as error:
                told(str(error), path.name)
                if not bad:
                    raise Wrong("unclear", f"a common checkpoint is refused: {error}") from None
            else:
                same = all(
                    torch.equal(a, b)
                    for a, b in zip(found.state_dict().values(), model.state_dict().values())
                )
                if not same and bad != "bits":
                    raise Wrong("changed", "other weights than were saved")
            if (folder / "ran").exists():
                raise Wrong("unsafe", "the file's code ran")

        yield Try(f"a checkpoint, {seed}", call)


def no_weights(count: int) -> Iterator[Try]:
    starts = [b"", b"<!doctype html>", b"version https://git-lfs.github.com/spec/v1\n", b"PK\x03\x04", b"\x80\x04",
              b"\x89PNG", b"\x08\0\0\0\0\0\0\0{}", b"\xff" * 8 + b"{", b"path,class\n", b"#!/bin/sh\n"]  # fmt: skip
    for seed in range(count):

        def call(folder: Path, seed=seed) -> None:
            rng = np.random.default_rng(seed)
            path = folder / f"w{rng.choice(['.pt', '.safetensors', '.csv', '.bin', ''])}"
            path.write_bytes(starts[seed % len(starts)] + rng.bytes(int(rng.integers(200))))
            try:
                load_model(path)
            except VoxplainError as error:
                told(str(error), path.name)
                if "likely succeed" in str(error):
                    raise Wrong("unclear", "advises to run what the file says") from None
            else:
                raise Wrong("changed", "is read as weights")

        yield Try(f"no weights, {seed}", call)


# --- videos ---


def videos(count: int) -> Iterator[Try]:
    """A bad video beside a good one: set aside with a reason or used, and the good one's clips are the same."""
    for seed in range(count):

        def call(folder: Path, seed=seed) -> None:
            import pandas as pd

            rng = np.random.default_rng(seed)
            frames = rng.integers(0, 255, (10, 32, 32, 3), np.uint8)
            good, bad = (
                folder / "good.mp4",
                folder / f"bad{rng.choice(['.mp4', '.mkv', '.avi', '.webm', '.mov'])}",
            )
            write_video(good, frames)
            other = folder / f"source{bad.suffix}" if bad.suffix != ".webm" else folder / "source.mkv"
            write_video(other, frames[: int(rng.integers(1, 10))])
            match int(rng.integers(6)):
                case 0:
                    bad.write_bytes(rng.bytes(int(rng.integers(5000))))
                case 1:
                    bad.mkdir()
                case 2:
                    bad.symlink_to(bad)
                case 3:
                    bad.symlink_to("/dev/zero")
                case _:
                    bad.write_bytes(damage(rng, other.read_bytes())[1])
            rows = pd.DataFrame({"video": ["good", "bad"], "path": [str(good), str(bad)], "class": "a", "start": np.nan,
                                 "end": np.nan})  # fmt: skip
            options = {"frames": 8, "size": 32}
            alone = next(iter(decode_shard(rows[:1], **options)))
            first, second = decode_shard(rows, **options)
            if first.reason or not np.array_equal(first.clips, alone.clips):
                raise Wrong("lost", "the good video beside it")
            if second.reason is None and second.clips.shape[1:] != (8, 32, 32, 3):
                raise Wrong("changed", f"clips of shape {second.clips.shape}")
            if second.reason is not None and len(second.reason) < 10:
                raise Wrong("unclear", repr(second.reason))

        yield Try(f"a bad video, {seed}", call)


# --- tables and configs ---


def _checked(*arguments: Any) -> tuple[int, str]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = command([str(argument) for argument in arguments])
    return code, said.getvalue()


TINY = {
    "run": "tiny",
    "data": {"path": "videos.csv"},
    "clips": {"frames": 8, "size": 32},
    "models": {"r3d": {"network": "r3d_18", "options": {"width": 4}, "layers": ["layer3"]}},
    "supervoxels": {"n_segments": [5, 10]},
    "concepts": {"clusters": 2, "min_supervoxels": 1},
    "cavs": {"random_sets": 4, "set_size": 4},
    "scores": {"null_clusterings": 4, "null_gradients": 39},
    "editing": {"k_max": 1},
}


def _project(folder: Path) -> list[dict[str, str]]:
    """A folder of tiny videos and a config; rows of its table."""
    rows = []
    frames = np.random.default_rng(0).integers(0, 255, (10, 32, 32, 3), np.uint8)
    for name in ("kick", "wave"):
        for number in range(4):
            path = folder / f"{name}{number}.mp4"
            write_video(path, np.roll(frames, number, axis=2))
            rows.append({"path": path.name, "class": name, "split": "test" if number == 3 else "train"})
    return rows


def _written(rows: list[dict[str, str]]) -> str:
    return "\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n"


def tables(count: int) -> Iterator[Try]:
    """Video tables that are damaged, or written by other programs: refused by name, or used."""
    for seed in range(count):

        def call(folder: Path, seed=seed) -> None:
            rng = np.random.default_rng(seed)
            rows = _project(folder)
            text = _written(rows).encode()
            row = rows[int(rng.integers(len(rows)))]
            match seed % 8:
                case 0:
                    text = damage(rng, text)[1]
                case 1:
                    row[str(rng.choice(list(row)))] = str(value(rng)).replace("\n", " ")
                    text = _written(rows).encode(errors="replace")
                case 2:
                    text = text.decode().encode(str(rng.choice(["utf-16", "utf-32", "utf-8-sig", "cp500"])))
                case 3:
                    text = text.replace(b",", str(rng.choice([";", "\t", "|", ",,", ", "])).encode())
                case 4:
                    lines = text.split(b"\n")
                    rng.shuffle(lines)
                    text = b"\n".join(lines)
                case 5:
                    text = text.replace(
                        b"\n", [b"\r\n", b"\r", b"\n\n", b"\0\n", b"\x0c"][int(rng.integers(5))]
                    )
                case 6:
                    text = text.replace(b"kick", rng.bytes(int(rng.integers(1, 9))))
                case _:
                    text = text.replace(b"kick0.mp4", b"x" * int(rng.choice([300, 5000, 200_000])))
            (folder / "videos.csv").write_bytes(text)
            (folder / "c.yaml").write_text(
                yaml.safe_dump(TINY | {"data": {"path": str(folder / "videos.csv")}})
            )
            code, said = _checked("check", folder / "c.yaml", "--directory", folder)
            told(said, *(["videos"] if code else []))

        yield Try(f"a video table, {seed}", call, seconds=60)


def configs(count: int) -> Iterator[Try]:
    """A config with a value that may be anything: refused by its key, or accepted."""
    for seed in range(count):

        def call(folder: Path, seed=seed) -> None:
            rng = np.random.default_rng(seed)
            (folder / "videos.csv").write_text(_written(_project(folder)))
            place, config = replaced(rng, TINY | {"data": {"path": str(folder / "videos.csv")}})
            (folder / "c.yaml").write_text(yaml.safe_dump(config, allow_unicode=bool(seed % 2)))
            os.chdir(folder)
            before = set(os.listdir(folder))
            code, said = _checked("check", "c.yaml", "--directory", folder)
            told(said, *([place.split(".")[0]] if code else []))
            if set(os.listdir(folder)) != before:
                raise Wrong("unsafe", f"files are made: {set(os.listdir(folder)) - before}")

        yield Try(f"a config, {seed}", call, seconds=60)


# --- the live page, and what other users of the machine can do ---


def readers(count: int) -> Iterator[Try]:
    """Requests that are malformed, foreign or broken off: nothing is shown to them, and the page goes on."""
    for seed in range(count):

        def call(folder: Path, seed=seed) -> None:
            rng = np.random.default_rng(seed)
            page = Page(0, "torture")
            page.show(np.zeros((16, 16, 3), np.uint8), 0.0, {"answer": "secret"})
            errors = os.open(folder / "err", os.O_RDWR | os.O_CREAT)
            os.dup2(errors, 2)
            host = f"127.0.0.1:{page.port}"
            for _ in range(6):
                foreign = {
                    "Host": str(rng.choice(["evil.example", "", "127.0.0.1", f"{host}.evil", f"x@{host}"]))
                }
                own = {"Host": host}
                headers = [foreign, own | {"Origin": "http://evil.example"}, own | {"Sec-Fetch-Site": "cross-site"},
                           own | {"Origin": "null"}, own | {"Sec-Fetch-Site": "same-site"}][int(rng.integers(5))]  # fmt: skip
                path = rng.choice(["/", "/status.json", "/stream.mjpg", "/../x", "//", "/%2e%2e/", "*"])
                text = (
                    f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
                )
                data = text.encode()
                if rng.random() < 0.5:
                    data = damage(rng, data)[1]
                with socket.create_connection(("127.0.0.1", page.port), timeout=5) as reader:
                    reader.sendall(data)
                    if rng.random() < 0.3:
                        continue  # leaves without a word
                    with contextlib.suppress(OSError):
                        reader.shutdown(socket.SHUT_WR)
                        answer = reader.recv(65536)
                        shown = b"secret" in answer or b"multipart" in answer.partition(b"\r\n\r\n")[0]
                        # Damage may take away the line that tells a foreign page; no browser lets a page do that.
                        if shown and text.encode().splitlines()[-2] in data.splitlines():
                            raise Wrong("unsafe", f"{data!r} is answered by {answer[:200]!r}")
            with socket.create_connection(("127.0.0.1", page.port), timeout=5) as reader:
                reader.sendall(f"GET /status.json HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                answer = b""
                while part := reader.recv(4096):
                    answer += part
            if b"secret" not in answer:
                raise Wrong("lost", f"the page does not answer any more: {answer!r}")
            page.close()
            told((folder / "err").read_text())

        yield Try(f"readers of the live page, {seed}", call)


def neighbours(count: int) -> Iterator[Try]:
    """Links and folders that somebody else put where devices are shared: no file is touched."""
    for seed in range(count):

        def call(folder: Path, seed=seed) -> None:
            precious = folder / "precious"
            precious.write_text("kept")
            locks = folder / "locks"
            match seed % 4:
                case 0:
                    locks.symlink_to(folder / "elsewhere")
                    (folder / "elsewhere").mkdir()
                case 1:
                    locks.mkdir()
                    locks.chmod(0o777)
                case 2:
                    locks.mkdir(mode=0o700)
                    (locks / "GPU-a.0.lock").symlink_to(precious)
                case _:
                    locks.mkdir(mode=0o700)
                    (locks / "GPU-a.0.lock").mkdir()
            if seed % 4 < 2 and seed >= 4:
                (folder / "elsewhere" if seed % 4 == 0 else locks).joinpath("GPU-a.0.lock").symlink_to(
                    precious
                )
            try:
                device.take_place(["GPU-a"], folder=locks, wait=0)
            except VoxplainError as error:
                told(str(error), "locks", "remove it")
            else:
                raise Wrong("unsafe", "a place that others can change is used")
            if precious.read_text() != "kept":
                raise Wrong("unsafe", "the file that a link leads to was emptied")

        yield Try(f"locks of devices, {seed}", call)


# --- too little memory ---


def little_memory(count: int) -> Iterator[Try]:
    """A stage with so many megabytes more than its libraries take: it ends well, or says what it lacks."""
    from types import SimpleNamespace

    from sklearn.cluster import KMeans

    from voxplain.stage import run

    def clustering(stage: Any) -> None:
        KMeans(10, n_init=3).fit(np.random.default_rng(0).normal(size=(20_000, 128)))

    def network_on_clips(stage: Any) -> None:
        network()(torch.zeros(8, 3, 16, 112, 112))

    def arrays(stage: Any) -> None:
        np.concatenate([np.zeros(2**22) for _ in range(20)])

    for seed in range(count):
        main = (clustering, network_on_clips, arrays)[seed % 3]
        more = (8, 40, 100, 200, 270, 300, 400, 900)[seed // 3 % 8]

        def call(folder: Path, main=main, more=more) -> None:
            stage = SimpleNamespace(
                input={}, output=[], params={}, wildcards={}, threads=1, resources={}, config={}, rule="x",
                log=[str(folder / "log")],
            )  # fmt: skip
            os.dup2(os.open(folder / "err", os.O_RDWR | os.O_CREAT), 2)
            with memory(more << 20), open(2, "w", buffering=1, closefd=False) as errors:
                with contextlib.redirect_stderr(errors):
                    try:
                        run(main, {"snakemake": stage})
                    except SystemExit as stop:
                        code = stop.code
                    else:
                        code = 0
            if code:
                told((folder / "err").read_text(), "memory")

        yield Try(f"{more} MB of memory for {main.__name__}", call, seconds=60)


def weights_damaged(count: int) -> Iterator[Try]:
    """A run's weights with one bit changed: told, and never other predictions."""
    for seed in range(count):

        def call(folder: Path, seed=seed) -> None:
            path = folder / "w.safetensors"
            write_weights(path)
            data = bytearray(path.read_bytes())
            rng = np.random.default_rng(seed)
            data[int(rng.integers(len(data) // 8, len(data)))] ^= 1 << int(rng.integers(8))
            path.write_bytes(data)
            try:
                load_trained(path)
            except VoxplainError as error:
                told(str(error), "w.safetensors", "--forcerun")
            else:
                raise Wrong("changed", "other weights, and nothing is said")

        yield Try(f"a bit of a run's weights, {seed}", call)
