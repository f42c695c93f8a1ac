"""Video tables: which files, of which class, in which split."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import re
from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandas as pd

from voxplain.errors import ConfigError, nearest

from .adapters import DATASETS
from .files import absolute

COLUMNS = ["video", "path", "class", "split", "start", "end", "group", "subset", "masks", "boxes", "flow"]
LONGEST = 100  # letters of a name: with endings and signs around it, file systems take 255
FILES = ("masks", "boxes", "flow")  # columns that name a file or folder with ground truth, or nothing
SPLITS = ("train", "test")

log = logging.getLogger(__name__)


def read_video_table(source: str | Path, *, dataset: str | None = None, **options: Any) -> pd.DataFrame:
    """Read the videos of a data set as a checked table.

    Parameters
    ----------
    source : path
        The data set's file or folder.
    dataset : str, optional
        Name of an adapter in `DATASETS`; by default ``"csv"`` for a file and ``"folder"`` for a folder.
    **options
        Options of the adapter.

    Returns
    -------
    DataFrame
        One row per video in the data set's order: `video`, a unique name that can be a file name;
        `path`, absolute; `class`; `split`, "train" or "test"; `start` and `end` in seconds, NaN for
        the whole video; `group`, what is not independent of each other (the same scene, person or source),
        by default the video; `subset`, of which tables tell apart, or empty; `masks`, `boxes` and `flow`, absolute paths of files or folders with ground truth
        (`voxplain.videos.truth`), or empty.

    Raises
    ------
    ConfigError
        The source is missing, an option is unknown, or a row is not a usable one.
    """
    source = Path(source)
    dataset = dataset or ("folder" if source.is_dir() else "csv")
    adapter = DATASETS[dataset]
    return check_video_table(adapter.function(source, **adapter.options(options)), source)


def check_video_table(table: pd.DataFrame, source: str | Path = "the video table") -> pd.DataFrame:
    """Check a table of path, class (or label), split and optionally start, end, group, subset, masks, boxes and flow.

    Parameters
    ----------
    table : DataFrame
        Its index, where it has a name such as "line", is what messages call a row by. Further columns are
        ignored, with a note.
    source : path
        Where it comes from, for messages; relative paths are relative to its folder.

    Returns
    -------
    DataFrame
        As in `read_video_table`.

    Raises
    ------
    ConfigError
        The text names the row and the mend.
    """
    if "class" not in table:  # a user's own table calls it label
        table = table.rename(columns={"label": "class"})
    _check_columns(table, source)
    if table.empty:
        raise ConfigError(f"{source} lists no videos. Add at least one row.")
    home, unit = str(Path(source).absolute().parent), table.index.name or "row"
    rows, seen, names = [], {}, COLUMNS[1:6]
    columns = [table[name].tolist() if name in table else [None] * len(table) for name in names]
    for number, *row in zip(table.index.tolist(), *columns, strict=True):
        try:
            checked = _check_row(dict(zip(names, row, strict=True)), home)
        except ConfigError as error:
            raise ConfigError(f"{source}, {unit} {number}: {error}") from None
        key = (checked[0], *checked[3:])
        if key in seen:
            raise ConfigError(
                f"{source}, {unit} {number} names the same video and time range as {unit} {seen[key]}. "
                "Remove one of them."
            )
        seen[key] = number
        rows.append(checked)
    checked = pd.DataFrame(rows, columns=names)
    for column in ("start", "end"):
        checked[column] = checked[column].astype(float)
    checked["video"] = _unique_names(checked, source if os.path.isdir(source) else home)
    given = {column: _texts(table, column) for column in ("group", "subset", *FILES)}
    checked["group"] = [group or video for group, video in zip(given["group"], checked["video"], strict=True)]
    checked["subset"] = given["subset"]
    if "all" in given["subset"]:
        raise ConfigError(f"{source}: a subset is called 'all', which tables use for all videos: rename it.")
    _check_groups(checked, source)
    for column in FILES:
        checked[column] = [absolute(file, home) if file else "" for file in given[column]]
    return checked[COLUMNS]


def _texts(table: pd.DataFrame, column: str) -> list[str]:
    values = table[column].tolist() if column in table else [""] * len(table)
    return ["" if value is None or pd.isna(value) else str(value).strip() for value in values]


def _check_groups(table: pd.DataFrame, source: str | Path) -> None:
    splits = table.groupby("group")["split"].nunique()
    torn = splits.index[splits > 1].tolist()
    if torn:
        raise ConfigError(
            f"{source}: videos of one group stand in both splits, so that the test is no test: group "
            f"{', '.join(map(repr, torn[:3]))}{f' and {len(torn) - 3} more' if len(torn) > 3 else ''}. "
            "Put all videos of a group into one split."
        )


def _check_columns(table: pd.DataFrame, source: str | Path) -> None:
    for column in ("path", "class", "split"):
        if column not in table:
            raise ConfigError(
                f"{source} has no column {column!r}. Its columns are {', '.join(map(str, table)) or 'none'}; "
                "it needs path, class (or label) and split, and may have start, end, group, subset, masks, boxes and flow."
            )
    further = [str(column) for column in table if column not in COLUMNS[1:]]
    for column in further:
        # A misspelled start would cut nothing, and say nothing.
        meant = (
            "class"
            if column == "label"
            else next(iter(get_close_matches(column, COLUMNS[1:], n=1, cutoff=0.75)), None)
        )
        if meant:
            raise ConfigError(
                f"{source} has a column {column!r}: did you mean {meant!r}, or is it one too many? Rename or remove it."
            )
    if further:
        log.warning(
            "%s: columns that mean nothing here are ignored: %s.", source, ", ".join(map(repr, further))
        )


def _check_row(row: dict[str, Any], home: str) -> tuple[str, str, str, float | None, float | None]:
    for column in ("path", "class", "split"):
        if not isinstance(row[column], str) or not row[column].strip():
            raise ConfigError(f"{column} is empty. Fill it in or remove the row.")
    class_name, split = row["class"].strip(), row["split"].strip()
    if not class_name.isprintable() or "/" in class_name or "\\" in class_name:
        raise ConfigError(f"class {class_name!r} has a slash or a control character. Rename the class.")
    if len(class_name) > LONGEST:
        raise ConfigError(
            f"class {class_name[:40]!r}… is {len(class_name)} letters long, and may be {LONGEST}. Rename the class."
        )
    if "\0" in row["path"]:
        raise ConfigError("the path holds a NUL character. Correct it.")
    if split not in SPLITS:
        raise ConfigError(f"split is {split!r}{nearest(split, SPLITS)} Write {' or '.join(SPLITS)}.")
    start, end = (_seconds(row.get(column), column) for column in ("start", "end"))
    # Comparisons with None, "from the beginning" and "to the end", are settled by the defaults.
    if (end if end is not None else math.inf) <= (start or 0.0):
        raise ConfigError(f"end {end:g} s is not after start {start or 0:g} s. Correct either.")
    return absolute(row["path"], home), class_name, split, start, end


def _seconds(value: Any, column: str) -> float | None:
    if value is None or value == "" or pd.isna(value):
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not (0 <= seconds < math.inf):
        raise ConfigError(
            f"{column} is {value!r}. Write seconds from the video's beginning, such as 2.5, or nothing."
        )
    return seconds


def safe_name(text: str) -> str:
    """Replace all but letters, digits, ``.``, ``-`` and ``_``, so that `text` can name a file.

    Where more than blanks and usual marks is lost, as of scripts other than Latin and of C++, or where it is too
    long, a digest of `text` follows: other texts get other names.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._-")
    lost = re.sub(r"[A-Za-z0-9._\s,;:!?'\"()\[\]{}/\\-]", "", text)
    if lost or not name or len(name) > LONGEST:
        name = "-".join([*filter(None, [name[: LONGEST - 9].strip("._-")]), _digest(text)])
    return name


