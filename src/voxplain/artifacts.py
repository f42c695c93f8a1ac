"""Artifacts: arrays in HDF5, tables in Parquet and CSV, facts in JSON.

Every artifact is whole or absent: it is written beside its place and renamed. It carries its kind,
the version of its kind's layout, and what made it (`voxplain.provenance.record`), but no time or
host, so that the same work gives the same bytes. Reading one of another kind or version, one that is
cut short, or one that was made for another place is an `ArtifactError` that says what to run again.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import io
import json
import os
import platform
import secrets
import shlex
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .errors import ArtifactError, ConfigError
from .hdf5 import RecordingFile, new_h5, open_reporting

if TYPE_CHECKING:
    import pandas as pd

# Version of each kind's layout: raise it when a reader of the old layout would misread the new one. Final tables
# (voxplain.tables) are kinds of their own, of version 1 where they are not here.
KINDS = {
    "activations": 3,
    "cavs": 2,
    "choices": 3,
    "chosen_precision": 1,
    "clip_motion": 2,
    "clips": 2,
    "concept_ablation": 2,
    "concept_ablations": 2,
    "concept_clip_motion": 1,
    "concept_clips": 1,
    "concept_controls": 3,
    "concept_ground_truth": 3,
    "concept_members": 2,
    "concept_motion": 2,
    "concept_over_time": 3,
    "concept_scores": 4,
    "concept_windows": 3,
    "concepts": 3,
    "edits": 3,
    "explanation_controls": 2,
    "explanations": 3,
    "faithfulness": 4,
    "features": 2,
    "flow": 1,
    "flow_errors": 1,
    "frame_scores": 1,
    "given_concepts": 2,
    "given_scores": 2,
    "ground_truth": 1,
    "ground_truth_scores": 4,
    "intervention_scores": 2,
    "interventions": 2,
    "map_agreement": 2,
    "map_similarity": 2,
    "matched_concepts": 2,
    "model_accuracy": 2,
    "motion_reliance": 2,
    "motion_scores": 3,
    "perturbation_curves": 4,
    "position_bias": 1,
    "position_shares": 1,
    "predictions": 2,
    "presets": 3,
    "probe_scores": 1,
    "random_cavs": 2,
    "random_gradients": 1,
    "random_sets": 2,
    "randomization": 3,
    "randomized_scores": 2,
    "relevance_clips": 3,
    "scored_concepts": 3,
    "selected_share": 2,
    "selection_controls": 2,
    "selective_maps": 1,
    "set_aside": 3,
    "set_aside_videos": 3,
    "stability": 3,
    "steered_concepts": 2,
    "steered_given": 1,
    "steering_gaps": 2,
    "supervoxel_importance": 1,
    "supervoxels": 2,
    "sweep_scores": 2,
    "timings": 1,
    "truth": 1,
    "training": 1,
    "variant_agreement": 1,
    "variant_edits": 2,
    "variant_members": 1,
    "variant_scores": 1,
    "variant_selections": 4,
    "videos": 4,
    "window_frames": 1,
}
_KEY = "voxplain"
_SEAL = "seal"
_CHUNK_BYTES = 1 << 18
MOST_IDENTITIES = 1500
# Not the file's fault: with these, it may be whole.
_NO_DAMAGE = {errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE}
# What a spreadsheet takes for a formula, and what pandas reads from a CSV file as a missing value.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MISSING = {
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
}  # fmt: skip

Attributes = Mapping[str, Any]
Measured = Callable[[], Attributes]
StrPath = str | os.PathLike


def _make_folder(path: Path) -> None:
    """As ``mkdir -p``, also where a twin of this run removes the folder meanwhile."""
    for attempt in (1, 2, 3):
        try:
            path.mkdir(parents=True, exist_ok=True)
            return
        except FileExistsError:
            # It was there when it was to be made, and gone when pathlib looked whether it is a folder.
            if attempt == 3:
                raise


@contextmanager
def atomic_path(path: StrPath) -> Iterator[Path]:
    """Give a path to write to; it becomes `path` when the block ends well, and vanishes if not.

    It lies in the same folder (made if absent) and has the same suffix. What a killed process left
    behind is never taken for the file, and is removed by the next writer on the same machine.
    """
    path = Path(path)
    _make_folder(path.parent)
    _sweep(path)
    # Of this write alone: threads, and processes of other machines or containers, may make the same file.
    name = f"{_writer(path)}{os.getpid()}-{secrets.token_hex(4)}.tmp{path.suffix}"
    temporary = path.with_name(name)
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_file(path: StrPath) -> Iterator[BinaryIO]:
    """Give a file open for writing, which becomes `path` as in `atomic_path`; every error of writing is raised.

    For libraries that would pass over such an error, and then leave half a file. It is raised when the block ends.
    """
    with atomic_path(path) as temporary, RecordingFile(temporary) as file:
        yield file


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
    with atomic_path(path) as temporary, new_h5(temporary) as file:
        file.attrs[_KEY] = _json(_sealed(_described(kind, made_by)))
        yield file
        _annotate(file, attrs() if callable(attrs) else attrs)


@contextmanager
def open_h5(path: StrPath, kind: str) -> Iterator[h5py.File]:
    """Open an HDF5 artifact for reading.

    Raises
    ------
    ArtifactError
        It is missing, damaged (also where a later read finds that out), of another kind or version, or made for
        another place: see `check`.
    """
    found = check(path, kind)
    with open_reporting(path, lambda error: _unreadable(path, found, error)) as file:
        yield file


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
        """Whether `item` was written, by this run or by one that was cut short, and can be read.

        One that cannot is removed, with a sentence, so that it is made again.
        """
        path = self._path(item)
        if not path.exists():
            return False
        try:
            with open_reporting(path, lambda error: ArtifactError(str(error))) as file:
                file[item].visititems(lambda _, found: found[()] if isinstance(found, h5py.Dataset) else None)
                _ = dict(file[item].attrs)
        except MemoryError:
            raise
        except Exception as error:  # h5py raises nearly anything on a damaged file
            if not path.exists():  # a twin of this run ended meanwhile
                return False
            print(f"{path}, left by a run that was cut short, is damaged ({error}): it is made again.")
            path.unlink(missing_ok=True)
            return False
        self._seen.add(item)
        return True

    def write(
        self, item: str, arrays: Mapping[str, Any] | None = None, attrs: Attributes | None = None
    ) -> None:
        """Keep the arrays and attributes of one item; it becomes the group `item`."""
        for attempt in (1, 2, 3):
            try:
                with atomic_path(self._path(item)) as temporary, new_h5(temporary) as file:
                    group = file.create_group(item)
                    _annotate(group, attrs)
                    for name, array in (arrays or {}).items():
                        store(group, name, array)
                break
            except FileNotFoundError:  # a twin of this run ended, and removed the folder meanwhile
                if attempt == 3:
                    raise
        self._seen.add(item)

    def there(self) -> bool:
        """Whether all items that were written or found are still there."""
        return all(self._path(item).exists() for item in self._seen)

    def _path(self, item: str) -> Path:
        if "/" in item:
            raise ValueError(f"the name of an item may not contain '/': {item!r}")
        # Names of files have at most 255 bytes, those of items may have more.
        key = hashlib.sha256(item.encode()).hexdigest()[:16]
        return self._folder / f"item-{quote(item, safe=' ')[:60]}-{key}.h5"

    def _merge(self, file: h5py.File) -> None:
        # By name, so that the order in which runs finished the items leaves no trace.
        paths = {item: self._path(item) for item in self._seen}
        for path in set(self._folder.glob("item-*.h5")) - set(paths.values()):
            with h5py.File(path, "r", locking=False) as source:
                paths |= dict.fromkeys(source, path)
        for item in sorted(paths):
            with h5py.File(paths[item], "r", locking=False) as source:
                file.copy(source[item], item)


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
    _make_folder(folder)
    shard = Shard(folder)
    yield shard
    try:
        with create_h5(path, kind=kind, made_by=made_by, attrs=attrs) as file:
            shard._merge(file)
    except OSError as error:
        # The items vanish when a twin of this run, which outlived its killed parent, ended first. HDF5 has several words for it,
        # and a third writer may have made them again.
        gone = isinstance(error, FileNotFoundError) or not shard.there()
        if (
            not gone
            or not Path(path).exists()
            or _json(attributes_of(path)) != _json(_described(kind, made_by))
        ):
            raise
    shutil.rmtree(folder, ignore_errors=True)


def write_table(
    path: StrPath, frame: pd.DataFrame, *, kind: str, made_by: Attributes | None = None, csv: bool = False
) -> None:
    """Write a table as Parquet and, if it is a final one, as CSV beside it. The index is left out.

    The CSV is that of `csv_text`.
    """
    path = Path(path)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    described = {**_described(kind, made_by), "table": _shape_of(table)}
    metadata = {**(table.schema.metadata or {}), _KEY: _json(_sealed(described))}
    content = io.BytesIO()  # so that Python writes it, and raises what goes wrong
    pq.write_table(table.replace_schema_metadata(metadata), content, write_page_checksum=True)
    if csv:  # first, so that whoever sees the Parquet file finds both
        with atomic_path(path.with_suffix(".csv")) as temporary:
            temporary.write_text(csv_text(frame), encoding="utf-8", newline="")
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def csv_text(frame: pd.DataFrame) -> str:
    """A table as CSV, with an apostrophe before text that would be read as something else.

    That is what a spreadsheet would compute (``=1+1``), and what pandas would read as a missing value (a class called
    NaN).
    """

    def marked(value: Any) -> Any:
        return (
            f"'{value}"
            if isinstance(value, str) and (value.startswith(_FORMULA) or value in _MISSING)
            else value
        )

    texts = [name for name in frame if frame[name].dtype.kind == "O"]
    frame = frame.assign(**{name: frame[name].map(marked) for name in texts}).rename(columns=marked)
    return frame.to_csv(index=False, lineterminator="\n")


def _shape_of(table: pa.Table) -> list[Any]:
    """What Parquet keeps without a checksum: number of rows, names and types of columns."""
    return [table.num_rows, *([field.name, str(field.type)] for field in table.schema)]


def read_table(path: StrPath, kind: str) -> pd.DataFrame:
    """Read a Parquet artifact; errors as for `open_h5`."""
    found = check(path, kind)
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        if "table" in found and found["table"] != _shape_of(table):
            raise ValueError("its rows or columns are not those that were written")
        frame = table.to_pandas()
        # What pandas adds for itself has no checksum either, and renames columns.
        if list(frame.columns) != table.column_names:
            raise ValueError("its columns are not called as they were written")
        return frame
    except MemoryError:
        raise
    except Exception as error:  # of damaged metadata, PyArrow and pandas raise nearly anything
        raise _unreadable(path, found, error) from error


def write_json(path: StrPath, data: Any, *, kind: str, made_by: Attributes | None = None) -> None:
    """Write a JSON artifact: `data` under the key ``data``, with its attributes beside it."""
    data = json.loads(json.dumps(data, default=_plain))
    described = {**_described(kind, made_by), "sha256": _digest(data)}
    text = json.dumps({_KEY: _sealed(described), "data": data}, default=_plain, indent=1)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: StrPath, kind: str) -> Any:
    """Read the data of a JSON artifact; errors as for `open_h5`."""
    found = check(path, kind)
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))["data"]
        if "sha256" in found and found["sha256"] != _digest(data):
            raise ValueError("its data are not those that were written")
        return data
    except (OSError, KeyError, ValueError) as error:
        raise _unreadable(path, found, error) from error


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
        if found.pop(_SEAL) != _sealed(found)[_SEAL]:
            raise ValueError("what it says of itself is not what was written")
        return {"kind": found["kind"], "version": found["version"], **found}
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing. {_mend(path)}") from None
    except MemoryError:
        raise
    except Exception as error:  # readers raise nearly anything on a damaged file
        raise _unreadable(path, {}, error) from error


def check(path: StrPath, kind: str) -> dict[str, Any]:
    """Return the attributes of an artifact of the given kind, of this library's version of it, and of its place.

    Raises
    ------
    ArtifactError
        It is missing, damaged, of another kind or version, or was made for another network, seed, layer, class or
        shard than its path names.
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
    check_place(path, found)
    return found


