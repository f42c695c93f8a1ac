"""Artifacts are whole or absent, say what made them, and have the same bytes for the same work."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import textwrap
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from voxplain import artifacts, hdf5
from voxplain.__main__ import main
from voxplain.config import load_config
from voxplain.errors import ArtifactError, ConfigError
from voxplain.provenance import record
from voxplain.tables import all_tables
from voxplain.videos.plan import plan_videos
from voxplain.videos.store import ClipStore
from voxplain.videos.table import check_class_names, read_video_table

MADE_BY = record(rule="sample_clips", params={"fps": 8.0, "seed": 3, "paths": [Path("a")]}, code="c0de")


def write_h5(path: Path, kind: str = "clips") -> None:
    with artifacts.create_h5(path, kind=kind, made_by=MADE_BY, attrs={"fps": 8.0, "mean": [1, 2]}) as file:
        artifacts.store(file, "frames", np.arange(4000, dtype=np.uint8).reshape(4, 10, 10, 10))
        artifacts.store(file.create_group("more"), "names", ["punch", "Bögen"])


def write_parquet(path: Path, kind: str = "concepts") -> None:
    frame = pd.DataFrame({"name": ["a", None], "score": [0.1, np.nan], "n": [1, 2]})
    artifacts.write_table(path, frame, kind=kind, made_by=MADE_BY, csv=True)


def write_json(path: Path, kind: str = "videos") -> None:
    artifacts.write_json(path, {"b": [np.float32(0.5)], "a": np.arange(2)}, kind=kind, made_by=MADE_BY)


def read_h5(path: Path, kind: str) -> np.ndarray:
    with artifacts.open_h5(path, kind) as file:
        return file["frames"][()]


FORMATS = {
    "x.h5": (write_h5, read_h5, "clips"),
    "x.parquet": (write_parquet, artifacts.read_table, "concepts"),
    "x.json": (write_json, artifacts.read_json, "videos"),
}
every_format = pytest.mark.parametrize("name, write, read, kind", [(n, *f) for n, f in FORMATS.items()])


@every_format
def test_carries_what_made_it(tmp_path, name, write, read, kind):
    write(tmp_path / name)
    found = artifacts.attributes_of(tmp_path / name)
    assert found["kind"] == kind and found["version"] == artifacts.KINDS[kind]
    assert found["rule"] == "sample_clips" and found["code"] == "c0de" and found["device"] == "cpu"
    assert found["params"] == {"fps": 8.0, "seed": 3, "paths": ["a"]}
    assert found["seeds"] == {"seed": 3}
    assert found["versions"]["numpy"] == np.__version__
    assert artifacts.check(tmp_path / name, kind) == found


def test_same_work_gives_same_bytes(tmp_path):
    def written() -> dict[str, bytes]:
        for name, (write, _, _) in FORMATS.items():
            write(tmp_path / name)
        return {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    first = written()
    assert set(first) == {*FORMATS, "x.csv"}
    time.sleep(1.1)  # timestamps, were there any, have a resolution of a second
    assert written() == first


@every_format
def test_another_version_names_the_rule_to_rerun(tmp_path, monkeypatch, name, write, read, kind):
    write(tmp_path / name)
    monkeypatch.setitem(artifacts.KINDS, kind, 7)
    with pytest.raises(ArtifactError, match=r"version \d .* reads version 7.*--forcerun sample_clips`"):
        read(tmp_path / name, kind)


def test_clips_of_the_first_layout_say_the_rule_to_run(tmp_path, monkeypatch):
    with monkeypatch.context() as before:
        before.setitem(artifacts.KINDS, "clips", 1)
        with artifacts.create_h5(tmp_path / "x.h5", kind="clips", made_by={"rule": "cache_clips"}) as file:
            group = file.create_group("a")
            group.attrs["label"] = "wave"
            artifacts.store(group, "clips", np.zeros((1, 2, 4, 4, 3), np.uint8))
    wanted = (
        "version 1 of 'clips'; this voxplain reads version 2. Make it again with .*--forcerun cache_clips`"
    )
    with pytest.raises(ArtifactError, match=wanted):
        ClipStore([tmp_path / "x.h5"])


@every_format
def test_another_kind_is_refused(tmp_path, name, write, read, kind):
    write(tmp_path / name, kind="flow")
    with pytest.raises(ArtifactError, match=f"holds 'flow'.*the file that holds '{kind}'"):
        read(tmp_path / name, kind)


@every_format
def test_missing_file_is_named(tmp_path, name, write, read, kind):
    with pytest.raises(ArtifactError, match=rf"{name} is missing.*--forcerun .*{name}"):
        read(tmp_path / name, kind)


@every_format
def test_no_damage_goes_unnoticed_as_a_crash(tmp_path, name, write, read, kind):
    """Cut anywhere, or a foreign file: an ArtifactError, nothing else and no data."""
    write(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for cut in (0, 1, 100, len(whole) // 2, len(whole) - 2):
        (tmp_path / name).write_bytes(whole[:cut])
        with pytest.raises(ArtifactError, match="damaged or cut short.*--forcerun"):
            read(tmp_path / name, kind)


def test_foreign_files_are_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["frames"] = 1
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "x.parquet")
    (tmp_path / "x.json").write_text("[]")
    for name in ("x.h5", "x.parquet", "x.json"):
        with pytest.raises(ArtifactError, match="damaged"):
            artifacts.attributes_of(tmp_path / name)


@pytest.mark.parametrize("name", ["x.h5", "x.parquet"])
def test_a_flipped_bit_in_the_data_is_noticed(tmp_path, name):
    write, read, kind = FORMATS[name]
    path = tmp_path / name
    write(path)
    content = bytearray(path.read_bytes())
    if name == "x.h5":
        with h5py.File(path) as file:
            at = file["frames"].id.get_chunk_info(0).byte_offset
    else:
        at = content.index(struct.pack("<d", 0.1))
    content[at] ^= 4
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="damaged.*--forcerun sample_clips"):
        read(path, kind)


@settings(max_examples=60, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_in_arrays_or_structure_never_changes_a_number(where, bit):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.h5"
        with artifacts.create_h5(path, kind="clips") as file:
            for name in "abc":
                artifacts.store(file, f"{name}/small", np.arange(9))
                artifacts.store(file, f"{name}/large", np.arange(3000))
        content = bytearray(path.read_bytes())
        content[int(where * len(content))] ^= 1 << bit
        path.write_bytes(content)
        try:
            with artifacts.open_h5(path, "clips") as file:
                for name in "abc":
                    np.testing.assert_array_equal(file[name]["small"], np.arange(9))
                    np.testing.assert_array_equal(file[name]["large"], np.arange(3000))
        except ArtifactError:
            pass


def test_other_errors_in_the_block_stay_what_they_are(tmp_path):
    write_h5(tmp_path / "x.h5")
    with pytest.raises(FileNotFoundError), artifacts.open_h5(tmp_path / "x.h5", "clips"):
        open(tmp_path / "nothing")


@settings(max_examples=25, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.float32, np.int64, np.bool_]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9),
    )
)
def test_stored_arrays_come_back(array):
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        back = artifacts.store(file, "x", array)
        assert back.dtype == array.dtype and back.shape == array.shape
        np.testing.assert_array_equal(back[()], array)


def test_a_chunk_is_one_clip_and_small_rows_share_one():
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        assert artifacts.store(file, "clips", np.zeros((3, 16, 112, 112, 3), np.uint8)).chunks == (
            1, 16, 112, 112, 3,
        )  # fmt: skip
        rows = artifacts.store(file, "features", np.zeros((5000, 64), np.float32)).chunks
        assert rows == (1024, 64)  # 256 KiB


def test_text_attributes_and_facts_come_back(tmp_path):
    write_h5(tmp_path / "x.h5")
    with artifacts.open_h5(tmp_path / "x.h5", "clips") as file:
        assert file["more/names"].asstr()[()].tolist() == ["punch", "Bögen"]
        assert file.attrs["fps"] == 8.0 and file.attrs["mean"] == "[1, 2]"
    write_json(tmp_path / "x.json")
    assert artifacts.read_json(tmp_path / "x.json", "videos") == {"b": [0.5], "a": [0, 1]}


def test_table_and_csv_agree(tmp_path):
    write_parquet(tmp_path / "x.parquet")
    table = artifacts.read_table(tmp_path / "x.parquet", "concepts")
    pd.testing.assert_frame_equal(table, pd.read_csv(tmp_path / "x.csv"), check_dtype=False)
    assert (tmp_path / "x.csv").read_text() == "name,score,n\na,0.1,1\n,,2\n"


def test_a_failed_write_keeps_the_old_file(tmp_path):
    write_h5(tmp_path / "x.h5")
    before = (tmp_path / "x.h5").read_bytes()
    with pytest.raises(ZeroDivisionError), artifacts.create_h5(tmp_path / "x.h5", kind="clips") as file:
        file["half"] = 1
        raise ZeroDivisionError
    assert (tmp_path / "x.h5").read_bytes() == before
    assert os.listdir(tmp_path) == ["x.h5"]


def test_temporary_files_of_dead_writers_only_are_swept(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with artifacts.atomic_path(tmp_path / "a[1].png") as temporary:
        assert temporary.suffix == ".png"
        temporary.touch()
        mine = temporary.name
    other = mine.replace("[1]", "[2]")
    stale, alive = (mine.replace(str(os.getpid()), str(n)) for n in (dead.pid, os.getppid()))
    for name in (stale, alive, other):
        (tmp_path / name).touch()
    with artifacts.atomic_path(tmp_path / "a[1].png") as temporary:
        temporary.touch()
    assert set(os.listdir(tmp_path)) == {"a[1].png", alive, other}


NOTHING = {"kind": "clips", "made_by": {}, "inputs": []}


# --- items kept across a kill -9 ---

WORKER = """
    import sys, time
    import numpy as np
    from voxplain import artifacts

    path, source, code, hang_at = sys.argv[1:]

    class Slow:
        def __array__(self, *args, **kwargs):
            print("hanging", flush=True)
            time.sleep(60)

    with artifacts.resumable_h5(path, kind="clips", made_by={"code": code}, inputs=[source]) as shard:
        for item in "dbca":
            if not shard.done(item):
                print(item, flush=True)
                first = np.full((2, 40, 40), ord(item))
                shard.write(item, {"first": first, "second": Slow() if item == hang_at else first}, {"n": 2})
