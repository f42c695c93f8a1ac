"""Final tables and figures: what goes in, how they are computed, and what their columns mean.

An entry stands beside the function that computes the table, in a module named ``table`` or ``tables``: rules, targets,
docs and report read the entries, so that a new table is one function with its entry. What a table's figure is
drawn by lies in the module ``figure`` or ``figures`` beside it, which is imported for drawing only.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ConfigError, nearest

if TYPE_CHECKING:
    import pandas as pd

PACKAGE = Path(__file__).resolve().parent
PARTS = ("networks", "concepts", "relevance", "checks", "claims")
Prose = Mapping[str, str]  # words that no number hangs on: voxplain.sources
# Columns that mean the same in every table.
USUAL: Prose = {
    "model": "the network, by its name in the config",
    "seed": "seed of training, clustering and draws",
    "layer": "layer of the network",
    "class": "class",
    "concept": "number of the concept within its class, from 0",
    "name": "what the file that concepts.names gives calls the concept; empty where it does not",
    "rank": "place by importance within the class, from 1",
    "method": "explainer, by its name in the config",
    "selective": "true: only the relevance that changes in time",
    "video": "video",
    "ci_low": "lower end of the 95 % interval",
    "ci_high": "upper end of the 95 % interval",
    "n_videos": "videos",
    "n_units": "groups of videos, or videos where they have none",
    "n_clips": "clips",
    "n_seeds": "seeds",
    "n_classes": "classes",
    "n_concepts": "concepts",
    "n_empty": "clips without a relevant voxel",
    "p_value": "p-value",
}


@dataclass(frozen=True)
class Figure:
    """A figure of a table.

    Attributes
    ----------
    function : str
        In the module ``figure`` or ``figures`` beside the table's: from DataFrames to a figure.
    inputs : mapping of str to str
        As of `Table`; tables too.
    options : mapping of str to str
        As of `Table`.
    """

    function: str
    inputs: Mapping[str, str]
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A final table.

    Attributes
    ----------
    name : str
        Of the file, ``tables/NAME.parquet``, and of its kind of artifact.
    part : str
        Of the run: ``networks``, ``concepts``, ``relevance``, ``checks`` or ``claims``.
    title, meaning : str
        What it is called, and what it tells, in a sentence or two.
    columns : mapping of str to str
        Meaning of every column.
    function : callable
        From DataFrames to the DataFrame.
    inputs : mapping of str to str
        Kind of artifact by keyword of the function, which gets all of the kind in one DataFrame: of an earlier stage,
        or a final table; with ``other_`` before it those of the run that ``relevance.compare_with`` names. None where
        the run has none.
    options : mapping of str to str
        Place in the config by keyword of the function, such as ``scores.alpha``.
    published : bool
        Whether the function takes ``published``, the cells of ``config/published/NAME.csv``.
    needs : frozenset of str
        What the run must have: ``ground_truth`` (the embedded data, or masks or boxes), ``exact_flow`` (embedded data,
        or flow), ``common_clips`` (clips and networks that both
        concepts and relevance look at), ``same_videos`` (videos that another run has too, with other labels),
        ``chosen_precision`` (another ``device.precision`` than float32),
        ``given_concepts`` (concepts that the config gives).
    figure : Figure, optional
    optional : bool
        Whether the function also does without final tables of parts that the run does not make: None then.
    """

    name: str
    part: str
    title: str
    meaning: str
    columns: Mapping[str, str]
    function: Callable[..., pd.DataFrame]
    inputs: Mapping[str, str]
    options: Mapping[str, str]
    published: bool
    needs: frozenset[str]
    figure: Figure | None
    optional: bool = False

    @property
    def definitions(self) -> list[str]:
        """What computes and draws it, as ``module:function``."""
        computes = f"{self.function.__module__}:{self.function.__name__}"
        return [computes, *([f"{self._figure_module}:{self.figure.function}"] if self.figure else [])]

    @property
    def _figure_module(self) -> str:
        return re.sub(r"\.table(s?)$", r".figure\1", self.function.__module__)

    def draw(self, **given: Any) -> Any:
        """Draw the figure of the inputs and options that it takes."""
        return getattr(importlib.import_module(self._figure_module), self.figure.function)(**given)


_TABLES: dict[str, Table] = {}


