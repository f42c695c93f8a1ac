"""Artifacts: arrays in HDF5, tables in Parquet and CSV, facts in JSON.

Every artifact is whole or absent: it is written beside its place and renamed. It carries its kind,
the version of its kind's layout, and what made it (`voxplain.provenance.record`), but no time or
host, so that the same work gives the same bytes. Reading one of another kind or version, or one
that is cut short, is an `ArtifactError` that says what to run again.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .errors import ArtifactError

if TYPE_CHECKING:
    import pandas as pd

# Version of each kind's layout: raise it when a reader of the old layout would misread the new one. Final tables
# (voxplain.tables) are kinds of their own, of version 1 where they are not here.
KINDS = {
    "activations": 2,
    "cavs": 2,
    "choices": 1,
    "clip_motion": 2,
    "clips": 2,
    "concept_ablation": 2,
    "concept_ablations": 1,
    "concept_clip_motion": 1,
    "concept_clips": 1,
    "concept_controls": 1,
    "concept_ground_truth": 3,
    "concept_members": 2,
    "concept_motion": 2,
    "concept_over_time": 3,
    "concept_scores": 3,
    "concept_windows": 3,
    "concepts": 2,
    "edits": 3,
    "explanations": 3,
    "faithfulness": 3,
    "features": 2,
    "flow": 1,
    "flow_errors": 1,
    "ground_truth_scores": 3,
    "map_agreement": 2,
    "map_similarity": 2,
    "matched_concepts": 2,
    "model_accuracy": 2,
    "motion_reliance": 2,
    "motion_scores": 3,
    "perturbation_curves": 3,
    "position_bias": 1,
    "position_shares": 1,
    "predictions": 2,
    "presets": 2,
    "random_cavs": 1,
    "random_gradients": 1,
    "random_sets": 2,
    "randomization": 3,
    "randomized_scores": 2,
    "relevance_clips": 2,
    "scored_concepts": 2,
    "selected_share": 2,
    "selective_maps": 1,
    "set_aside": 3,
    "set_aside_videos": 3,
    "stability": 2,
    "supervoxel_importance": 1,
    "supervoxels": 2,
    "sweep_scores": 2,
    "timings": 1,
    "training": 1,
    "variant_agreement": 1,
    "variant_edits": 2,
    "variant_members": 1,
    "variant_scores": 1,
    "variant_selections": 2,
    "videos": 3,
}
_KEY = "voxplain"
_CHUNK_BYTES = 1 << 18
# What h5py says, as OSError, KeyError or RuntimeError, of a file that it cannot make sense of; of a
# name that is not there it says "doesn't exist".
_DAMAGE = re.compile(r"(synchronously (open|read)|iteration failed|group info)(?!.*doesn't exist)")

Attributes = Mapping[str, Any]
Measured = Callable[[], Attributes]
StrPath = str | os.PathLike


@contextmanager
def atomic_path(path: StrPath) -> Iterator[Path]:
    """Give a path to write to; it becomes `path` when the block ends well, and vanishes if not.

    It lies in the same folder (made if absent) and has the same suffix. What a killed process left
    behind is never taken for the file, and is removed by the next writer on the same machine.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    temporary = path.with_name(f".{path.stem}.{platform.node()}-{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def create_h5(
    path: StrPath, *, kind: str, made_by: Attributes | None = None, attrs: Attributes | Measured | None = None
) -> Iterator[h5py.File]:
    """Create an HDF5 artifact; the open file is `path` once the block ends well.

    Parameters
    ----------
    path : path
    kind : str
        One of `KINDS`.
    made_by : mapping, optional
        What makes it: see `voxplain.provenance.record`.
    attrs : mapping, optional
        More attributes of the file; containers become JSON text. Or a function without arguments that gives
        them, called when the block ends: what was measured on the way.
    """
    with atomic_path(path) as temporary:
        with _new_h5(temporary) as file:
            file.attrs[_KEY] = _json(_described(kind, made_by))
            yield file
            _annotate(file, attrs() if callable(attrs) else attrs)


@contextmanager
def open_h5(path: StrPath, kind: str) -> Iterator[h5py.File]:
    """Open an HDF5 artifact for reading.

    Raises
    ------
    ArtifactError
        It is missing, damaged (also where a read in the block finds that out), or of another kind
        or version.
    """
    found = check(path, kind)
    with h5py.File(path, "r", locking=False) as file:
        try:
            yield file
        except (OSError, KeyError, RuntimeError) as error:
            if _DAMAGE.search(str(error)):
                raise _unreadable(path, found, error) from error
            raise