"""


@pytest.fixture
def worker(tmp_path):
    """Run the worker; returns the items it made. It is killed in the middle of writing `hang_at`."""
    script = tmp_path / "worker.py"
    script.write_text(textwrap.dedent(WORKER))
    source = tmp_path / "source"
    source.touch()

    def work(path: Path, hang_at: str = "-", code: str = "1") -> str:
        command = [sys.executable, str(script), str(path), str(source), code, hang_at]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        made = []
        for line in process.stdout:
            if line == "hanging\n":
                process.send_signal(signal.SIGKILL)
                break
            made.append(line.strip())
        assert process.wait() == (0 if hang_at == "-" else -signal.SIGKILL)
        return "".join(made)

    work.source = source
    return work


def test_a_killed_shard_goes_on_and_ends_as_if_undisturbed(tmp_path, worker):
    assert worker(tmp_path / "calm.h5") == "dbca"
    path = tmp_path / "killed.h5"
    assert worker(path, hang_at="c") == "dbc"
    assert not path.exists()
    assert worker(path, hang_at="a") == "ca"
    assert worker(path) == "a"
    assert path.read_bytes() == (tmp_path / "calm.h5").read_bytes()
    assert not list(tmp_path.glob("*partial*"))
    with artifacts.open_h5(path, "clips") as file:
        assert list(file) == ["a", "b", "c", "d"] and file["c"].attrs["n"] == 2
        assert (file["c/second"][()] == ord("c")).all()


def test_items_made_in_another_way_are_thrown_away(tmp_path, worker):
    path = tmp_path / "x.h5"
    assert worker(path, hang_at="c", code="1") == "dbc"
    assert worker(path, hang_at="c", code="2") == "dbc"
    worker.source.write_text("changed")
    assert worker(path, code="2") == "dbca"
    assert not list(tmp_path.glob("*partial*"))


def test_a_twin_that_ended_first_is_no_loss(tmp_path):
    """A stage can outlive its killed Snakemake, and then works beside its own next run."""
    options = {"kind": "clips", "made_by": {"code": "1"}, "inputs": []}
    with artifacts.resumable_h5(tmp_path / "x.h5", **options) as orphan:
        orphan.write("a", {"n": 1})
        with artifacts.resumable_h5(tmp_path / "x.h5", **options) as rerun:
            assert rerun.done("a")
            rerun.write("b", {"n": 2})
        assert not orphan.done("b")
        orphan.write("b", {"n": 2})
    with artifacts.open_h5(tmp_path / "x.h5", "clips") as file:
        assert list(file) == ["a", "b"]
    assert os.listdir(tmp_path) == ["x.h5"]


def test_vanished_items_are_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        with artifacts.resumable_h5(tmp_path / "x.h5", **NOTHING) as shard:
            shard.write("a")
            next(tmp_path.glob("x.h5.partial-*/*")).unlink()
    assert not (tmp_path / "x.h5").exists()


NAME = st.characters(exclude_characters="/\x00", exclude_categories=["Cs"])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(NAME, min_size=1, max_size=12), max_size=4, unique=True))
def test_any_name_is_an_item(names):
    # HDF5 itself gives "." a meaning of its own.
    names = [name for name in names if name != "."]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.h5"
        with artifacts.resumable_h5(path, **NOTHING) as shard:
            for name in names:
                shard.write(name, {"n": 1})
        with artifacts.open_h5(path, "clips") as file:
            assert set(file) == set(names)


def test_unfinished_work_is_kept_only_for_the_same_work(tmp_path):
    def place(**changes) -> Path:
        work = {"made_by": {"code": "1"}, "inputs": [], **changes}
        return artifacts.partial_path(tmp_path / "w[1].pt", **work)

    first, neighbour = place(), tmp_path / "w1.pt.partial-0"
    first.write_text("epoch 3")
    neighbour.touch()
    assert place() == first and first.exists()
    assert place(made_by={"code": "2"}) != first
    assert not first.exists() and neighbour.exists()
    assert place(inputs=[neighbour]) not in (first, place(made_by={"code": "2"}))


def test_every_kind_that_a_stage_names_is_known():
    stages = Path(__file__).resolve().parents[2] / "src" / "stages"
    pattern = r'kind="(\w+)"|(?:open_h5|read_table|read_json)\([^()]*, "(\w+)"\)'
    found = [pair for stage in stages.glob("*.py") for pair in re.findall(pattern, stage.read_text())]
    named = {kind for pair in found for kind in pair if kind}
    assert named <= {*artifacts.KINDS, *all_tables()}


def test_every_kind_that_a_table_is_made_from_is_known():
    for entry in all_tables().values():
        wanted = [entry.inputs, entry.figure.inputs if entry.figure else {}]
        kinds = {kind.removeprefix("other_") for inputs in wanted for kind in inputs.values()}
        assert kinds <= {*artifacts.KINDS, *all_tables()}, entry.name


def test_runs_made_with_other_settings_are_not_compared(tmp_path):
    def made(name, **settings):
        path, by = tmp_path / name, {"rule": "measure_motion", "params": {"settings": settings}}
        artifacts.write_table(path, pd.DataFrame({"a": [1]}), kind="motion_scores", made_by=by)
        return path

    own = {"selective.sigma": 2.0, "explainers.dtd": {"method": "dtd"}}
    mine = [made("mine.parquet", **own)]
    same = made("same.parquet", **own)
    # What one of them alone explains by is compared with nothing.
    more = made("more.parquet", **{"selective.sigma": 2.0, "explainers.lrp": {"method": "lrp"}})
    artifacts.check_settings(mine, [same, more])
    other = made("other.parquet", **own | {"selective.sigma": 4.0})
    with pytest.raises(
        ConfigError, match=r"selective\.sigma is 2\.0 in this run and 4\.0 in .*other\.parquet"
    ):
        artifacts.check_settings(mine, [same, other])
    write_parquet(tmp_path / "old.parquet", "motion_scores")
    with pytest.raises(ArtifactError, match="old.parquet does not say with which settings"):
        artifacts.check_settings(mine, [tmp_path / "old.parquet"])


def test_a_slash_in_an_item_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a/b"):
        with artifacts.resumable_h5(tmp_path / "x.h5", **NOTHING) as shard:
            shard.write("a/b")


# --- a full disk ---


@contextmanager
def room(size: int):
    """No file can grow beyond so many bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@every_format
