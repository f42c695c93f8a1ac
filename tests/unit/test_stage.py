"""Stages end in one sentence that says what the machine lacks, and what to do."""

from __future__ import annotations

import errno
import os
import re
import resource
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from voxplain import artifacts
from voxplain.errors import ConfigError, VoxplainError, killed_job, system_fault
from voxplain.models.build import build_model
from voxplain.models.weights import save_weights
from voxplain.provenance import record
from voxplain.stage import run


class Named(dict):
    """What Snakemake gives: names and numbers, items and attributes."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __iter__(self):
        return iter(self.values())

    def __getitem__(self, key):
        return list(self.values())[key] if isinstance(key, int) else super().__getitem__(key)


def job(folder: Path, *, output="out.parquet", wildcards=None, **inputs) -> dict:
    return {
        "snakemake": SimpleNamespace(
            input=Named(inputs),
            output=Named(made=str(folder / output)),
            params=Named(),
            wildcards=Named(wildcards or {}),
            threads=1,
            resources=Named(),
            log=[str(folder / "logs/stage.log")],
            config={},
            rule="make_it",
        )
    }


def raises(error: BaseException):
    def main(stage):
        raise error

    return main


FAULTS = {
    "full disk": (OSError(errno.ENOSPC, "No space left on device", "results/x.h5"), "results/x.h5 .*No space left"),
    "quota": (OSError(errno.EDQUOT, "Disk quota exceeded", "x"), "quota"),
    "large file": (OSError(errno.EFBIG, "File too large", "x"), "ulimit -f"),
    "read-only": (OSError(errno.EROFS, "Read-only file system", "x"), "x cannot .*Read-only.*permission"),
    "permission": (PermissionError(errno.EACCES, "Permission denied", "x", None, "y"), "x -> y .*permission"),
    "open files": (OSError(errno.EMFILE, "Too many open files", "x"), "ulimit -n"),
    "disk": (OSError(errno.EIO, "Input/output error", "x"), "network share"),
    "a file": (NotADirectoryError(errno.ENOTDIR, "Not a directory", "results/a"), "results/a.*Move away"),
    "memory": (MemoryError(), "memory does not suffice"),
    "system memory": (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory does not suffice"),
    "numpy": (np._core._exceptions._ArrayMemoryError((9,), np.dtype("f4")), "does not suffice.*Unable to allocate"),
    "cuda": (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "memory does not suffice"),
    "torch": (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "suffice"),
    "opencv": (cv2.error("OpenCV(4.9) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 9"), "suffice"),
    "c++": (RuntimeError("std::bad_alloc"), "memory does not suffice"),
    "arrow": (pa.lib.ArrowMemoryError("malloc of size 9 failed"), "memory does not suffice"),
    "hdf5": (RuntimeError("Can't open (memory allocation failed for B-tree)"), "memory does not suffice"),
    "a name": (UnicodeEncodeError("utf-8", "a/b\udcff.mp4", 3, 4, "surrogates not allowed"), r"b.udcff.mp4': rename"),
    "threads": (RuntimeError("can't start new thread"), "ulimit -u"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_what_the_machine_lacks_is_told_in_a_line(name, tmp_path, capfd):
    error, says = FAULTS[name]
    with pytest.raises(SystemExit) as stop:
        run(raises(error), job(tmp_path))
    found = capfd.readouterr()
    assert stop.value.code == 1 and found.out == ""
    (line,) = found.err.splitlines()
    assert line.startswith("voxplain: ") and re.search(says, line)
    log = (tmp_path / "logs/stage.log").read_text()
    assert "Traceback" in log


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("Command 'python x.py' died with <Signals.SIGKILL: 9>.", "ended by SIGKILL.*memory.*--cores"),
        (
            "Command 'python x.py' returned non-zero exit status 139.",
            "ended by SIGSEGV, a crash in a library",
        ),
        ("Command 'python x.py' returned non-zero exit status 1.", None),
        ("Command 'python x.py' died with <Signals.SIGINT: 2>.", None),  # the user's own
    ],
)
def test_what_ended_a_job_is_told(words, says):
    told = killed_job(f"RuleException:\nCalledProcessError in file a.smk, line 3:\n{words}\n")
    assert told is None if says is None else re.search(says, told)


def test_the_cause_may_lie_deeper(tmp_path, capfd):
    def main(stage):
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "deep.h5")
        except OSError as error:
            raise RuntimeError("a library's own words") from error

    with pytest.raises(SystemExit):
        run(main, job(tmp_path))
    assert "deep.h5 cannot be read or written (No space left on device)" in capfd.readouterr().err


def test_other_errors_keep_their_traceback(tmp_path):
    for error in (ValueError("a fault of the program"), FileNotFoundError(errno.ENOENT, "No such file", "x")):
        assert system_fault(error) is None
        with pytest.raises(type(error)):
            run(raises(error), job(tmp_path))


def test_what_the_user_can_mend_is_told_as_it_is(tmp_path, capfd):
    with pytest.raises(SystemExit) as stop:
        run(raises(ConfigError("mend me")), job(tmp_path))
    assert stop.value.code == 1 and capfd.readouterr().err == "voxplain: mend me\n"


def test_a_full_disk_in_a_stage(tmp_path, capfd):
    """By a limit on the size of files: the log and the message fit, the table does not."""
    frame = pd.DataFrame({"a": np.random.default_rng(0).normal(size=4000)})

    def main(stage):
        artifacts.write_table(stage.output[0], frame, kind="edits", made_by=stage.made_by)

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(SystemExit):
            run(main, job(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "out.parquet cannot be read or written (File too large)" in capfd.readouterr().err
    assert os.listdir(tmp_path) == ["logs"]
    run(main, job(tmp_path))
    pd.testing.assert_frame_equal(artifacts.read_table(tmp_path / "out.parquet", "edits"), frame)


def test_a_log_that_has_no_room_is_named(tmp_path, capfd):
    given = job(tmp_path)
    given["snakemake"].log = ["/dev/full"]
    with pytest.raises(SystemExit):
        run(lambda stage: print("a line"), given)
    assert "voxplain: /dev/full cannot be read or written (No space left" in capfd.readouterr().err


def test_a_stage_begins_only_where_its_least_memory_can_be_had(tmp_path):
    """Where it cannot, k-means hangs: OpenBLAS asks for its buffers again and again."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(tmp_path / "err", os.O_WRONLY | os.O_CREAT), 2)
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (taken + (150 << 20),) * 2)
        try:
            run(raises(AssertionError("it began")), job(tmp_path))
        except SystemExit as stop:
            os._exit(stop.code)
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert "The memory does not suffice (256 MB" in (tmp_path / "err").read_text()