def check_place(path: StrPath, made_by: Attributes) -> None:
    """See that a file lies where what made it put it: that its path names the wildcards of its rule's job.

    The values stand in the path as they are or after their name (``seed0``), in their order: the last in the file's
    name or up to two folders above, each of the others next to the one after it or with one folder between.

    Raises
    ------
    ArtifactError
        It was made for something else.
    """
    parts = [Path(path).name.removesuffix(Path(path).suffix), *reversed(Path(path).parent.parts)]
    wildcards, reach = made_by.get("wildcards") or [], 3
    for name, value in reversed(wildcards):
        near = [at for at, part in enumerate(parts[:reach]) if part in (str(value), f"{name}{value}")]
        if not near:
            told = ", ".join(f"{name} {value}" for name, value in wildcards)
            raise ArtifactError(f"{path} holds what was made for {told}. {_mend(path, made_by)}")
        del parts[: near[0] + 1]
        reach = 2


def check_settings(paths: Sequence[StrPath], others: Iterable[StrPath]) -> None:
    """See that artifacts of a kind of two runs, which are to be compared, were made with the same settings.

    Those are the parameter ``settings`` of their rule, by place in the config. One that one run alone has, such as
    an explainer, is of nothing that is compared.

    Parameters
    ----------
    paths : sequence of path
        Of this run, which are alike: the first says the settings.
    others : iterable of path
        Of the other run: every one is looked at.

    Raises
    ------
    ConfigError
        A setting differs.
    ArtifactError
        One is missing or damaged, or does not say its settings, as those that an older voxplain made.
    """
    mine = _settings_of(paths[0])
    for other in others:
        theirs = _settings_of(other)
        for place, value in mine.items():
            if theirs.get(place, value) != value:
                raise ConfigError(
                    f"relevance.compare_with: {place} is {value!r} in this run and {theirs[place]!r} in {other}. Make both "
                    "runs with the same, or compare with another run."
                )