def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path, name, write, read, kind):
    path = tmp_path / name
    write(path)
    whole = path.read_bytes()
    for size in (0, 1, 50, 600, len(whole) // 2, len(whole) - 1):
        for existing in (True, False):
            path.unlink(missing_ok=True)
            if existing:
                path.write_bytes(b"before")
            with room(size), pytest.raises(OSError) as caught:
                write(path)
            assert caught.value.errno == errno.EFBIG
            assert [p.name for p in tmp_path.iterdir() if ".tmp" in p.name] == []
            assert path.read_bytes() == b"before" if existing else not path.exists()
    write(path)
    assert path.read_bytes() == whole


def test_no_item_without_its_data_is_taken_as_done(tmp_path):
    """Where HDF5 itself writes, the chunks of an item are lost when it closes, and nothing is said."""
    frames = np.random.default_rng(0).integers(0, 256, (2, 8, 32, 32, 3), np.uint8)

    def make(path: Path, size: int | None = None) -> None:
        with artifacts.resumable_h5(path, **NOTHING) as shard:
            for item in "abc":
                if shard.done(item):
                    continue
                with room(size) if size is not None and item == "b" else nullcontext():
                    shard.write(item, {"clips": frames, "frames": np.arange(8)}, {"class": "x"})

    make(tmp_path / "calm.h5")
    for size in (0, 100, 1000, 2000, 20_000, 45_000):
        path = tmp_path / f"full-{size}.h5"
        with pytest.raises(OSError):
            make(path, size)
        assert not path.exists()
        make(path)
        assert path.read_bytes() == (tmp_path / "calm.h5").read_bytes()


def test_what_comes_of_an_error_of_writing_hides_no_cause(tmp_path):
    """HDF5 is told of no error, since it can end the process; the first is raised when all is closed."""
    with pytest.raises(OSError, match="x.h5") as caught, hdf5.new_h5(tmp_path / "x.h5") as file:
        with room(3000):
            file["a"] = np.arange(10_000)
            file.flush()
        raise RuntimeError("what comes of it")
    assert caught.value.errno == errno.EFBIG
    with pytest.raises(RuntimeError, match="of its own"), hdf5.new_h5(tmp_path / "y.h5"):
        raise RuntimeError("of its own")


# --- which file it was ---


def damage(path: Path, name: str) -> None:
    """Flip a bit in an array's first chunk."""
    with h5py.File(path) as file:
        at = file[name].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[at + 3] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("damaged", ["outer", "inner"])
def test_of_several_open_files_the_damaged_one_is_named(tmp_path, damaged):
    for name in ("outer", "inner"):
        with artifacts.create_h5(
            tmp_path / f"{name}.h5", kind="clips", made_by={"rule": f"make_{name}"}
        ) as file:
            artifacts.store(file, "group/x", np.arange(5000))
    damage(tmp_path / f"{damaged}.h5", "group/x")
    wanted = f"{damaged}.h5 is damaged .*--forcerun make_{damaged}`"
    with pytest.raises(ArtifactError, match=wanted):
        with (
            artifacts.open_h5(tmp_path / "outer.h5", "clips") as outer,
            artifacts.open_h5(tmp_path / "inner.h5", "clips") as inner,
        ):
            for group in (*outer.values(), *inner.values()):
                group["x"][()]


def test_stores_that_hold_files_open_name_the_damaged_one(tmp_path):
    for number in range(2):
        with artifacts.create_h5(
            tmp_path / f"{number}.h5", kind="clips", made_by={"rule": "cache_clips"}
        ) as file:
            file.create_group(f"v{number}").attrs["class"] = "x"
            artifacts.store(
                file, f"v{number}/clips", np.random.default_rng(0).integers(0, 9, (1, 4, 16, 16, 3))
            )
    paths = [tmp_path / "0.h5", tmp_path / "1.h5"]
    damage(paths[0], "v0/clips")
    with ClipStore(paths, memory=0) as store:
        store.clip("v1", 0)
        with pytest.raises(ArtifactError, match="0.h5 is damaged.*--forcerun cache_clips"):
            store.clip("v0", 0)
    with pytest.raises(ArtifactError, match="0.h5 is damaged.*--forcerun cache_clips"):
        ClipStore(paths)


def test_what_can_be_read_of_a_group_can_be_read_through_the_guard(tmp_path):
    write_h5(tmp_path / "x.h5")
    with artifacts.open_h5(tmp_path / "x.h5", "clips") as file:
        assert list(file) == ["frames", "more"] and len(file) == 2 and "more" in file and "less" not in file
        assert isinstance(file["frames"], h5py.Dataset) and isinstance(file["more"], h5py.Group)
        frames = np.arange(4000, dtype=np.uint8).reshape(4, 10, 10, 10)
        np.testing.assert_array_equal(np.asarray(file["frames"]), frames)
        np.testing.assert_array_equal(np.stack(list(file["frames"])), frames)
        np.testing.assert_array_equal(file["frames"][1:3, ..., 0], frames[1:3, ..., 0])
        assert file["more"].get("nothing") is None and dict(file.attrs)["fps"] == 8.0
        assert file.attrs.get("nothing", 3) == 3 and {"names"} == set(dict(file["more"].items()))
        for missing in (lambda: file["nothing"], lambda: file["more"].attrs["nothing"]):
            with pytest.raises(KeyError):
                missing()
        with pytest.raises(IndexError):
            file["frames"][9]


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(FORMATS)), where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_an_error_or_the_same_data(name, where, bit):
    write, read, kind = FORMATS[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        whole = read(path, kind), artifacts.attributes_of(path)
        content = bytearray(path.read_bytes())
        content[int(where * len(content))] ^= 1 << bit
        path.write_bytes(content)
        try:
            found, said = read(path, kind), artifacts.attributes_of(path)
        except ArtifactError as error:
            assert name in str(error)
        else:
            assert said == whole[1]
            if name == "x.h5":
                np.testing.assert_array_equal(found, whole[0])
            else:
                assert str(found) == str(whole[0])


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_changed_letter_of_what_made_it_is_noticed(tmp_path, name):
    """Which no number hangs on, but what is made from the file names it by that."""
    write, read, kind = FORMATS[name]
    write(tmp_path / name)
    rule = artifacts.attributes_of(tmp_path / name)["rule"]
    if name.endswith(".parquet"):  # which holds it twice, once in base 64
        table = pq.read_table(tmp_path / name)
        said = {key: text.replace(rule.encode(), b"other") for key, text in table.schema.metadata.items()}
        pq.write_table(table.replace_schema_metadata(said), tmp_path / name)
    else:
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content.replace(rule.encode(), rule[:-1].encode() + b"Z"))
    with pytest.raises(ArtifactError, match="damaged"):
        read(tmp_path / name, kind)


