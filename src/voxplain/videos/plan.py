"""Which videos of a data set a run uses, for what, and in which shard."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..config import digest
from ..errors import ConfigError, VoxplainError, nearest
from .adapters import DATASETS
from .table import FILES, check_class_names, read_video_table

EMBEDDED = "embedded"
DECODED = ["video", "path", "class", "split", "start", "end"]
# A job per shard and network: this many keep the workflow's graph small and a scheduler content.
MAX_SHARDS = 700


def source_of(path: str | None, adapter: str | None) -> tuple[str | None, str]:
    """Where the video table comes from, and by which adapter.

    Without a path it is the embedded data. A file is a CSV table, and so is a folder with a file
    ``videos.csv``; another folder has a folder of videos per class.

    Raises
    ------
    ConfigError
        The adapter needs a path.
    """
    if path is None and adapter not in (None, EMBEDDED):
        raise ConfigError(f"data.path: missing. Say which file or folder the adapter {adapter!r} reads.")
    if path is None or adapter not in (None, "csv"):
        return path, adapter or EMBEDDED
    table = Path(path, "videos.csv")
    if table.is_file():
        return str(table), "csv"
    if adapter is not None:
        return path, adapter
    return path, "csv" if Path(path).is_file() else "folder"


def plan_videos(
    folder: str | Path,
    *,
    adapter: str | None = None,
    path: str | None = None,
    options: dict[str, Any] | None = None,
    classes: list[str] | None = None,
    videos_per_class: int | None = None,
    seed: int = 0,
    shard_size: int | None = None,
) -> pd.DataFrame:
    """Choose the videos of a run and put them into shards.

    Parameters
    ----------
    folder : path
        Where embedded videos are made, for the data set that has no path of its own.
    adapter, path, options, classes, videos_per_class, seed, shard_size
        The config's section ``data``. Without a shard size it is `default_shard_size`.

    Returns
    -------
    DataFrame
        The video table with column shard, ordered by split, then class, then by a chance that hangs on the
        seed and the video's name alone: the first videos of a class are a random sample of it, and another row
        moves none of them. Shards hold the videos of a split in the order of their names, so that what is read
        shard by shard, and in each by name, comes in one order whatever the size of shards.

    Raises
    ------
    ConfigError
        A class is unknown, has no videos to train or to test with, or a name that another one or a table
        uses; or the embedded data's options are left over beside a path.
    """
    given = path
    path, adapter = source_of(path, adapter)
    options = dict(options or {})
    _check_leftovers(given, adapter, options)
    if "seed" in DATASETS[adapter].schema.model_fields:
        options.setdefault("seed", seed)
    table = read_video_table(path or folder, dataset=adapter, **options)
    known = sorted(table["class"].unique())
    for name in classes or []:
        if name not in known:
            raise ConfigError(
                f"data.classes: no video is of the class {name!r}{nearest(name, known)} "
                f"Known: {', '.join(known)}."
            )
    if classes:
        table = table[table["class"].isin(classes)]
    check_class_names(table["class"])
    missing = [
        f"{class_name} ({split})"
        for split in ("train", "test")
        for class_name in sorted(set(table["class"]) - set(table.loc[table["split"] == split, "class"]))
    ]
    if missing:
        raise ConfigError(
            f"These classes have no videos in a split: {', '.join(missing)}. Add videos, or list the "
            "classes to use in data.classes."
        )
    if table["class"].nunique() < 2:
        raise ConfigError("All videos are of one class; explaining a classifier needs two classes or more.")
    chance = [_chance(seed, video) for video in table["video"]]
    order = pd.Categorical(table["split"], ["train", "test"])
    table = table.assign(order=order, chance=chance).sort_values(["order", "class", "chance"])
    if videos_per_class is not None:
        table = table.groupby(["split", "class"], sort=False).head(videos_per_class)
    place = table.sort_values("video").groupby("split", sort=False).cumcount()
    shard = place.loc[table.index] // (shard_size or default_shard_size(len(table)))
    digits = max(3, len(str(shard.max())))
    table["shard"] = table["split"].astype(str) + "-" + shard.astype(str).str.zfill(digits)
    return table.drop(columns=["order", "chance"]).reset_index(drop=True)


def _chance(seed: int, video: str) -> str:
    return hashlib.sha256(f"{seed}/{video}".encode()).hexdigest()


def listed_rows(table: pd.DataFrame) -> list[list[Any]]:
    """Rows of a planned table by name, as JSON has them, for digests; paths as seen from the current folder."""
    table = table.sort_values("video").fillna({"start": -1.0, "end": -1.0})
    paths = ["path", *FILES]
    table = table.assign(**{name: [path and os.path.relpath(path) for path in table[name]] for name in paths})
    return table.values.tolist()


def decoded_rows(table: pd.DataFrame) -> list[list[Any]]:
    """What decoding needs of rows of a planned table, by name, as JSON has it; `table_of_rows` makes a table of it.

    Paths are as seen from the current folder, so that a project that is moved stays as it is.
    """
    table = table.sort_values("video")[DECODED]
    table = table.assign(path=[os.path.relpath(path) for path in table["path"]]).astype(object)
    return table.where(table.notna(), None).values.tolist()


def table_of_rows(rows: list[list[Any]]) -> pd.DataFrame:
    """The table of `decoded_rows`: video, path, class, split, start and end (NaN for the whole video)."""
    return pd.DataFrame(rows, columns=DECODED).astype({"start": float, "end": float})


def what_is_known(table: pd.DataFrame, *, embedded: bool) -> dict[str, bool]:
    """Of what a run's videos have ground truth, as `voxplain.tables.choose_tables` takes it."""
    given = {name: bool((table[name] != "").any()) for name in FILES}
    return {
        "known": embedded or given["masks"] or given["boxes"],
        "flow_known": embedded or given["flow"],
    }


