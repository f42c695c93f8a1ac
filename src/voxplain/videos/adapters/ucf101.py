"""UCF-101 as it is distributed."""

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
LISTS = "ucfTrainTestlist"
CLIP = re.compile(r"_c\d+$", re.IGNORECASE)
AGAIN = "Unpack UCF-101's lists again."


@DATASETS("ucf101")
def ucf101(source: str | Path, *, split: Literal[1, 2, 3] = 1, lists: str | None = None) -> pd.DataFrame:
    """UCF-101: the folder of videos, and its official lists of training and test videos.

    Parameters
    ----------
    source : path
        Holds ``v_Class_gXX_cYY.avi``, in a folder per class or all together.
    split : {1, 2, 3}
        Which of the three official splits: ``trainlist0N.txt`` and ``testlist0N.txt``.
    lists : path, optional
        Folder of the lists and of ``classInd.txt``; by default ``ucfTrainTestlist`` in `source` or beside
        it, or `source` itself. A relative path is relative to `source`.

    Returns
    -------
    DataFrame
        path, class, split, group (``v_Class_gXX``: clips that were cut out of one video): the listed videos that
        are there, in the order of the lists. How many are missing is logged.

    Raises
    ------
    ConfigError
        The videos or lists are missing, a line of a list cannot be understood, or its class number is not
        the one in ``classInd.txt``.
    """
    source = Path(source).absolute()
    if not source.is_dir():
        raise ConfigError(f"There is no folder {source}. Correct data.path in the config.")
    folder = _list_folder(source, lists)
    classes = _classes(folder)
    # Names of files and classes differ in case: HandstandPushups/v_HandStandPushups_g01_c01.avi.
    files = by_stem(source)  # by stem, as some have converted them
    rows, missing = [], 0
    for part, name in (("train", f"trainlist0{split}.txt"), ("test", f"testlist0{split}.txt")):
        for number, line in enumerate(_lines(folder / name), start=1):
            class_name, file = _entry(line, classes, f"{folder / name}, line {number}")
            path = files.get(Path(file).stem.lower())
            missing += path is None
            if path is not None:
                rows.append((path, class_name, part, CLIP.sub("", Path(file).stem)))
    if not rows:
        raise ConfigError(
            f"None of the {missing} videos that {folder} lists is in {source}. Set data.path to the folder "
            "that holds UCF-101's avi files."
        )
    if missing:
        log.warning(
            "%d of the %d videos that %s lists are not in %s.", missing, missing + len(rows), folder, source
        )
    return pd.DataFrame(rows, columns=["path", "class", "split", "group"])


def _list_folder(source: Path, lists: str | None) -> Path:
    places = [source / LISTS, source.parent / LISTS, source] if lists is None else [source / lists]
    for place in places:
        if (place / "classInd.txt").is_file():
            return place
    raise ConfigError(
        f"UCF-101's lists are not in {' or '.join(map(str, places))}: unpack its archive of splits there "
        "(classInd.txt, trainlist01.txt, testlist01.txt, ...), or name its folder in data.options.lists."
    )


def _classes(folder: Path) -> dict[str, int]:
    """Numbers by class, from lines such as ``1 ApplyEyeMakeup``."""
    found = {}
    for line in _lines(folder / "classInd.txt"):
        number, _, class_name = line.partition(" ")
        if not number.isdecimal() or not class_name.strip():
            raise ConfigError(f"{folder / 'classInd.txt'}: {line!r} is not a number and a class. {AGAIN}")
        found[class_name.strip()] = int(number)
    return found


def _entry(line: str, classes: dict[str, int], where: str) -> tuple[str, str]:
    """Class and file of a line, ``Class/v_Class_gXX_cYY.avi``; training lists add the class's number."""
    path, _, number = line.partition(" ")
    class_name, _, file = path.replace("\\", "/").partition("/")
    if class_name not in classes or not file:
        raise ConfigError(f"{where}: {line!r} does not name a class of classInd.txt and a file. {AGAIN}")
    if number.strip() and number.strip() != str(classes[class_name]):
        raise ConfigError(
            f"{where}: {class_name} has number {number.strip()}, but {classes[class_name]} in classInd.txt. {AGAIN}"
        )
    return class_name, file


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in read_lines(path) if line.strip()]
