"""Names that a user gives to concepts that were found: text beside their numbers, which stay what they are."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ..errors import ConfigError, nearest
from ..videos.files import read_text

PLACE = ("model", "seed", "layer")
COLUMNS = (*PLACE, "class", "concept", "name")
Row = Mapping[str, Any]


def read_names(
    path: str | Path | None, places: Sequence[Row], classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Read a file of names.

    Parameters
    ----------
    path : path or None
        YAML (a list of mappings) or CSV with columns class, concept (its number) and name; and model, seed and layer,
        which may be left out where all rows' are the same: a number is that of one clustering. None: no names.
    places : sequence of mapping
        model, seed and layer of all concepts of the run.
    classes : sequence of str
        Classes of the run.

    Returns
    -------
    list of dict
        All `COLUMNS`, a row per name.

    Raises
    ------
    ConfigError
        The file cannot be read, a row is incomplete or about nothing in the run, or it does not say of which network,
        seed or layer it speaks where there are several.
    """
    found, known = [], [{key: place[key] for key in PLACE} for place in places]
    for number, given in enumerate(_rows(Path(path)) if path else [], start=1):
        row = {key: value for key, value in given.items() if value not in (None, "")}
        told = f"concepts.names: name {number} of {path}"
        for key in set(row) - set(COLUMNS):
            raise ConfigError(f"{told} has the unknown key {key!r}{nearest(key, COLUMNS)}")
        for key in {"class", "concept", "name"} - set(row):
            raise ConfigError(f"{told} has no {key}; add it.")
        row |= {key: str(row[key]) for key in ("model", "layer", "class", "name") if key in row}
        for key in {"seed", "concept"} & set(row):
            if not str(row[key]).isdecimal():
                raise ConfigError(
                    f"{told}: concept and seed are whole numbers from 0 on, and it has {dict(given)}."
                )
            row[key] = int(row[key])
        if row["class"] not in classes:
            raise ConfigError(f"{told}: there is no class {row['class']!r}{nearest(row['class'], classes)}")
        meant = [place for place in known if all(row.get(key, place[key]) == place[key] for key in PLACE)]
        if len(meant) != 1:
            several = "several concepts of the run have" if meant else "no concept of the run has"
            raise ConfigError(f"{told}: {several} this place; add the right model, seed and layer to it.")
        found.append({**meant[0], **row})
    keys = [tuple(row[key] for key in COLUMNS[:-1]) for row in found]
    for key in keys:
        if keys.count(key) > 1:
            raise ConfigError(f"concepts.names: {path} names {', '.join(map(str, key))} twice; keep one.")
    return found


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        text = read_text(path)
    except ConfigError as error:
        raise ConfigError(f"concepts.names: {error}") from None
    try:
        if path.suffix == ".csv":
            return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False).to_dict("records")
        rows = yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"concepts.names: {path} is no table: {' '.join(str(error).split())}.") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(
            f"concepts.names: {path} is no list of names; write - {{class: wave, concept: 0, name: hand}}."
        )
    return rows


def with_names(table: pd.DataFrame, names: Sequence[Row], *, complete: bool = False) -> pd.DataFrame:
    """A table of concepts with the text column name after concept; others, and all without any names, as they are.

    Parameters
    ----------
    table : DataFrame
        With columns class and concept it is one of concepts. Of variants of a run only ``run`` has its concepts.
    names : sequence of mapping
        As of `read_names`.
    complete : bool
        Whether the table has all concepts of each model, seed and layer that is in it.

    Returns
    -------
    DataFrame
        name is empty where none is given, or where the table does not tell apart concepts that have different ones.

    Raises
    ------
    ConfigError
        A complete table has no concept of a name's number.
    """
    if not names or not {"class", "concept"} <= set(table):
        return table
    keys = [key for key in COLUMNS[:-1] if key in table]
    known: dict[tuple, set[str]] = {}
    for row in names:
        known.setdefault(tuple(row[key] for key in keys), set()).add(row["name"])
    if complete:
        there = set(table[keys].itertuples(index=False, name=None))
        places = {key[: len(keys) - 2] for key in there}
        for key in known:
            if key[:-2] in places and key not in there:
                raise ConfigError(
                    f"concepts.names: {' '.join(map(str, key[:-1]))} has no concept {key[-1]}; correct it, or take it out."
                )
    of_run = table["variant"] == "run" if "variant" in table else pd.Series(True, index=table.index)
    found = [
        next(iter(known[key])) if own and len(known.get(key, ())) == 1 else ""
        for key, own in zip(table[keys].itertuples(index=False, name=None), of_run, strict=True)
    ]
    named = table.copy()
    named.insert(table.columns.get_loc("concept") + 1, "name", found)
    return named