def test_files_without_a_digest_of_what_they_say_are_damaged(tmp_path):
    """A flipped bit may lie in its name."""
    artifacts.write_json(tmp_path / "x.json", [1], kind="clips", made_by={"rule": "old"})
    held = json.loads((tmp_path / "x.json").read_text())
    assert held["voxplain"].pop("seal")
    (tmp_path / "x.json").write_text(json.dumps(held))
    with pytest.raises(ArtifactError, match="damaged"):
        artifacts.read_json(tmp_path / "x.json", "clips")


def test_no_permission_is_no_damage(tmp_path, monkeypatch):
    write_parquet(tmp_path / "x.parquet")

    def refused(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(artifacts.pq, "read_schema", refused)
    with pytest.raises(PermissionError, match="x.parquet"):
        artifacts.read_table(tmp_path / "x.parquet", "concepts")


# --- damage in what a killed run left ---


@pytest.mark.parametrize("content", [b"", b"x" * 1000, "cut", "flipped"])
def test_a_damaged_item_of_a_killed_run_is_made_again(tmp_path, content, capsys):
    def make(path: Path, stop: bool = False) -> list[str]:
        made = []
        with artifacts.resumable_h5(path, **NOTHING) as shard:
            for item in "ab":
                if not shard.done(item):
                    made.append(item)
                    shard.write(item, {"x": np.arange(3000)}, {"n": 1})
            if stop:
                raise KeyboardInterrupt
        return made

    make(tmp_path / "calm.h5")
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "x.h5", stop=True)
    (item,) = tmp_path.glob("x.h5.partial-*/item-a*")
    if content == "flipped":
        damage(item, "a/x")
    else:
        item.write_bytes(item.read_bytes()[:-200] if content == "cut" else content)
    assert make(tmp_path / "x.h5") == ["a"]
    assert (tmp_path / "x.h5").read_bytes() == (tmp_path / "calm.h5").read_bytes()
    assert re.search("item-a.*is damaged.*made again", capsys.readouterr().out)