def _settings_of(path: StrPath) -> Attributes:
    found = attributes_of(path)
    if "settings" not in found.get("params", {}):
        raise ArtifactError(f"{path} does not say with which settings it was made. {_mend(path, found)}")
    return found["params"]["settings"]


def input_identities(paths: Iterable[StrPath]) -> dict[str, str]:
    """Identities of a job's inputs, and see that those that were made from others were made from these.

    An identity stands for the rule, parameters and code that made an artifact, and for what that was made from in turn.
    Versions of libraries and the device do not count: what was made again with others is the same work.

    Parameters
    ----------
    paths : iterable of path
        Artifacts, files of weights, and files that are neither, which have none.

    Returns
    -------
    dict of str to str
        Eight digits each, by eight digits for the path. Empty where there are more than `MOST_IDENTITIES`.

    Raises
    ------
    ArtifactError
        One was made from another file than now lies where that lay.
    """
    paths = [str(path) for path in paths]
    where = {_short(path): path for path in paths}
    made = {digits: found for digits, path in where.items() if (found := _what_made(path)) is not None}
    found = {digits: _identity(by) for digits, by in made.items()}
    for digits, by in made.items():
        for source, name in (by.get("inputs") or {}).items():
            if found.get(source, name) != name:
                raise ArtifactError(
                    f"{where[digits]} was made from another {where[source]} than the one that lies there now: one of the two "
                    f"is of another run. {_mend(where[source], made[source])}"
                )
    # An attribute of HDF5 has 64 kB at most. What is made from more files than that is a final table or a network.
    return found if len(found) <= MOST_IDENTITIES else {}


