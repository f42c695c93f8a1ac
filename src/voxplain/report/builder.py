"""Fill the report's templates with a run's tables and pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml
from markupsafe import Markup
from PIL import Image

from ..figures import STYLES
from . import TEMPLATES, formats, words

# Encoded pictures beyond this are left out, and their places named, so that the file opens smoothly.
PICTURE_BYTES = 20_000_000
FORMATS = {
    name: getattr(formats, name)
    for name in ("percent", "points", "number", "p_value", "whole", "yes_no", "duration")
}


@dataclass(frozen=True)
class Picture:
    """A picture file and what it shows.

    Attributes
    ----------
    path : str
        As it is named to the reader.
    kind : str
        What it is a picture of, such as ``concept_addition`` or ``concepts``.
    about : dict
        What tells it from others of its kind, such as model, seed, layer and class.
    """

    path: str
    kind: str
    about: dict[str, Any] = field(default_factory=dict)


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
        For each table, what its artifact says of itself (`voxplain.provenance.record`).
    stages : DataFrame
        rule, jobs, seconds, max_rss (MB): of the benchmark files that were found.
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


def build_report(
    tables: Mapping[str, pd.DataFrame],
    pictures: Sequence[Picture],
    provenance: Provenance,
    *,
    picture_bytes: int = PICTURE_BYTES,
) -> str:
    """Write the report.

    Each template in ``templates/sections`` is given all arguments by these names, the functions of
    `voxplain.report.words` and `voxplain.report.formats` (these as filters too), and ``picture(picture)``,
    which is the picture's address, or None where it is left out.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Final tables by name; sections of tables that are missing are left out.
    pictures : sequence of Picture
    provenance : Provenance
    picture_bytes : int
        Largest size of all pictures together.

    Returns
    -------
    str
        One HTML page that needs nothing else.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FORMATS | {
        "yaml": lambda value: yaml.safe_dump(value, sort_keys=False, allow_unicode=True),
        "csv_address": csv_address,
    }
    environment.globals |= FORMATS | {
        "tables": dict(tables),
        "pictures": list(pictures),
        "provenance": provenance,
        "words": words,
        "styles": STYLES,
        "picture": _addresses(picture_bytes),
        "choose": choose,
        "editing_grid": editing_grid,
    }
    sections = [
        environment.get_template(name).module
        for name in sorted(environment.list_templates(filter_func=lambda name: name.startswith("sections/")))
    ]
    shown = [(section.title, Markup(section)) for section in sections if str(section).strip()]
    style = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))
    return environment.get_template("page.html.j2").render(sections=shown, style=style)


def choose(table: pd.DataFrame, **values: Any) -> pd.DataFrame:
    """Rows of a table whose columns have the given values."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def editing_grid(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Put rows of concept_addition or concept_removal in the papers' form: strategies down, k across.

    Parameters
    ----------
    table : DataFrame
        Rows of one network and layer.

    Returns
    -------
    list of dict
        strategy and cells, one per k: the table's rows with ``difference``, ours minus the paper's.
    """
    table = table.assign(difference=table["accuracy"] - table["published"]).sort_values("k")
    order = [name for name in words.STRATEGIES if name in set(table["strategy"])]
    order += [name for name in table["strategy"].unique() if name not in order]
    return [
        {"strategy": name, "cells": table[table["strategy"] == name].to_dict("records")} for name in order
    ]


def csv_address(table: pd.DataFrame) -> str:
    """A table as the address of a CSV file that lies in the page itself."""
    return _address("text/csv", table.to_csv(index=False).encode())


def _addresses(limit: int) -> Callable[[Picture], str | None]:
    """Function from a picture to its address in the page, until `limit` bytes are used."""
    left = limit

    def address(picture: Picture) -> str | None:
        nonlocal left
        encoded = _encode(Path(picture.path))
        if len(encoded) > left:
            return None
        left -= len(encoded)
        return _address("image/webp", encoded)

    return address


def _encode(path: Path) -> bytes:
    """A picture as WebP, exact if that takes less room, as it does for curves but not for clips."""
    with Image.open(path) as image:
        picture = image.convert("RGB")
    exact, close = io.BytesIO(), io.BytesIO()
    picture.save(exact, "webp", lossless=True, quality=50, method=2)
    picture.save(close, "webp", quality=85)
    return min(exact.getvalue(), close.getvalue(), key=len)


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