def test_a_twin_may_take_the_folder_away_at_any_time(tmp_path, monkeypatch):
    with artifacts.resumable_h5(tmp_path / "x.h5", **NOTHING) as shard:
        shard.write("a", {"n": 1})
        replace, times = os.replace, []

        def gone(source, target):
            if not times:
                times.append(1)
                shutil.rmtree(Path(source).parent)
            replace(source, target)

        monkeypatch.setattr(os, "replace", gone)
        shard.write("b", {"n": 2})
        monkeypatch.undo()
        assert shard.done("b") and not shard.done("a")
        shard.write("a", {"n": 1})
    with artifacts.open_h5(tmp_path / "x.h5", "clips") as file:
        assert list(file) == ["a", "b"]


@pytest.mark.parametrize("words", ["No such file or directory", "can't retrieve stat info for file"])
def test_a_twin_may_end_while_items_are_put_together(tmp_path, monkeypatch, words):
    """HDF5 says in several ways that a file is gone; the twin's artifact is what this run would have made."""

    def gone(shard, *_):
        shutil.rmtree(shard._folder)
        raise OSError(words)

    with artifacts.resumable_h5(tmp_path / "x.h5", **NOTHING) as twin:
        twin.write("a", {"n": 1})
    whole = (tmp_path / "x.h5").read_bytes()
    monkeypatch.setattr(artifacts.Shard, "_merge", gone)
    with artifacts.resumable_h5(tmp_path / "x.h5", **NOTHING) as shard:
        shard.write("a", {"n": 1})
    assert (tmp_path / "x.h5").read_bytes() == whole and os.listdir(tmp_path) == ["x.h5"]
    # Without the twin's it is an error, and so is what happens while all items are there, as on a full disk.
    with pytest.raises(OSError, match=words), artifacts.resumable_h5(tmp_path / "y.h5", **NOTHING) as shard:
        shard.write("a", {"n": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(artifacts.Shard, "_merge", full)
    with (
        pytest.raises(OSError, match="No space"),
        artifacts.resumable_h5(tmp_path / "x.h5", **NOTHING) as shard,
    ):
        shard.write("a", {"n": 1})


def test_a_folder_that_comes_and_goes_can_be_made(tmp_path, monkeypatch):
    """Gone between pathlib's try to make it and its look at what is there instead."""
    mkdir, times = os.mkdir, []

    def there(path, *given):
        times.append(path)
        if len(times) == 1:
            raise FileExistsError(17, "File exists", str(path))
        mkdir(path, *given)

    monkeypatch.setattr(os, "mkdir", there)
    with artifacts.atomic_path(tmp_path / "new" / "x.txt") as temporary:
        temporary.write_text("x")
    assert len(times) == 2
    monkeypatch.undo()
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError), artifacts.atomic_path(tmp_path / "file" / "x.txt"):
        pass


def test_items_with_very_long_names(tmp_path):
    name = "ü" * 400
    with artifacts.resumable_h5(tmp_path / "x.h5", **NOTHING) as shard:
        shard.write(name, {"n": 1})
        assert shard.done(name) and not shard.done(name + "ü")
    with artifacts.open_h5(tmp_path / "x.h5", "clips") as file:
        assert list(file) == [name]
    with artifacts.atomic_path(tmp_path / ("é" * 115 + ".csv")) as temporary:
        temporary.touch()


def test_writers_of_one_file_never_share_a_temporary_one(tmp_path):
    with (
        artifacts.atomic_path(tmp_path / "x.h5") as first,
        artifacts.atomic_path(tmp_path / "x.h5") as second,
    ):
        assert first != second
        first.write_bytes(b"whole"), second.write_bytes(b"whole")
    assert os.listdir(tmp_path) == ["x.h5"] and (tmp_path / "x.h5").read_bytes() == b"whole"


# --- artifacts of something else ---


@pytest.mark.parametrize(
    "place, wildcards",
    [
        ("results/r3d/models/r3d/seed0/activations/train-000.h5", {"model": "r3d", "seed": 0, "shard": "train-000"}),
        ("results/x/models/r3d/seed0/stages.0.1/random_cavs.h5", {"model": "r3d", "seed": 0, "layer": "stages.0.1"}),
        ("m/r3d/seed0/layer3/cavs/a.b.h5", {"model": "r3d", "seed": 0, "layer": "layer3", "class_name": "a.b"}),
        ("results/shared/embedded-1/clips-2/clips/test-001.h5", {"shard": "test-001"}),
        ("m/r3d/seed2/predictions.parquet", {"model": "r3d", "seed": 2}),
        ("anywhere/else.parquet", {}),
    ],
)  # fmt: skip
def test_an_artifact_of_another_place_is_refused(place, wildcards):
    def looked_at(values):
        made_by = record(rule="make", params={}, code="", wildcards=values)
        artifacts.check_place(place, made_by)

    looked_at(wildcards)
    for name, value in wildcards.items():
        for other in (f"{value}9", "i3d" if name == "model" else "7"):
            with pytest.raises(ArtifactError, match=f"made for .*{name} {other}.*--forcerun make`"):
                looked_at(wildcards | {name: other})


@every_format
def test_every_reader_looks_at_the_place(tmp_path, name, write, read, kind, monkeypatch):
    monkeypatch.setitem(globals(), "MADE_BY", MADE_BY | {"wildcards": [["shard", "train-000"]]})
    right, wrong = (tmp_path / f"{shard}{Path(name).suffix}" for shard in ("train-000", "train-001"))
    write(right)
    read(right, kind)
    shutil.copy(right, wrong)
    with pytest.raises(
        ArtifactError, match="train-001.* holds what was made for shard train-000.*sample_clips"
    ):
        read(wrong, kind)


# --- CSV ---


def test_no_text_of_a_csv_is_a_formula_or_lost(tmp_path):
    texts = ["=1+1", "+1", "-x", "@SUM(A1)", "\tx", "NaN", "NA", "None", "a=b", "nano", "x-y", None]
    frame = pd.DataFrame({"class": texts, "=n": np.arange(len(texts)) - 3.5})
    artifacts.write_table(tmp_path / "x.parquet", frame, kind="concepts", csv=True)
    pd.testing.assert_frame_equal(artifacts.read_table(tmp_path / "x.parquet", "concepts"), frame)
    found = pd.read_csv(tmp_path / "x.csv")
    assert list(found) == ["class", "'=n"] and found["'=n"].tolist() == frame["=n"].tolist()
    assert found["class"].tolist()[:-1] == [
        "'=1+1", "'+1", "'-x", "'@SUM(A1)", "'\tx", "'NaN", "'NA", "'None", "a=b", "nano", "x-y",
    ]  # fmt: skip
    assert found["class"].isna().tolist() == [False] * 11 + [True]


def test_classes_called_as_values_survive_from_a_folder_to_every_csv_and_back(tmp_path):
    classes = ["2024", "NA", "NaN", "None", "no", "null", "true"]
    for name in [*classes, "nan"]:
        for number in range(2):
            path = tmp_path / "videos" / name / f"{number}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"no video")
    with pytest.raises(ConfigError, match="'NaN' and 'nan' would get the same file name"):
        check_class_names(read_video_table(tmp_path / "videos")["class"])
    shutil.rmtree(tmp_path / "videos/nan")
    assert main(["init", str(tmp_path / "videos"), "--classes", *classes]) == 0
    config = load_config(yaml.safe_load((tmp_path / "videos/config.yaml").read_text()))
    assert config.data.classes == classes
    table = plan_videos(tmp_path, path=config.data.path, classes=config.data.classes)
    assert sorted(table["class"].unique()) == classes
    artifacts.write_table(tmp_path / "x.parquet", table, kind="videos", csv=True)
    pd.testing.assert_frame_equal(artifacts.read_table(tmp_path / "x.parquet", "videos"), table)
    for read in ({}, {"keep_default_na": False}):
        found = pd.read_csv(tmp_path / "x.csv", dtype={"class": str}, **read)
        assert found["class"].str.removeprefix("'").tolist() == table["class"].tolist()