def check_class_names(names: Iterable[str]) -> None:
    """Check that classes can be told apart in file names and tables.

    Raises
    ------
    ConfigError
        Two become the same file name (some file systems do not tell cases apart), or one is a word that
        tables use.
    """
    files: dict[str, str] = {}
    problems = []
    for class_name in sorted(set(names)):
        other = files.setdefault(safe_name(class_name).lower(), class_name)
        if other != class_name:
            problems.append(
                f"The classes {other!r} and {class_name!r} would get the same file name: rename one."
            )
        if class_name == "all":
            problems.append("A class is called 'all', which tables use for all classes together: rename it.")
    if problems:
        raise ConfigError(" ".join(problems))


def _unique_names(table: pd.DataFrame, home: str | Path) -> list[str]:
    """Name videos by their files as seen from `home`, so that a name depends neither on rows beside it nor on where all lies.

    A folder's name goes before a stem that does not tell it; names that still clash get a digest.
    """
    paths = [Path(os.path.relpath(path, home)).as_posix() for path in table["path"]]
    places = list(zip(paths, table["start"].tolist(), table["end"].tolist(), strict=True))
    names = [_name(*place) for place in places]
    # Some file systems do not tell cases apart.
    counts = Counter(name.lower() for name in names)
    return [
        name if counts[name.lower()] == 1 else f"{name}-{_digest(*place)}"
        for name, place in zip(names, places, strict=True)
    ]


def _name(path: str, start: float, end: float) -> str:
    folder, file = os.path.split(path)
    stem, folder = os.path.splitext(file)[0], os.path.basename(folder)
    name = safe_name(stem if folder.lower() in stem.lower() else f"{folder}-{stem}")
    times = [format(time, "g") for time in (start, end) if not math.isnan(time)]
    return "-".join([name, *times])


def _digest(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]