def table(
    name: str,
    *,
    part: str,
    title: str,
    meaning: str,
    columns: str,
    inputs: Mapping[str, str],
    options: Mapping[str, str] | None = None,
    published: bool = False,
    needs: Iterable[str] = (),
    figure: Figure | None = None,
    optional: bool = False,
) -> Callable[[Callable], Callable]:
    """Register the decorated function as what computes a final table; see `Table`.

    Parameters
    ----------
    columns : str
        A line per column, ``name: meaning``. A line without a meaning names columns of `USUAL`, with commas between.
    """

    def register(function: Callable) -> Callable:
        if name in _TABLES and _TABLES[name].function.__module__ != function.__module__:
            raise ValueError(f"There are two tables {name!r}.")
        _TABLES[name] = Table(
            name, part, title, meaning, _columns(columns), function, dict(inputs), dict(options or {}), published,
            frozenset(needs), figure, optional,
        )  # fmt: skip
        return function

    return register


def _columns(text: str) -> dict[str, str]:
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        names, colon, meaning = line.partition(": ")
        found |= (
            {names: meaning} if colon else {name: USUAL[name] for name in re.split(r",\s*", names.strip(","))}
        )
    return found


NO_SUBSET = "no subset"


def with_groups(rows: pd.DataFrame, videos: pd.DataFrame) -> pd.DataFrame:
    """Rows with group and subset of each video, where the video table has any.

    The group is the unit that intervals rest on. Videos without a subset, where others have one, are in `NO_SUBSET`.
    """
    if "video" not in rows:
        return rows
    known = videos.set_index("video")
    if not known["group"].is_unique:
        rows = rows.assign(group=rows["video"].map(known["group"]).fillna(rows["video"]))
    if known["subset"].nunique() > 1:
        rows = rows.assign(subset=rows["video"].map(known["subset"]).replace("", NO_SUBSET).fillna(NO_SUBSET))
    return rows


def video_groups(rows: pd.DataFrame) -> pd.Series | None:
    """The group of each video, by video; None where the rows have no groups."""
    return rows.drop_duplicates("video").set_index("video")["group"] if "group" in rows else None


@cache
def all_tables() -> dict[str, Table]:
    """Every final table by name, by parts and within them in the order in which they can be computed."""
    for path in sorted(PACKAGE.rglob("table*.py")):
        if path.stem in ("table", "tables") and path.parent != PACKAGE:
            module = path.relative_to(PACKAGE.parent).with_suffix("")
            importlib.import_module(".".join(module.parts))
    ordered: dict[str, Table] = {}
    waiting = sorted(_TABLES.values(), key=lambda entry: (PARTS.index(entry.part), entry.name))
    while waiting:
        ready = [
            entry
            for entry in waiting
            if not any(kind in _TABLES and kind not in ordered for kind in entry.inputs.values())
        ]
        if not ready:
            raise ValueError(f"Tables that need each other: {', '.join(entry.name for entry in waiting)}.")
        ordered |= {entry.name: entry for entry in ready}
        waiting = [entry for entry in waiting if entry.name not in ordered]
    return dict(sorted(ordered.items(), key=lambda item: PARTS.index(item[1].part)))


def choose_tables(
    *,
    known: bool,
    common: bool,
    flow_known: bool = False,
    shared: bool = False,
    precision: bool = False,
    given: bool = False,
    checks: Sequence[str] | None = None,
) -> dict[str, Table]:
    """Final tables that a run can have, in the order of `all_tables`.

    Parameters
    ----------
    known : bool
        Whether it is known of videos what decides their class.
    flow_known : bool
        Whether it is known how they move.
    common : bool
        Whether concepts and relevance have networks and clips in common.
    shared : bool
        Whether the run that it is compared with has the same videos with other labels.
    precision : bool
        Whether it is decided for each network at which precision it is shown clips.
    given : bool
        Whether the config gives concepts.
    checks : sequence of str, optional
        Tables of the part ``checks``: these, what they are computed from, and their controls (``NAME_controls``). By default all.

    Raises
    ------
    ConfigError
        A check is unknown, or cannot be made here.
    """
    there = {"ground_truth": known, "exact_flow": flow_known, "common_clips": common, "same_videos": shared}
    there["chosen_precision"] = precision
    there["given_concepts"] = given
    lacking = {name for name, is_there in there.items() if not is_there}
    tables = {name: entry for name, entry in all_tables().items() if not entry.needs & lacking}
    possible = [name for name, entry in tables.items() if entry.part == "checks"]
    for name in checks or []:
        if name not in possible:
            raise ConfigError(
                f"checks.tables: {name} cannot be made of this data and these networks{nearest(name, possible)} "
                f"Known: {', '.join(possible)}."
            )
    wanted = list(checks if checks is not None else possible)
    for name in wanted:
        entry = tables[name]
        inputs = [*entry.inputs.values(), *(entry.figure.inputs.values() if entry.figure else ())]
        # Without its controls a table is no evidence, and claims have no verdict.
        inputs.append(f"{name}_controls")
        wanted += [kind for kind in inputs if kind in possible and kind not in wanted]
    return {name: entry for name, entry in tables.items() if entry.part != "checks" or name in wanted}
