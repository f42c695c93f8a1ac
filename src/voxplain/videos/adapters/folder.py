"""A folder per class as a data set."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from voxplain.errors import ConfigError

from . import DATASETS

ENDINGS = {".mp4", ".avi", ".mkv", ".webm", ".mov"}


@DATASETS("folder")
def folder(
    source: str | Path,
    *,
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.25,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> pd.DataFrame:
    """A folder with a folder of videos per class, optionally below train/ and test/.

    Parameters
    ----------
    source : path
        Holds ``class/*.mp4`` (or avi, mkv, webm, mov), or ``train/class/…`` and ``test/class/…``.
    test_fraction : float
        Share of each class's videos that goes to the test split where there are no folders train
        and test: at least one video, but never all.
    seed : int
        Decides which. A class's draw does not depend on the other classes.

    Returns
    -------
    DataFrame
        path, class, split, in order of name.

    Raises
    ------
    ConfigError
        There is no such folder, or no video in it.
    """
    source = Path(source).absolute()
    if not source.is_dir():
        raise ConfigError(f"There is no folder {source}. Correct the data set's place in the config.")
    if (source / "train").is_dir() and (source / "test").is_dir():
        rows = [
            (path, class_name, split)
            for split in ("train", "test")
            for class_name, paths in _classes(source / split)
            for path in paths
        ]
    else:
        rows = [
            (path, class_name, split)
            for class_name, paths in _classes(source)
            for path, split in zip(paths, _splits(len(paths), class_name, test_fraction, seed))
        ]
    if not rows:
        raise ConfigError(
            f"{source} has no folders with videos ({', '.join(sorted(ENDINGS))}). "
            "Put each class's videos into a folder named after the class."
        )
    return pd.DataFrame(rows, columns=["path", "class", "split"])


def _classes(root: Path) -> list[tuple[str, list[str]]]:
    return [
        (part.name, [str(path) for path in _visible(part) if path.suffix.lower() in ENDINGS])
        for part in _visible(root)
        if part.is_dir()
    ]


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _splits(n: int, class_name: str, test_fraction: float, seed: int) -> np.ndarray:
    n_test = min(max(round(test_fraction * n), 1), n - 1) if n else 0
    splits = np.array(["train"] * (n - n_test) + ["test"] * n_test, dtype=object)
    return np.random.default_rng([seed, zlib.crc32(class_name.encode())]).permutation(splits)