@pytest.mark.parametrize("taken", ["logs", "results"])
def test_no_place_for_the_log_or_the_output(taken, tmp_path, capfd):
    (tmp_path / taken).write_text("a file")
    with pytest.raises(SystemExit):
        run(raises(AssertionError()), job(tmp_path, output="results/out.parquet"))
    found = capfd.readouterr().err
    assert found.count("\n") == 1 and str(tmp_path / taken) in found


def test_a_stage_knows_which_layers_of_its_network_are_explained(tmp_path):
    for model, wanted in {"r3d": ["layer3"], "i3d": []}.items():
        seen, asked = [], job(tmp_path, wildcards={"model": model})
        asked["snakemake"].config = {"models": {"r3d": {"network": "r3d_18", "layers": ["layer3"]}}}
        run(lambda stage, seen=seen: seen.append((stage.layers, stage.networks)), asked)
        assert seen == [(wanted, ["r3d_18"])]


def test_artifacts_say_for_what_they_were_made(tmp_path):
    wildcards = {"model": "r3d", "seed": "0", "shard": "test-000"}

    def main(stage):
        artifacts.write_table(stage.output[0], pd.DataFrame({"a": [1]}), kind="edits", made_by=stage.made_by)

    run(main, job(tmp_path, output="r3d/seed0/edits/test-000.parquet", wildcards=wildcards))
    right, wrong = (
        tmp_path / "r3d/seed0/edits/test-000.parquet",
        tmp_path / "r3d/seed1/edits/test-000.parquet",
    )
    assert artifacts.attributes_of(right)["wildcards"] == [list(pair) for pair in wildcards.items()]
    artifacts.read_table(right, "edits")
    wrong.parent.mkdir(parents=True)
    wrong.write_bytes(right.read_bytes())
    with pytest.raises(VoxplainError, match="seed1.*made for model r3d, seed 0, shard test-000"):
        artifacts.read_table(wrong, "edits")