def made_from(path: StrPath, among: Iterable[StrPath], *, all_of_them: bool = False) -> list[Path]:
    """Those of some files that an artifact was made from, wherever they lie now: told by their identities.

    Parameters
    ----------
    path : path
        The artifact.
    among : iterable of path
        Of files with one identity, which hold the same, the first counts.
    all_of_them : bool
        They must be all that it was made from.

    Returns
    -------
    list of Path
        In the order of `among`.

    Raises
    ------
    ArtifactError
        It does not say what it was made from, or `all_of_them` are not there.
    """
    made = attributes_of(path)
    wanted = set((made.get("inputs") or {}).values())
    if not wanted:
        raise ArtifactError(
            f"{path} does not say what it was made from, so that nothing tells which files are the run's. {_mend(path, made)} "
            f"(More than {MOST_IDENTITIES} files are not written down: give data.shard_size more.)"
        )
    found: dict[str, Path] = {}
    for file in map(Path, among):
        by = _what_made(str(file))
        if by is not None and (name := _identity(by)) in wanted:
            found.setdefault(name, file)
    if all_of_them and len(found) < len(wanted):
        raise ArtifactError(
            f"Of {len(wanted)} files that {path} was made from {len(wanted) - len(found)} are no more where the run keeps them, "
            "or were made again: run its config again, with none of them in temporary."
        )
    return list(found.values())


