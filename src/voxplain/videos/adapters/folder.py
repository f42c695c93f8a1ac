"""A folder per class as a data set."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field

from voxplain.errors import ConfigError

from ..files import ENDINGS, draw_splits, list_folder, walk_videos
from . import DATASETS

TESTS = ("test", "val", "validation", "valid", "validate")  # the first that is there is the test split

log = logging.getLogger(__name__)


@DATASETS("folder")
def folder(
    source: str | Path,
    *,
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.25,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> pd.DataFrame:
    """A folder with a folder of videos per class, optionally below train/ and test/ (or val/).

    Parameters
    ----------
    source : path
        Holds ``class/*.mp4`` (or another of `ENDINGS`; also in folders below the class's), or ``train/class/…``
        and ``test/class/…``; without a folder test, val (or validation) is the test split.
    test_fraction : float
        Share of each class's videos that goes to the test split where there are no folders train
        and test, about: at least one video, but never all.
    seed : int
        Decides which, by the videos' names: a draw does not depend on other classes, and hardly on other videos
        (`voxplain.videos.files.draw_splits`).

    Returns
    -------
    DataFrame
        path, class, split, in order of name.

    Raises
    ------
    ConfigError
        There is no such folder, a folder cannot be read, or no video is in it.
    """
    source = Path(source).absolute()
    if not source.is_dir():
        raise ConfigError(f"There is no folder {source}. Correct the data set's place in the config.")
    rows = []
    splits = split_folders(source)
    if splits:
        rows = [
            (path, class_name, split)
            for split, place in splits.items()
            for class_name, paths in _classes(place)
            for path in paths
        ]
    else:
        for class_name, paths in _classes(source):
            names = {path: os.path.relpath(path, source / class_name) for path in paths}
            empty = {names[path] for path in paths if _size(path) == 0}
            drawn = draw_splits(list(names.values()), class_name, test_fraction, seed, empty)
            rows += [(path, class_name, split) for path, split in zip(paths, drawn, strict=True)]
    if not rows:
        raise ConfigError(
            f"{source} has no folders with videos ({', '.join(sorted(ENDINGS))}). "
            "Put each class's videos into a folder named after the class."
        )
    return pd.DataFrame(rows, columns=["path", "class", "split"])


def split_folders(source: Path) -> dict[str, Path]:
    """The folders of the training and of the test split, or nothing where there are none."""
    tests = [source / name for name in TESTS if (source / name).is_dir()]
    if not tests or not (source / "train").is_dir():
        return {}
    for other in tests[1:]:
        n = sum(1 for _ in walk_videos(other))
        if n:
            log.warning(
                "%s is passed over with its %d videos, as %s is the test split.", other, n, tests[0].name
            )
    return {"train": source / "train", "test": tests[0]}


def _classes(root: Path) -> list[tuple[str, list[str]]]:
    found = []
    for entry in list_folder(root):
        if not os.path.isdir(entry.path):
            continue
        paths = sorted(walk_videos(entry.path))
        if paths:
            found.append((entry.name, paths))
        else:
            log.warning(
                "%s is passed over, as it holds no videos (%s).", entry.path, ", ".join(sorted(ENDINGS))
            )
    return found


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