def test_a_stage_takes_no_weights_of_another_network(tmp_path, capfd):
    path = tmp_path / "r3d/seed0/weights.safetensors"
    made_by = record(rule="train_model", params={}, code="", wildcards={"model": "i3d", "seed": "0"})
    save_weights(
        build_model("r3d", num_classes=2, width=4), path, {"classes": ["a", "b"], "made_by": made_by}
    )
    with pytest.raises(SystemExit):
        run(lambda stage: None, job(tmp_path, weights=str(path)))
    assert "made for model i3d, seed 0" in capfd.readouterr().err


def test_what_was_made_from_another_run_s_file_is_told(tmp_path, capsys):
    """Of the same network, seed and layer, and at the same place: by its place alone it would be read."""
    clips, concepts, scores = (tmp_path / name for name in ("clips.h5", "concepts.h5", "scores.parquet"))

    def make(kind, clusters):
        def main(stage):
            with artifacts.create_h5(stage.output[0], kind=kind, made_by=stage.made_by):
                pass

        made = {"clips": {}, "concepts": {"clips": str(clips)}}[kind]
        asked = job(tmp_path, output=f"{kind}.h5", **made)
        asked["snakemake"].rule, asked["snakemake"].params = f"make_{kind}", Named(clusters=clusters)
        run(main, asked)

    def score(stage):
        frame = pd.DataFrame({"a": [1]})
        artifacts.write_table(stage.output[0], frame, kind="scored_concepts", made_by=stage.made_by)

    both = {"clips": str(clips), "concepts": str(concepts)}
    make("clips", 3)
    make("concepts", 3)
    run(score, job(tmp_path, output="scores.parquet", **both))
    first = artifacts.attributes_of(scores)["inputs"]
    make("clips", 3)  # the same work once more
    run(score, job(tmp_path, output="scores.parquet", **both))
    assert artifacts.attributes_of(scores)["inputs"] == first and len(first) == 2
    make("clips", 4)
    with pytest.raises(SystemExit):
        run(score, job(tmp_path, output="scores.parquet", **both))
    told = capsys.readouterr().err
    assert "concepts.h5 was made from another" in told and "of another run" in told
    assert "--forcerun make_clips" in told
    make("concepts", 3)
    run(score, job(tmp_path, output="scores.parquet", **both))
    assert artifacts.attributes_of(scores)["inputs"] != first


def test_weights_of_another_training_are_told_beside_what_the_first_gave(tmp_path, capsys):
    weights, activations = tmp_path / "r3d" / "seed0" / "weights.safetensors", tmp_path / "x.h5"
    weights.parent.mkdir(parents=True)

    def train(epochs):
        wildcards = {"model": "r3d", "seed": "0"}
        made_by = record(rule="train_model", params={"epochs": epochs}, code="1", wildcards=wildcards)
        save_weights(
            build_model("r3d", num_classes=2, width=4), weights, {"classes": ["a", "b"], "made_by": made_by}
        )

    def extract(stage):
        with artifacts.create_h5(stage.output[0], kind="activations", made_by=stage.made_by):
            pass

    train(3)
    run(extract, job(tmp_path, output="x.h5", weights=str(weights)))
    both = {"weights": str(weights), "activations": str(activations)}
    run(lambda stage: None, job(tmp_path, **both))
    train(4)
    with pytest.raises(SystemExit):
        run(lambda stage: None, job(tmp_path, **both))
    assert "x.h5 was made from another" in capsys.readouterr().err


def test_files_that_say_nothing_of_what_made_them_are_no_input_to_compare(tmp_path):
    for name in ("a.mp4", "b.h5", "c.parquet", "d.safetensors", "e.json"):
        (tmp_path / name).write_bytes(b"no artifact")
    paths = [str(path) for path in tmp_path.iterdir()]
    assert artifacts.input_identities([*paths, str(tmp_path / "missing.h5")]) == {}