def _identity(made: Attributes) -> str:
    told = ("rule", "params", "code", "wildcards", "inputs")
    return _short(_json([made.get(name) for name in told]))


def _what_made(path: str) -> Attributes | None:
    """What an artifact or a file of weights says of what made it, if it can be read and says it."""
    try:
        match Path(path).suffix:
            case ".safetensors":
                with open(path, "rb") as file:
                    length = int.from_bytes(file.read(8), "little")
                    header = json.loads(file.read(min(length, os.path.getsize(path))))
                found = json.loads(header["__metadata__"][_KEY])["metadata"]["made_by"]
            case ".h5" | ".parquet" | ".json":
                found = attributes_of(path)
            case _:
                return None
        return found if found.get("rule") else None
    except MemoryError:
        raise
    except Exception:  # whoever reads it says what is wrong
        return None


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _described(kind: str, made_by: Attributes | None) -> dict[str, Any]:
    return {"kind": kind, "version": KINDS.get(kind, 1), **(made_by or {})}


def _sealed(described: Attributes) -> dict[str, Any]:
    """What an artifact says of itself, with a digest of it: Parquet's metadata have no checksum."""
    described = json.loads(_json(described))
    return {**described, _SEAL: hashlib.sha256(_json(described).encode()).hexdigest()[:16]}


def _annotate(group: h5py.Group, attrs: Attributes | None) -> None:
    for name, value in (attrs or {}).items():
        group.attrs[name] = _json(value) if isinstance(value, (Mapping, list, tuple)) else value


def _mend(path: StrPath, found: Attributes | None = None) -> str:
    # --forcerun takes a file as well, for one that cannot say which rule made it.
    return f"Make it again with `snakemake --cores all --forcerun {shlex.quote(str((found or {}).get('rule', path)))}`."


def _unreadable(path: StrPath, found: Attributes, error: Exception) -> Exception:
    number = getattr(error, "errno", None)
    if number in _NO_DAMAGE:
        return OSError(number, os.strerror(number), str(path))
    return ArtifactError(f"{path} is damaged or cut short ({error}). {_mend(path, found)}")


def _sweep(path: Path) -> None:
    """Remove temporary files of `path` that dead processes of this machine left."""
    start, end = _writer(path), f".tmp{path.suffix}"
    for name in os.listdir(path.parent):
        if name.startswith(start) and name.endswith(end):
            process = name.removeprefix(start).removesuffix(end).partition("-")[0]
            if process.isdecimal() and not _alive(int(process)):
                path.with_name(name).unlink(missing_ok=True)


def _writer(path: Path) -> str:
    """How the names of temporary files of `path` begin on this machine: with a process's number after it."""
    stem = path.stem
    if len(os.fsencode(stem)) > 100:  # of 255 bytes that a name may have
        stem = f"{os.fsencode(stem)[:60].decode(errors='ignore')}-{hashlib.sha256(os.fsencode(stem)).hexdigest()[:16]}"
    return f".{stem}.{platform.node()}-"


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # someone else's
        pass
    return True


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, default=_plain, sort_keys=True)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)
