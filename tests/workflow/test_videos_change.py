"""A folder of videos is listed again when its contents change, and only shards that changed are decoded again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import yaml
from tests.workflow import planning

from voxplain.config import digest
from voxplain.videos.plan import file_states

ROOT = Path(__file__).resolve().parents[2]


def clip(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for i in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), level + i, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """With clips of two classes, decoded in two shards for each split."""
    folder = tmp_path_factory.mktemp("changes")
    for split in ("train", "test"):
        for name in ("run", "wave"):
            for i in range(2):
                clip(folder / f"videos {{of mine}}/{split}/{name}/{i}.mp4", 20 * i)
    (folder / "videos {of mine}/train/run/1.mp4").unlink()  # not there yet in the first run
    config = {
        "run": "tiny",
        "parts": ["concepts"],
        "data": {"path": "videos {of mine}", "shard_size": 2},
        "clips": {"frames": 8, "size": 32},
        "models": {"r3d": {"network": "r3d_18", "layers": ["layer3"]}},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    run(folder)
    return folder


def run(folder: Path) -> None:
    """Decode what is to be decoded."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "2",
        "--directory",
        folder,
        "--until",
        "cache_clips",
    ]
    command += ["--configfile", folder / "config.yaml", "-s", ROOT / "workflow/Snakefile", "--", "concepts"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]


def decoded(folder: Path) -> list[str]:
    """Shards that would be decoded."""
    jobs = planning.jobs(folder, "concepts", configfile=folder / "config.yaml")
    return [job.wildcards.shard for job in jobs if job.rule.name == "cache_clips"]


def test_what_changed_is_decoded_again_and_nothing_else(folder):
    videos = folder / "videos {of mine}"
    assert decoded(folder) == []
    old = videos / "test/run/0.mp4"
    kept = old.read_bytes(), old.stat().st_mtime_ns
    clip(old, 100)
    shards = decoded(folder)
    assert len(shards) == 1 and shards[0].startswith("test")
    # An older file in its place is noticed too.
    os.utime(old, (10**9, 10**9))
    assert decoded(folder) == shards
    old.write_bytes(kept[0])
    os.utime(old, ns=(kept[1], kept[1]))
    # One more in the last class of the training videos.
    shutil.copy(videos / "train/wave/1.mp4", videos / "train/wave/2.mp4")
    shards = decoded(folder)
    assert shards and all(shard.startswith("train") for shard in shards)
    run(folder)
    assert decoded(folder) == []


def test_a_class_that_comes_later_is_one_of_the_run_s(folder):
    videos = folder / "videos {of mine}"
    for split in ("train", "test"):
        for i in range(2):
            clip(videos / split / "jump" / f"{i}.mp4", 50 * i)
    jobs = planning.jobs(folder, "concepts", configfile=folder / "config.yaml")
    (trained,) = [job for job in jobs if job.rule.name == "train_model"]
    assert trained.params.classes == ["jump", "run", "wave"]
    rows = [row for job in jobs if job.rule.name == "cache_clips" for row in job.params.listed["rows"]]
    assert sum(row[2] == "jump" for row in rows) == 4
    for split in ("train", "test"):
        shutil.rmtree(videos / split / "jump")
    assert decoded(folder) == []


def test_concepts_are_followed_anew_in_a_video_that_was_replaced(folder):
    """Its windows are decoded from the file itself, not from the clips."""
    config = yaml.safe_load((folder / "config.yaml").read_text()) | {"parts": ["concepts", "checks"]}
    (folder / "checks.yaml").write_text(yaml.safe_dump(config))
    target = "results/tiny/models/r3d/seed0/layer3/window_frames.parquet"

    def followed() -> dict:
        jobs = planning.jobs(folder, target, configfile=folder / "checks.yaml")
        (job,) = [job for job in jobs if job.rule.name == "follow_concepts"]
        return job.params.listed

    before, video = followed(), folder / "videos {of mine}/test/wave/1.mp4"
    assert [row[0] for row in before["rows"]] == sorted(row[0] for row in before["rows"])
    paths = [row[1] for row in before["rows"]]
    assert len(paths) == 4 and before["files"] == digest(file_states([str(folder / path) for path in paths]))
    kept = video.read_bytes(), video.stat().st_mtime_ns
    clip(video, 100)
    after = followed()
    assert after["rows"] == before["rows"] and after["files"] != before["files"]
    video.write_bytes(kept[0])
    os.utime(video, ns=(kept[1], kept[1]))
    assert followed() == before
