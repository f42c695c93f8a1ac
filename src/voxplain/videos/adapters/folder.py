"""A folder per class as a data set."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field

from voxplain.errors import ConfigError

from ..files import ENDINGS, draw_splits, list_folder, walk_videos
from . import DATASETS

# Names of the splits' folders, in letters of any case; the first that is there counts.
TRAINS = ("train", "training")
TESTS = ("test", "testing", "val", "validation", "valid", "validate", "eval", "evaluation", "dev")

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
        and ``test/class/…``, by these or other usual names (`TRAINS`, `TESTS`), in letters of any case.
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
        There is no such folder, a folder cannot be read, no video is in it, or its folders are one split's alone.
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
        classes = _classes(source)
        _refuse_parts(source, [class_name for class_name, _ in classes])
        for class_name, paths in classes:
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
    trains, tests = (_called(source, names) for names in (TRAINS, TESTS))
    # One with no folders in it is a class that is called so.
    if not trains or not tests or not any(place.is_dir() for place in trains[0].glob("*")):
        return {}
    for split, (chosen, *others) in {"training": trains, "test": tests}.items():
        for other in others:
            if n := sum(1 for _ in walk_videos(other)):
                passed_over = "%s is passed over with its %d videos, as %s is the %s split."
                log.warning(passed_over, other, n, chosen.name, split)
    return {"train": trains[0], "test": tests[0]}


def _called(source: Path, names: Sequence[str]) -> list[Path]:
    """Folders of these names, in letters of any case, in the names' order."""
    places = [place for place in sorted(source.glob("*")) if place.name.lower() in names and place.is_dir()]
    return sorted(places, key=lambda place: names.index(place.name.lower()))


def _refuse_parts(source: Path, classes: Sequence[str]) -> None:
    """See that folders of videos are not all called as splits are: they are hardly classes."""
    if not classes or any(name.lower() not in TRAINS + TESTS for name in classes):
        return
    trains, tests = (_called(source, names) for names in (TRAINS, TESTS))
    if not tests:
        lacking = (
            f"there is no folder to test with: add {source / TESTS[0]}, or name {trains[0]} itself, of which a test split is "
            "drawn"
        )
    elif not trains:
        lacking = f"there is no folder to train with: add {source / TRAINS[0]}"
    else:
        lacking = "there are no folders of classes in them: put each class's videos into one named after it"
    raise ConfigError(
        f"{source} has no folders of videos but {', '.join(classes)}, as splits are called, and {lacking}. Classes that are "
        "called so need other names."
    )


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
