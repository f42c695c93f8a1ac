"""A CSV file as a data set."""

from __future__ import annotations

import csv as csv_reader
import io
import logging
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from voxplain.errors import ConfigError, nearest

from ..files import absolute, read_text
from ..table import COLUMNS
from . import DATASETS

log = logging.getLogger(__name__)


@DATASETS("csv")
def csv(
    source: str | Path,
    *,
    details: str | None = None,
    group: str | None = None,
    subset: str | None = None,
    masks: str | None = None,
    boxes: str | None = None,
    flow: str | None = None,
) -> pd.DataFrame:
    """A CSV file with the columns path, label (or class), split and optionally start, end, group, subset, masks, boxes and flow.

    Parameters
    ----------
    source : path
        The file, in UTF-8. Paths in it may be relative to its folder.
    details : path, optional
        Another CSV file beside it, of whose columns `group` and `subset` are; rows belong together by their path, which is
        relative to the table's folder in both.
    group : str, optional
        Column that says what is not independent of each other, where it is not called group. Where it is empty,
        a video is a group of its own.
    subset : str, optional
        Column that tells subsets of the videos apart, such as the condition that they were filmed in.
    masks, boxes, flow : path, optional
        File (of flow a folder) of ground truth of all videos, where no column of that name says it.

    Returns
    -------
    DataFrame
        The columns as text, indexed by line.

    Raises
    ------
    ConfigError
        A file is missing, is no text, a line has too many or too few fields, a column is not there or has no name, or
        the details have no row of the table or say two things of a path.
    """
    table = _read(source)
    named = {column: name for column, name in (("group", group), ("subset", subset)) if name is not None}
    if named and details is not None:
        table = table.assign(**_from_details(table, source, details, named))
    elif named:
        _check_columns(table, source, named.values())
        values = {column: table[name] for column, name in named.items()}
        table = table.drop(columns=set(named.values()) - {*COLUMNS[1:], "label"}).assign(**values)
    for column, file in (("masks", masks), ("boxes", boxes), ("flow", flow)):
        if file is not None and column not in table:
            table[column] = file
    return table


def _from_details(
    table: pd.DataFrame, source: str | Path, details: str, named: dict[str, str]
) -> dict[str, list[str]]:
    place, home = Path(source).parent / details, Path(source).absolute().parent
    further = _read(place)
    _check_columns(further, place, ["path", *named.values()])
    _check_columns(table, source, ["path"])
    paths, known = ([absolute(path, home) for path in rows["path"]] for rows in (table, further))
    lacking = sorted(set(paths) - set(known))
    if lacking and not set(paths) & set(known):
        raise ConfigError(
            f"{place} says nothing of any video of {source}, such as {lacking[0]}: write its paths as they are in that "
            f"table, relative to {home}, or correct data.options.details."
        )
    if lacking:
        log.warning(
            "%s says nothing of %d videos of %s, which have no %s: %s.",
            place,
            len(lacking),
            source,
            " and no ".join(named),
            f"{', '.join(lacking[:3])}{' and others' if len(lacking) > 3 else ''}",
        )
    found = {}
    for column, name in named.items():
        said: dict[str, str] = {}
        for line, path, value in zip(further.index, known, further[name].str.strip(), strict=True):
            if said.setdefault(path, value) != value:
                raise ConfigError(
                    f"{place}, line {line}: {name} of {path} is {value!r}, and {said[path]!r} in a line before. Correct "
                    f"one; where it differs between time ranges of a file, write it into {source} itself and leave out "
                    "data.options.details."
                )
        found[column] = [said.get(path, "") for path in paths]
    return found


def _check_columns(table: pd.DataFrame, place: str | Path, names: Iterable[str]) -> None:
    for name in names:
        if name not in table:
            raise ConfigError(
                f"{place} has no column {name!r}{nearest(name, list(map(str, table)))} Its columns are "
                f"{', '.join(map(str, table)) or 'none'}: correct data.options."
            )


def _read(source: str | Path) -> pd.DataFrame:
    try:
        text = read_text(source)  # spreadsheets put a mark before the first column's name
    except ConfigError as error:
        raise ConfigError(
            f"The video table {error} Correct its path in the config, or save it as CSV in UTF-8."
        ) from None
    first = text.partition("\n")[0]
    for separator, name in ((";", "a semicolon (;)"), ("\t", "a tab")):
        if separator in first and "," not in first:
            raise ConfigError(
                f"{source}: its columns are parted by {name}. Save it with commas (CSV, UTF-8)."
            )
    reader = csv_reader.reader(io.StringIO(text, newline=""))
    try:
        header = [name.strip() for name in next(reader, [])]
        lines = [(reader.line_num, fields) for fields in reader if fields]
    except csv_reader.Error as error:
        raise ConfigError(
            f"{source}, line {reader.line_num}: {error}. Is a quote left open, or a field too long? Correct the line."
        ) from None
    if "" in header:
        raise ConfigError(
            f"{source}: column {header.index('') + 1} of its header has no name, as where every line ends with a comma "
            "or an index was written with the table: name it, or take it out of all lines."
        )
    twice = next((name for i, name in enumerate(header) if name in header[:i]), None)
    if twice is not None:
        raise ConfigError(f"{source} has two columns {twice!r}: rename or remove one.")
    for line, fields in lines:
        if len(fields) != len(header):
            raise ConfigError(
                f"{source}, line {line} has {len(fields)} fields, but the header names {len(header)}. "
                "Put a text that contains a comma in quotes, and fill in or remove what is missing."
            )
    index = pd.Index([line for line, _ in lines], name="line")
    return pd.DataFrame([fields for _, fields in lines], columns=header, index=index, dtype=object)