def truth_rows(table: pd.DataFrame) -> list[dict[str, str]]:
    """What reading ground truth needs of rows of a planned table, by name, as JSON has it: video, path and its files."""
    table = table.sort_values("video")[["video", "path", *FILES]]
    known = table[(table[list(FILES)] != "").any(axis=1)]
    rows = known.assign(**{n: [p and os.path.relpath(p) for p in known[n]] for n in ("path", *FILES)})
    return rows.to_dict("records")


def file_states(paths: Iterable[str]) -> list[list[int]]:
    """When files were last written, and their sizes; ``[0, 0]`` of one that is not there, or cannot be read.

    What was decided of a file holds as long as its state: a video that was replaced, mended, or comes back is
    decoded anew.
    """
    found = []
    for path in paths:
        try:
            state = os.stat(path)
        except OSError:
            state = None
        found.append([state.st_mtime_ns, state.st_size] if state and os.access(path, os.R_OK) else [0, 0])
    return found


def check_present(paths: Sequence[str], planned: str | None = None) -> None:
    """Refuse files whose state tells of a disk, a share or another program, and not of the videos.

    A video is set aside for good only for what it is: what becomes of it is kept beside the state of its file when the
    run was planned.

    Parameters
    ----------
    paths : sequence of path
    planned : str, optional
        Digest of what `file_states` gave of them when the run was planned. Without it the run has
        made them, and none may lack.

    Raises
    ------
    VoxplainError
        None of several files is there and can be reached; they are others than when the run was planned; or one that
        the run has made is gone.
    """
    if len(paths) > 1 and not any(map(os.path.exists, paths)):
        raise VoxplainError(
            f"None of {len(paths)} videos is there, {paths[0]} among them: mount the disk or share that they are on, see "
            "that its folders may be entered, or correct the video table, and run again."
        )
    gone = [path for path in paths if not os.access(path, os.R_OK)]
    if planned is None and gone:
        raise VoxplainError(
            f"{len(gone)} of {len(paths)} videos that the workflow has made cannot be read, {gone[0]} among them: bring "
            "them back, or make them again with `snakemake --cores all --forcerun make_embedded_videos`."
        )
    if planned is not None and digest(file_states(paths)) != planned:
        raise VoxplainError(
            f"Of {len(paths)} videos, {paths[0]} among them, some have changed, come or gone since the run was planned"
            f"{f' ({gone[0]} cannot be read now)' if gone else ''}: run the same command again."
        )


def default_shard_size(videos: int) -> int:
    """Videos per shard: 250, and more where that would make more than about `MAX_SHARDS` shards."""
    return max(250, math.ceil(videos / MAX_SHARDS))


def _check_leftovers(path: str | None, adapter: str, options: dict[str, Any]) -> None:
    """A path laid over the embedded config leaves that one's adapter or options, which mean nothing here.

    They are not dropped silently: the same keys could be the user's own mistake.
    """
    mend = (
        "Take a config for your own clips (--configfile config/real_clips.yaml, or one that `python -m voxplain "
        "init FOLDER` writes)"
    )
    if path is not None and adapter == EMBEDDED:
        raise ConfigError(
            f"data.path is {path}, but data.adapter is embedded, which makes its own videos. {mend}, or write "
            "data.adapter: folder (or csv, ucf101)."
        )
    own = set(DATASETS[adapter].schema.model_fields)
    left = [key for key in options if key not in own and key in DATASETS[EMBEDDED].schema.model_fields]
    if left and adapter != EMBEDDED:
        raise ConfigError(
            f"data.options: {', '.join(left)} are options of the embedded data, and data.path is {path}. {mend}, or "
            "remove them."
        )


def discovery_videos(table: pd.DataFrame, n: int | None) -> pd.DataFrame:
    """Rows of the training videos in which concepts are looked for: n of each class, or all."""
    return _first(table[table["split"] == "train"], n)


def evaluation_videos(table: pd.DataFrame, n: int | None) -> pd.DataFrame:
    """Rows of the test videos that are edited, or explained voxel by voxel: n of each class, or all."""
    return _first(table[table["split"] == "test"], n)


def other_videos(table: pd.DataFrame, chosen: pd.DataFrame, n: int | None) -> pd.DataFrame:
    """Rows of test videos that are not among the chosen ones nor of their groups: n of each class, or all."""
    groups = table["group"] if "group" in table else table["video"]
    known = set(groups[table["video"].isin(chosen["video"])])
    return evaluation_videos(table[~groups.isin(known)], n)


def _first(table: pd.DataFrame, n: int | None) -> pd.DataFrame:
    return table if n is None else table.groupby("class", sort=False).head(n)


def source_file(path: str | None, adapter: str | None, embedded: str) -> list[str]:
    """The file whose change lists the videos anew: the data set's table, or none for a folder.

    None either where its name has braces: Snakemake takes what stands in them for a wildcard. Of a change of its rows
    the rule's parameters tell.
    """
    path, _ = source_of(path, adapter)
    if path is None:
        return [embedded]
    return [path] if Path(path).is_file() and "{" not in path else []
