"""Kinetics-400, -600 and -700 as they are distributed, and what is left of them."""

from __future__ import annotations

import csv
import io
import logging
import os
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from voxplain.errors import ConfigError

from ..files import ENDINGS, read_text
from . import DATASETS

log = logging.getLogger(__name__)
COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split")


@DATASETS("kinetics")
def kinetics(
    source: str | Path,
    *,
    videos: str | None = None,
    draw_classes: Annotated[int, Field(ge=2)] | None = None,
    draw_seed: Annotated[int, Field(ge=0)] = 0,
    test_videos: Annotated[int, Field(ge=1)] | None = None,
    present_only: bool = True,
) -> pd.DataFrame:
    """Kinetics: its annotations as CSV files, and a folder of the clips that could be had.

    A clip is ``ID_START_END.mp4`` with seconds of six digits, or ``ID.mp4``; it lies in a folder per class
    (spaces written as such or as ``_``), in ``train/``, ``val/`` or ``validate/`` above those, or with all
    others. Clips that are missing or empty are left out and counted in the log; what else is damaged is set
    aside when it is decoded.

    Parameters
    ----------
    source : path
        A CSV file with the columns label, youtube_id, time_start, time_end (seconds) and split, or a folder
        of such files, ``train.csv`` and ``val.csv`` or ``validate.csv`` among them.
    videos : path, optional
        Folder of the clips; by default the CSV files' folder. A relative path is relative to it.
    draw_classes : int, optional
        Use this many classes, drawn with `draw_seed` from those in the annotations.
    draw_seed : int
    test_videos : int, optional
        Test videos per class at most, drawn with `draw_seed`.
    present_only : bool
        False takes every annotated clip without looking for it, at its place in ``SPLIT/CLASS/``: to plan
        before the clips are there.

    Returns
    -------
    DataFrame
        path, class, split, in the annotations' order. The validation split is the test split here, as the
        test split's classes were long held back; rows of split "test" are not used.

    Raises
    ------
    ConfigError
        Annotations or clips are missing, or a line is not what it should be.
    """
    source = Path(source).absolute()
    files = _annotation_files(source)
    home = source if source.is_dir() else source.parent
    place = home / videos if videos else home
    if not place.is_dir():
        raise ConfigError(f"There is no folder {place} of clips. Correct data.options.videos.")
    rows = [row for file in files for row in _rows(file)]
    classes = sorted({class_name for class_name, *_ in rows})
    if draw_classes is not None:
        if draw_classes > len(classes):
            raise ConfigError(
                f"data.options.draw_classes is {draw_classes}, but there are {len(classes)} classes."
            )
        chosen = set(np.random.default_rng(draw_seed).choice(classes, draw_classes, replace=False))
        rows = [row for row in rows if row[0] in chosen]
    present = _clips(place) if present_only else {}
    found, missing, empty = [], 0, 0
    for class_name, video, start, end, split in rows:
        name = f"{video}_{start:06d}_{end:06d}"
        if present_only:
            path, size = _present(present, class_name, (name, video)) or (None, 0)
            missing += path is None
            empty += path is not None and size == 0
            if size == 0:
                continue
        else:
            path = str(place / split / class_name / f"{name}.mp4")
        found.append((path, class_name, "train" if split == "train" else "test"))
    if not found:
        raise ConfigError(
            f"None of the {len(rows)} clips that {source} lists is in {place}. Set data.options.videos to the "
            "folder that holds them."
        )
    if missing or empty:
        log.warning(
            "Of %d clips that %s lists, %d are missing and %d are empty.", len(rows), source, missing, empty
        )
    table = pd.DataFrame(found, columns=["path", "class", "split"]).drop_duplicates("path", ignore_index=True)
    return table if test_videos is None else _fewer_test_videos(table, test_videos, draw_seed)


def _fewer_test_videos(table: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    chance = pd.Series(np.random.default_rng([seed, 1]).random(len(table)), index=table.index)
    rank = chance.groupby([table["split"], table["class"]]).rank()
    return table[(table["split"] == "train") | (rank <= n)].reset_index(drop=True)


def _annotation_files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    found = [
        source / f"{name}.csv" for name in ("train", "val", "validate") if (source / f"{name}.csv").is_file()
    ]
    if not found:
        raise ConfigError(
            f"{source} has no train.csv and val.csv (or validate.csv): put Kinetics' annotations there, or set "
            "data.path to the CSV file."
        )
    return found


def _rows(path: Path) -> list[tuple[str, str, int, int, str]]:
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    absent = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
    if absent:
        raise ConfigError(f"{path} has no column {', '.join(absent)}; Kinetics' annotations have {COLUMNS}.")
    rows = []
    for row in reader:
        try:
            start, end = (int(float(row[name])) for name in ("time_start", "time_end"))
        except (TypeError, ValueError):
            raise ConfigError(
                f"{path}, line {reader.line_num}: the times are {row['time_start']!r} and {row['time_end']!r}, "
                "not seconds. Download the annotations again."
            ) from None
        split = {"val": "val", "validate": "val", "validation": "val"}.get(row["split"], row["split"])
        if split in ("train", "val"):
            rows.append((row["label"].strip(), row["youtube_id"].strip(), start, end, split))
    return rows


def _clips(place: Path) -> dict[str, dict[str, tuple[str, int]]]:
    """Path and size of each clip, by its name without ending and by its folder."""
    found: dict[str, dict[str, tuple[str, int]]] = {}
    todo = [str(place)]
    while todo:
        folder = todo.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                stem, ending = os.path.splitext(entry.name)
                if entry.is_dir():
                    todo.append(entry.path)
                elif ending.lower() in ENDINGS:
                    try:
                        size = entry.stat().st_size
                    except OSError:  # a link to nothing
                        continue
                    found.setdefault(stem, {})[os.path.basename(folder).replace("_", " ")] = (
                        entry.path,
                        size,
                    )
    return found


def _present(
    clips: dict[str, dict[str, tuple[str, int]]], class_name: str, names: tuple[str, ...]
) -> tuple[str, int] | None:
    """The clip of one of the names, in its class's folder where that is one of several places."""
    for name in names:
        places = clips.get(name)
        if places:
            return places.get(class_name.replace("_", " ")) or next(iter(places.values()))
    return None
