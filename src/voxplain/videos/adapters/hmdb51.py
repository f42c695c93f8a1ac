"""HMDB51 as it is distributed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pandas as pd

from voxplain.errors import ConfigError

from . import DATASETS

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
        path, class, split of the listed videos that are there.

    Raises
    ------
    ConfigError
        The lists or the videos are missing, or a line is not a file and 0, 1 or 2.
    """
    source = Path(source).absolute()
    usual = "testTrainMulti_7030_splits"
    places = [source / lists] if lists else [source / usual, source.parent / usual]
    files = next((found for place in places if (found := sorted(place.glob(f"*_test_split{split}.txt")))), [])
    rows = []
    for file in files:
        class_name = file.name.removesuffix(f"_test_split{split}.txt")
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            match = re.fullmatch(r"(.+\S)\s+([012])", line.strip())
            if line.strip() and not match:
                raise ConfigError(
                    f"{file}, line {number}: {line!r} is not a file and 0, 1 or 2. Unpack it again."
                )
            if match and match[2] in SPLITS and (path := source / class_name / match[1]).is_file():
                rows.append((str(path), class_name, SPLITS[match[2]]))
    if not rows:
        raise ConfigError(
            f"HMDB51's lists for split {split} are not in {' or '.join(map(str, places))}, or none of their videos "
            f"is in {source}: unpack both, or name the lists' folder in data.options.lists."
        )
    return pd.DataFrame(rows, columns=["path", "class", "split"])