def store(group: h5py.Group, name: str, array: Any) -> h5py.Dataset:
    """Add an array to an open HDF5 group: compressed, checksummed, chunked by its first axis.

    A chunk holds one entry of the first axis (a clip), or more where entries are small. Text is
    kept as UTF-8: read it by ``dataset.asstr()[()]``.
    """
    array = np.asarray(array)
    if array.dtype.kind in "UO":
        # Of fixed length: text of variable length has no checksum.
        text = np.char.encode(array.astype(str), "utf-8")
        array = text.astype(h5py.string_dtype("utf-8", text.itemsize))
    if array.size == 0 or array.ndim == 0:
        return group.create_dataset(name, data=array)
    rows = max(1, min(len(array), _CHUNK_BYTES * len(array) // array.nbytes))
    packing = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if array.nbytes > 1024 else {}
    return group.create_dataset(name, data=array, chunks=(rows, *array.shape[1:]), fletcher32=True, **packing)


def partial_path(path: StrPath, *, made_by: Attributes, inputs: Iterable[StrPath]) -> Path:
    """Return the place beside `path` for work that a killed run may leave to the next.

    Snakemake does not know it and so does not delete it. Its name stands for `made_by` and for the
    state of the files `inputs`: what was left by work that differs in either is removed here.
    """
    path = Path(path)
    states = [(str(file), *_state_of(file)) for file in inputs]
    key = hashlib.sha256(_json([made_by, states]).encode()).hexdigest()[:16]
    place = path.with_name(f"{path.name}.partial-{key}")
    for other in path.parent.glob(f"{glob.escape(path.name)}.partial-*"):
        if other.is_dir() and other != place:
            shutil.rmtree(other, ignore_errors=True)
        elif other != place:
            other.unlink(missing_ok=True)
    return place


def _state_of(file: StrPath) -> tuple[int, int]:
    """When a file was last written, and its size: zeros where there is none, as of a video that is missing."""
    try:
        state = os.stat(file)
    except OSError:
        return 0, 0
    return state.st_mtime_ns, state.st_size


class Shard:
    """Items of a `resumable_h5` artifact, each kept on disk as soon as it is written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[str] = set()

    def done(self, item: str) -> bool:
        """Whether `item` was written, by this run or by one that was cut short."""
        if self._path(item).exists():
            self._seen.add(item)
            return True
        return False

    def write(
        self, item: str, arrays: Mapping[str, Any] | None = None, attrs: Attributes | None = None
    ) -> None:
        """Keep the arrays and attributes of one item; it becomes the group `item`."""
        with atomic_path(self._path(item)) as temporary:
            with _new_h5(temporary) as file:
                _annotate(file, attrs)
                for name, array in (arrays or {}).items():
                    store(file, name, array)
        self._seen.add(item)

    def _path(self, item: str) -> Path:
        if "/" in item:
            raise ValueError(f"the name of an item may not contain '/': {item!r}")
        return self._folder / f"item-{quote(item, safe=' ')}.h5"

    def _merge(self, file: h5py.File) -> None:
        # By name, so that the order in which runs finished the items leaves no trace.
        paths = {unquote(path.stem.removeprefix("item-")): path for path in self._folder.glob("item-*.h5")}
        for item in sorted(self._seen | set(paths)):
            with h5py.File(self._path(item), "r", locking=False) as source:
                file.copy(source["/"], item)


@contextmanager
def resumable_h5(
    path: StrPath,
    *,
    kind: str,
    made_by: Attributes,
    inputs: Iterable[StrPath],
    attrs: Attributes | Measured | None = None,
) -> Iterator[Shard]:
    """Create an HDF5 artifact item by item, going on where a killed run stopped.

    Finished items wait in the folder `partial_path`, and are thrown away if they were made by
    anything else or from other inputs.

    Parameters
    ----------
    path, kind, made_by, attrs
        As for `create_h5`; an item is a group.
    inputs : iterable of path
        The files that the items are made from.

    Examples
    --------
    >>> with resumable_h5(path, kind="clips", made_by=made_by, inputs=videos) as shard:  # doctest: +SKIP
    ...     for video in videos:
    ...         if not shard.done(video.stem):
    ...             shard.write(video.stem, {"frames": decode(video)}, {"class": 3})
    """
    folder = partial_path(path, made_by=made_by, inputs=inputs)
    folder.mkdir(parents=True, exist_ok=True)
    shard = Shard(folder)
    yield shard
    try:
        with create_h5(path, kind=kind, made_by=made_by, attrs=attrs) as file:
            shard._merge(file)
    except FileNotFoundError:
        # The items vanish when a twin of this run, which outlived its killed parent, ended first.
        if not Path(path).exists() or _json(attributes_of(path)) != _json(_described(kind, made_by)):
            raise
    shutil.rmtree(folder, ignore_errors=True)


def write_table(
    path: StrPath, frame: pd.DataFrame, *, kind: str, made_by: Attributes | None = None, csv: bool = False
) -> None:
    """Write a table as Parquet and, if it is a final one, as CSV beside it. The index is left out."""
    path = Path(path)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), _KEY: _json(_described(kind, made_by))}
    if csv:  # first, so that whoever sees the Parquet file finds both
        with atomic_path(path.with_suffix(".csv")) as temporary:
            frame.to_csv(temporary, index=False, lineterminator="\n")
    with atomic_path(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, write_page_checksum=True)


def read_table(path: StrPath, kind: str) -> pd.DataFrame:
    """Read a Parquet artifact; errors as for `open_h5`."""
    found = check(path, kind)
    try:
        return pq.read_table(path, page_checksum_verification=True).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, found, error) from error


def write_json(path: StrPath, data: Any, *, kind: str, made_by: Attributes | None = None) -> None:
    """Write a JSON artifact: `data` under the key ``data``, with its attributes beside it."""
    text = json.dumps({_KEY: _described(kind, made_by), "data": data}, default=_plain, indent=1)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: StrPath, kind: str) -> Any:
    """Read the data of a JSON artifact; errors as for `open_h5`."""
    check(path, kind)
    return json.loads(Path(path).read_text(encoding="utf-8"))["data"]


def attributes_of(path: StrPath) -> dict[str, Any]:
    """Return what an artifact says of itself: kind, version, and what made it.

    Raises
    ------
    ArtifactError
        It is missing, damaged, or no artifact.
    """
    path = Path(path)
    try:
        match path.suffix:
            case ".h5":
                with h5py.File(path, "r", locking=False) as file:
                    found = json.loads(file.attrs[_KEY])
            case ".parquet":
                found = json.loads(pq.read_schema(path).metadata[_KEY.encode()])
            case _:
                found = json.loads(path.read_text(encoding="utf-8"))[_KEY]
        return {"kind": found["kind"], "version": found["version"], **found}
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing. {_mend(path)}") from None
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, pa.ArrowException) as error:
        raise _unreadable(path, {}, error) from error


def check(path: StrPath, kind: str) -> dict[str, Any]:
    """Return the attributes of an artifact of the given kind and of this library's version of it.

    Raises
    ------
    ArtifactError
        It is missing, damaged, or of another kind or version.
    """
    found = attributes_of(path)
    wanted = KINDS.get(kind, 1)
    if found["kind"] != kind:
        raise ArtifactError(f"{path} holds {found['kind']!r}. Give the file that holds {kind!r}.")
    if found["version"] != wanted:
        raise ArtifactError(
            f"{path} is version {found['version']} of {kind!r}; this voxplain reads version {wanted}. "
            f"{_mend(path, found)}"
        )
    return found


def _new_h5(path: Path) -> h5py.File:
    # Version 1.10 of the format has checksums on its own structures too. Locks are not needed, as
    # nobody else knows the temporary name, and cluster file systems often have none.
    return h5py.File(path, "w", locking=False, libver=("v110", "v110"))


def _described(kind: str, made_by: Attributes | None) -> dict[str, Any]:
    return {"kind": kind, "version": KINDS.get(kind, 1), **(made_by or {})}


def _annotate(group: h5py.Group, attrs: Attributes | None) -> None:
    for name, value in (attrs or {}).items():
        group.attrs[name] = _json(value) if isinstance(value, (Mapping, list, tuple)) else value


def _mend(path: StrPath, found: Attributes | None = None) -> str:
    # --forcerun takes a file as well, for one that cannot say which rule made it.
    return f"Make it again with `snakemake --cores all --forcerun {(found or {}).get('rule', path)}`."


def _unreadable(path: StrPath, found: Attributes, error: Exception) -> ArtifactError:
    return ArtifactError(f"{path} is damaged or cut short ({error}). {_mend(path, found)}")


def _sweep(path: Path) -> None:
    """Remove temporary files of `path` that dead processes of this machine left."""
    start, end = f".{path.stem}.{platform.node()}-", f".tmp{path.suffix}"
    for name in os.listdir(path.parent):
        if name.startswith(start) and name.endswith(end):
            process = name.removeprefix(start).removesuffix(end)
            if process.isdigit() and not _alive(int(process)):
                path.with_name(name).unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # someone else's
        pass
    return True


def _json(value: Any) -> str:
    return json.dumps(value, default=_plain, sort_keys=True)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)
