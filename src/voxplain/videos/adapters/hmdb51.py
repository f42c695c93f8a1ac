"""HMDB51 as it is distributed."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Literal

import pandas as pd

from voxplain.errors import ConfigError

from ..files import by_stem, read_lines
from . import DATASETS

log = logging.getLogger(__name__)
SPLITS = {"1": "train", "2": "test"}  # 0: in neither


@DATASETS("hmdb51")
def hmdb51(source: str | Path, *, split: Literal[1, 2, 3] = 1, lists: str | None = None) -> pd.DataFrame:
    """HMDB51: a folder of videos per class, and its lists ``CLASS_test_splitN.txt``.

    Parameters
    ----------
    source : path
        Holds ``CLASS/*.avi``.
    split : {1, 2, 3}
        Which of the three official splits.
    lists : path, optional
        Folder of the lists; by default ``testTrainMulti_7030_splits`` in `source` or beside it. A relative
        path is relative to `source`.

    Returns
    -------
    DataFrame
        path, class, split, group (what comes before the class in a file's name: clips that were cut out of one
        film) of the listed videos that are there, whatever their ending. How many are missing is logged.

    Raises
    ------
    ConfigError
        The lists or the videos are missing, or a line is not a file and 0, 1 or 2.
    """
    source = Path(source).absolute()
    usual = "testTrainMulti_7030_splits"
    places = [source / lists] if lists else [source / usual, source.parent / usual]
    files = next((found for place in places if (found := sorted(place.glob(f"*_test_split{split}.txt")))), [])
    rows, missing = [], {}
    for file in files:
        class_name = file.name.removesuffix(f"_test_split{split}.txt")
        there = by_stem(source / class_name) if (source / class_name).is_dir() else {}
        for number, line in enumerate(read_lines(file), start=1):
            match = re.fullmatch(r"(.+\S)\s+([012])", line.strip())
            if line.strip() and not match:
                raise ConfigError(
                    f"{file}, line {number}: {line!r} is not a file and 0, 1 or 2. Unpack it again."
                )
            if match and match[2] in SPLITS:
                path = there.get(Path(match[1]).stem.lower())
                if path is None:
                    missing[class_name] = missing.get(class_name, 0) + 1
                else:
                    film = Path(match[1]).stem.rpartition(f"_{class_name}_")[0] or Path(match[1]).stem
                    # The same film may serve another class, whose lists know nothing of this one's.
                    group = f"{film} ({class_name}, {SPLITS[match[2]]})"
                    rows.append((path, class_name, SPLITS[match[2]], group))
    if not rows:
        raise ConfigError(
            f"HMDB51's lists for split {split} are not in {' or '.join(map(str, places))}, or none of their videos "
            f"is in {source}: unpack both, or name the lists' folder in data.options.lists."
        )
    if missing:
        classes = ", ".join(f"{name} ({n})" for name, n in sorted(missing.items()))
        log.warning(
            "Of %d listed videos, %d are not in %s: %s.",
            len(rows) + sum(missing.values()),
            sum(missing.values()),
            source,
            classes,
        )
    return pd.DataFrame(rows, columns=["path", "class", "split", "group"])
