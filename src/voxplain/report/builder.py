"""Fill the report's templates with a run's tables and clips."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from markupsafe import Markup
from PIL import Image

from ..artifacts import csv_text
from ..figures import STYLES
from ..tables import USUAL
from . import TEMPLATES, advice, browsers, formats, panels, words
from .environment import page_environment

# Encoded clips and pictures beyond this are left out and their places named, so that the file opens smoothly.
CLIP_BYTES = 18_000_000
FORMATS = {
    name: getattr(formats, name)
    for name in "percent points number p_value whole yes_no duration milliseconds written".split()
}


@dataclass(frozen=True)
class Provenance:
    """What made the results.

    Attributes
    ----------
    config : dict
        The whole config.
    revision : str or None
        Commit of the code, with ``-dirty`` after it where files differ.
    made_by : dict of str to dict
        For each artifact, what it says of itself (`voxplain.provenance.record`).
    stages : DataFrame
        rule, jobs, seconds, max_rss (MB): of the jobs' logs that were found.
    """

    config: dict[str, Any]
    revision: str | None
    made_by: dict[str, dict[str, Any]]
    stages: pd.DataFrame

    def versions(self) -> dict[str, str]:
        """Versions of Python and packages; of several that took part, all."""
        found: dict[str, set[str]] = {}
        for made in self.made_by.values():
            for name, version in made.get("versions", {}).items():
                found.setdefault(name, set()).add(version)
        return {name: ", ".join(sorted(versions)) for name, versions in sorted(found.items())}

    def devices(self) -> list[str]:
        """Devices that took part."""
        return sorted({made["device"] for made in self.made_by.values() if "device" in made})


@dataclass(frozen=True)
class Meaning:
    """What the entry of a final table says of it (`voxplain.tables.Table`).

    Attributes
    ----------
    part, title, meaning : str
    columns : mapping of str to str
    figure : str or None
        Path of a picture that the report shows as it is.
    """

    part: str
    title: str
    meaning: str
    columns: Mapping[str, str] = field(default_factory=dict)
    figure: str | None = None


@dataclass(frozen=True)
class Found:
    """What a run found, as far as it has it.

    Attributes
    ----------
    tables : mapping of str to DataFrame
        Final tables by name, with the index that they were written with.
    concept_clips, relevance_clips : dict, optional
        Content of the artifacts of these kinds.
    about : mapping of str to Meaning
        What the tables are, by their names.
    given_examples : str, optional
        Path of a picture of examples of given concepts.
    """

    tables: Mapping[str, pd.DataFrame]
    concept_clips: Mapping[str, Any] | None = None
    relevance_clips: Mapping[str, Any] | None = None
    about: Mapping[str, Meaning] = field(default_factory=dict)
    given_examples: str | None = None

    def meaning_of(self, table: str, column: str) -> str | None:
        """What a column of a table means, where its entry says so."""
        return self.about[table].columns.get(column, USUAL.get(column)) if table in self.about else None


def build_report(found: Found, provenance: Provenance, *, clip_bytes: int = CLIP_BYTES) -> str:
    """Write the report.

    Each template in ``templates/sections`` is given `found`, its tables, `provenance`, the modules
    `voxplain.report.words`, `advice` and `panels`, the functions of `formats` (these as filters too), and the data of
    both browsers; it writes nothing where the run lacks what it shows.

    Parameters
    ----------
    found : Found
    provenance : Provenance
    clip_bytes : int
        Largest size of all clips and pictures together.

    Returns
    -------
    str
        One HTML page that needs nothing else.
    """
    environment = page_environment(TEMPLATES)
    tables = dict(found.tables)
    # Half for either browser; what one leaves is the other's.
    relevance = browsers.relevance_browser(
        found.relevance_clips, tables, clip_bytes // (2 if found.concept_clips else 1)
    )
    left = clip_bytes - (browsers.size_of(relevance) if relevance else 0)
    environment.filters |= FORMATS | {
        "yaml": lambda value: yaml.safe_dump(value, sort_keys=False, allow_unicode=True),
        "csv_address": csv_address,
        "exact": exact,
        "json": browsers.as_json,
        "rows": rows_of,
    }
    environment.globals |= FORMATS | {
        "found": found,
        "tables": tables,
        "provenance": provenance,
        "words": words,
        "advice": advice,
        "panels": panels,
        "styles": STYLES,
        "picture_address": picture_address,
        "concept_browser": browsers.concept_browser(found.concept_clips, tables, left),
        "relevance_browser": relevance,
        "highlights": browsers.highlights(found.concept_clips, found.relevance_clips, tables),
        "choose": choose,
        "editing_grid": editing_grid,
        "with_difference": with_difference,
    }
    sections = [
        environment.get_template(name).module
        for name in sorted(environment.list_templates(filter_func=lambda name: name.startswith("sections/")))
    ]
    shown = [(section.title, Markup(section)) for section in sections if str(section).strip()]
    style, script = (
        Markup((TEMPLATES / name).read_text(encoding="utf-8")) for name in ("style.css", "page.js")
    )
    return environment.get_template("page.html.j2").render(sections=shown, style=style, script=script)


def merge_clips(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Content of several artifacts ``concept_clips`` or ``relevance_clips`` as of one; None of none.

    Clips are shared by their names, lists follow each other, and what else there is is the same in all.
    """
    if not parts:
        return None
    whole = dict(parts[0])
    for name, value in whole.items():
        if isinstance(value, dict):
            whole[name] = {key: item for part in parts for key, item in part[name].items()}
        elif name in ("concepts", "explained"):
            whole[name] = [item for part in parts for item in part[name]]
    return whole


def choose(table: pd.DataFrame, **values: Any) -> pd.DataFrame:
    """Rows of a table whose columns have the given values."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table, each with its place in the file under ``row``."""
    return [{**cells, "row": row} for row, cells in zip(table.index, table.to_dict("records"), strict=True)]


def with_difference(table: pd.DataFrame, ours: str, papers: str) -> pd.DataFrame:
    """A table with the column ``OURS-PAPERS``: our column minus the paper's."""
    return table.assign(**{f"{ours}-{papers}": table[ours] - table[papers]})


def editing_grid(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Put rows of concept_addition or concept_removal in the papers' form: strategies down, k across.

    Parameters
    ----------
    table : DataFrame
        Rows of one network and layer.

    Returns
    -------
    list of dict
        strategy and cells, one per k: the table's rows with ``row``, their place in the table, and
        ``difference``, ours minus the paper's.
    """
    table = table.assign(difference=table["accuracy"] - table["published"]).sort_values("k")
    order = [name for name in words.STRATEGIES if name in set(table["strategy"])]
    order += [name for name in table["strategy"].unique() if name not in order]
    return [{"strategy": name, "cells": rows_of(table[table["strategy"] == name])} for name in order]


def exact(value: Any) -> str:
    """A cell so that it can be read back: numbers in full, nothing for a missing one."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else repr(float(value))
    return "" if value is None else str(value)


def csv_address(table: pd.DataFrame) -> str:
    """A table as the address of a CSV file that lies in the page itself."""
    return _address("text/csv", csv_text(table).encode())


def picture_address(path: str) -> str:
    """A picture as WebP, exact if that takes less room, as it does for curves but not for clips."""
    with Image.open(Path(path)) as image:
        picture = image.convert("RGB")
    lossless, close = io.BytesIO(), io.BytesIO()
    picture.save(lossless, "webp", lossless=True, quality=50, method=2)
    picture.save(close, "webp", quality=85)
    return _address("image/webp", min(lossless.getvalue(), close.getvalue(), key=len))


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
