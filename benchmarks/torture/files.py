"""Damage to what the project writes, full disks, kills, and artifacts in the wrong place."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from voxplain import artifacts
from voxplain.activation_store import read_activations
from voxplain.errors import ArtifactError, VoxplainError
from voxplain.models.build import build_model, load_model
from voxplain.models.weights import read_training, save_weights, write_training
from voxplain.provenance import record
from voxplain.videos.embedded import make_embedded_videos, read_ground_truth
from voxplain.videos.store import ClipStore, SupervoxelStore

from .core import Try, Wrong, in_child, room, told

MADE_BY = record(rule="make_it", params={"seed": 1}, code="c", wildcards={"shard": "train-000"})


def clips_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (2, 4, 16, 16, 3), np.uint8)


def write_clips(path: Path) -> None:
    with artifacts.resumable_h5(path, kind="clips", made_by=MADE_BY, inputs=[]) as shard:
        for item in ("a.mp4", "b.mp4", "ü #1.mp4"):
            if not shard.done(item):
                arrays = {"clips": clips_of(len(item)), "frames": np.arange(8).reshape(2, 4)}
                shard.write(item, arrays, {"class": "wave"})


def read_clips(path: Path) -> Any:
    with ClipStore([path], memory=0) as store:
        return store.table.drop(columns="path").to_csv(), store.fetch(store.table.index.to_numpy()).tobytes()


def write_labels(path: Path) -> None:
    with artifacts.create_h5(path, kind="supervoxels", made_by=MADE_BY) as file:
        labels = np.random.default_rng(0).integers(0, 9, (2, 2, 4, 16, 16), np.uint16)
        artifacts.store(file.create_group("a"), "labels", labels)


def read_labels(path: Path) -> Any:
    with SupervoxelStore(path) as store:
        return store.of_videos(["a"]).tobytes()


def write_activations(path: Path) -> None:
    rng = np.random.default_rng(0)
    with artifacts.create_h5(path, kind="activations", made_by=MADE_BY) as file:
        for number in range(3):
            group = file.create_group(f"a#{number}")
            group.attrs.update({"video": "a", "clip": number, "class": "wave"})
            artifacts.store(group, "kept", rng.integers(0, 9, (20, 2)))
            for name, shape in {"supervoxels": (20, 8), "clip": (8,), "gradient": (8,)}.items():
                artifacts.store(group, f"{name}/layer", rng.normal(size=shape).astype(np.float32))


def read_layer(path: Path) -> Any:
    found = read_activations([path], "layer")
    return found.table.to_csv(), found.supervoxels.tobytes(), found.clips.tobytes(), found.gradients.tobytes()


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    names = rng.choice(["=1+1", "NaN", "wave", "Bögen", None], 300)
    return pd.DataFrame({"class": names, "score": rng.normal(size=300), "n": np.arange(300)})


def write_table(path: Path) -> None:
    artifacts.write_table(path, table(), kind="edits", made_by=MADE_BY, csv=True)


def write_facts(path: Path) -> None:
    artifacts.write_json(path, {"a": [0.5, "x"] * 40, "b": {"c": None}}, kind="choices", made_by=MADE_BY)


def write_ground_truth(path: Path) -> None:
    make_embedded_videos(path.parent, classes=2, train_per_class=1, test_per_class=1, frames=3, size=32)


def read_truth(path: Path) -> Any:
    scene = read_ground_truth(path, "disk_slide_000")
    return (
        scene.objects.tobytes(),
        scene.flow.tobytes(),
        str(sorted(scene.attributes.items())),
        scene.evidence,
    )


def network() -> torch.nn.Module:
    return build_model("r3d", num_classes=3, width=4, depth=[1, 1, 1, 1], seed=1)


def write_weights(path: Path) -> None:
    save_weights(network(), path, {"classes": ["a", "b", "c"], "made_by": {"rule": "make_it"}})


def read_weights(path: Path) -> Any:
    model = load_model(path)
    return str(model.spec), {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


STATE = {
    "model": {"a": torch.arange(900.0)},
    "optimizer": {"state": {}, "param_groups": []},
    "schedule": {"last_epoch": 1},
    "history": [],
    "best": {"loss": 0.5, "epoch": 0, "weights": {}},
}


def read_state(path: Path) -> Any:
    found = read_training(path)
    return None if found is None else (found["model"]["a"].numpy().tobytes(), str(found["best"]))


# Name of a file, how it is written and read, and what a message about it names besides the file.
KINDS: dict[str, tuple[str, Callable[[Path], None], Callable[[Path], Any], list[str]]] = {
    "clips": ("train-000.h5", write_clips, read_clips, ["--forcerun"]),
    "labels": ("train-000.h5", write_labels, read_labels, ["--forcerun"]),
    "activations": ("train-000.h5", write_activations, read_layer, ["--forcerun"]),
    "table": ("train-000.parquet", write_table, lambda p: artifacts.read_table(p, "edits").to_csv(), ["--forcerun"]),
    "facts": ("train-000.json", write_facts, lambda p: str(artifacts.read_json(p, "choices")), ["--forcerun"]),
    "weights": ("w.safetensors", write_weights, read_weights, []),
    "training": ("w.partial-0", lambda path: write_training(STATE, path), read_state, []),
}  # fmt: skip


# Beside other files, so that full disks and kills mostly strike those.
DAMAGED = {**KINDS, "ground truth": ("ground_truth.h5", write_ground_truth, read_truth, ["--forcerun"])}


def damage(rng: np.random.Generator, data: bytes) -> tuple[str, bytes]:
    """Some damage to a file's bytes, with its name."""
    size = len(data)
    kind = rng.choice(["cut", "bits", "zeros", "noise", "swapped", "twice", "other", "inserted", "shifted"])
    at, length = int(rng.integers(size)), int(rng.integers(1, max(2, size // 4)))
    match kind:
        case "cut":
            changed = data[:at]
        case "bits":
            changed = bytearray(data)
            for place in rng.integers(0, size, int(rng.integers(1, 9))):
                changed[place] ^= 1 << int(rng.integers(8))
        case "zeros":
            changed = data[:at] + bytes(min(length, size - at)) + data[at + length :]
        case "noise":
            changed = data[:at] + rng.bytes(min(length, size - at)) + data[at + length :]
        case "swapped":
            half = size // 2
            changed = data[half:] + data[:half]
        case "twice":
            changed = data + data
        case "other":
            changed = [b"", b"\0" * 4096, b"lost+found\n" * 50, b"PAR1", b"\x89HDF\r\n\x1a\n", b"{}", b"[]"][
                at % 7
            ]
        case "inserted":
            changed = data[:at] + rng.bytes(length % 64 + 1) + data[at:]
        case _:
            changed = data[at:] + data[:at]
    return f"{kind} at {at}", bytes(changed)


def damaged(count: int) -> Iterator[Try]:
    for name, (file, write, read, words) in DAMAGED.items():
        for seed in range(count):

            def call(
                folder: Path, name=name, file=file, write=write, read=read, words=words, seed=seed
            ) -> None:
                path = folder / file
                write(path)
                whole = read(path)
                _, content = damage(np.random.default_rng([seed, len(name)]), path.read_bytes())
                path.write_bytes(content)
                try:
                    found = read(path)
                except VoxplainError as error:
                    told(str(error), file, *words)
                    return
                if found is None and not path.exists():  # put away, and begun anew
                    return
                if found != whole:
                    raise Wrong("changed", "other data, and nothing is said")

            yield Try(f"{name}, damage {seed}", call)


def full(count: int) -> Iterator[Try]:
    for name, (file, write, read, _) in KINDS.items():
        for seed in range(count):

            def call(folder: Path, file=file, write=write, read=read, seed=seed) -> None:
                (folder / "calm").mkdir()
                write(folder / "calm" / file)
                whole = (folder / "calm" / file).read_bytes()
                rng = np.random.default_rng(seed)
                path = folder / file
                if rng.random() < 0.5:
                    path.write_bytes(whole[::-1])
                before = path.read_bytes() if path.exists() else None
                try:
                    with room(int(rng.integers(len(whole))) if seed else 0):
                        write(path)
                except OSError as error:
                    if "File too large" not in str(error):
                        raise
                else:  # it came in several files, each with room
                    if path.read_bytes() != whole:
                        raise Wrong("changed", "ends well, with other bytes")
                    return
                if (path.read_bytes() if path.exists() else None) != before:
                    raise Wrong("lost", "a half-written file has the place of what was there")
                if [p for p in folder.rglob("*") if ".tmp" in p.name]:
                    raise Wrong("unclear", "a temporary file is left")
                write(path)
                if path.read_bytes() != whole:
                    raise Wrong("changed", "other bytes once there is room")

            yield Try(f"{name}, disk full, {seed}", call)


def kills(count: int) -> Iterator[Try]:
    """kill -9 at the n-th of the system's calls that matter, then the same again."""
    for name, (file, write, _, _) in KINDS.items():
        for number in range(count):

            def call(folder: Path, file=file, write=write, number=number) -> None:
                (folder / "calm").mkdir()
                write(folder / "calm" / file)
                path, left = folder / file, [number]

                def dying(function):
                    def wrapped(*arguments, **options):
                        left[0] -= 1
                        if left[0] == 0:
                            os.kill(os.getpid(), signal.SIGKILL)
                        result = function(*arguments, **options)
                        left[0] -= 1
                        if left[0] == 0:
                            os.kill(os.getpid(), signal.SIGKILL)
                        return result

                    return wrapped

                def dies():
                    os.replace, os.fsync = dying(os.replace), dying(os.fsync)
                    write(path)

                in_child(dies)
                whole = (folder / "calm" / file).read_bytes()
                if path.exists() and path.read_bytes() != whole:
                    raise Wrong("lost", "a half-written file has the place of a whole one")
                write(path)
                if path.read_bytes() != whole:
                    raise Wrong("changed", "other bytes after the kill")
                rest = [p.name for p in folder.rglob("*") if ".tmp" in p.name or ".partial-" in p.name]
                if set(rest) - {file}:
                    raise Wrong("unclear", f"left behind: {rest}")

            yield Try(f"{name}, killed at call {number}", call)


def left_behind(count: int) -> Iterator[Try]:
    """Damage in what a killed run left: it goes on, and ends as if undisturbed."""
    for seed in range(count):

        def call(folder: Path, seed=seed) -> None:
            write_clips(folder / "calm" / "train-000.h5")
            path = folder / "train-000.h5"

            def dies():
                with artifacts.resumable_h5(path, kind="clips", made_by=MADE_BY, inputs=[]) as shard:
                    for item in ("a.mp4", "b.mp4"):
                        arrays = {"clips": clips_of(len(item)), "frames": np.arange(8).reshape(2, 4)}
                        shard.write(item, arrays, {"class": "wave"})
                    os.kill(os.getpid(), signal.SIGKILL)

            in_child(dies)
            rng = np.random.default_rng(seed)
            items = sorted(folder.glob("*.partial-*/item-*"))
            item = items[int(rng.integers(len(items)))]
            item.write_bytes(damage(rng, item.read_bytes())[1])
            write_clips(path)
            if path.read_bytes() != (folder / "calm/train-000.h5").read_bytes():
                raise Wrong("changed", f"other bytes after damage of {item.name}")

        yield Try(f"items of a killed run, {seed}", call)


def misplaced(count: int) -> Iterator[Try]:
    values = {"model": ["r3d", "i3d", "c3d"], "seed": ["0", "1", "10"], "layer": ["layer3", "mixed_5b", "stages.0.1"],
              "class_name": ["wave", "star_spin", "a.b"], "shard": ["train-000", "train-001", "test-000"]}  # fmt: skip
    layouts = [
        ("models/{model}/seed{seed}/weights_of.parquet", ["model", "seed"]),
        ("models/{model}/seed{seed}/{layer}/edits/{shard}.parquet", ["model", "seed", "layer", "shard"]),
        (
            "models/{model}/seed{seed}/{layer}/concepts/{class_name}.parquet",
            ["model", "seed", "layer", "class_name"],
        ),
        ("clips-1/clips/{shard}.parquet", ["shard"]),
    ]
    for seed in range(count):

        def call(folder: Path, seed=seed) -> None:
            rng = np.random.default_rng(seed)
            layout, names = layouts[int(rng.integers(len(layouts)))]
            own, other = ({name: str(rng.choice(values[name])) for name in names} for _ in range(2))
            made, place = (folder / "results/r3d" / layout.format(**found) for found in (own, other))
            made_by = record(rule="make_it", params={}, code="", wildcards=own)
            artifacts.write_table(made, table(), kind="edits", made_by=made_by)
            artifacts.read_table(made, "edits")
            if own == other:
                return
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(made, place)
            try:
                artifacts.read_table(place, "edits")
            except ArtifactError as error:
                told(str(error), place.name, "made for", "--forcerun make_it")
            else:
                raise Wrong("changed", f"{made} in the place of {place} is read without a word")

        yield Try(f"an artifact in another's place, {seed}", call)


def together(count: int) -> Iterator[Try]:
    """Several writers of one file at once, as two runs with one results/shared."""
    for name, (file, write, read, _) in KINDS.items():
        for seed in range(count):

            def call(folder: Path, file=file, write=write, read=read) -> None:
                write(folder / "calm" / file)
                path = folder / "shared" / file
                children = []
                for _ in range(4):
                    child = os.fork()
                    if not child:
                        code = 1
                        try:
                            write(path)
                            read(path)
                            code = 0
                        finally:
                            os._exit(code)
                    children.append(child)
                codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
                if any(codes):
                    raise Wrong("lost", f"writers end with {codes}")
                if path.read_bytes() != (folder / "calm" / file).read_bytes():
                    raise Wrong("changed", "other bytes")
                rest = [p.name for p in path.parent.iterdir() if re.search(r"\.tmp|\.h5\.partial", p.name)]
                if rest:
                    raise Wrong("unclear", f"left behind: {rest}")

            yield Try(f"{name}, four writers at once, {seed}", call)
