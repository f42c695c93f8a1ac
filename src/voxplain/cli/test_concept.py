"""``test-concept``: one idea of the user's, tested on a finished run as the concepts that it found are."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..activation_store import read_classes
from ..artifacts import attributes_of, csv_text
from ..concepts.given.compute import score_members
from ..concepts.given.examples import (
    CONTROL,
    GIVEN,
    Example,
    Members,
    equal_volume_control,
    folder_clips,
    gather_members,
    masked_examples,
    masks_of,
    whole_examples,
)
from ..concepts.given.summary import mark_by_source, summarize_given
from ..errors import ConfigError, nearest
from ..finished import FinishedClips, FinishedLayer, finished_clips, finished_layers
from ..models.trained import load_trained
from .output import write_output

SHOWN = """model layer seed class source n_examples n_null_members score derivative effect p_clusters p_gradients p_adjusted
significant cav_accuracy rank_among_found n_found""".split()


def main(arguments: argparse.Namespace) -> int:
    _check(arguments)
    places = finished_layers(arguments.run, model=arguments.model, layer=arguments.layer, seed=arguments.seed)
    networks: dict[tuple[Path, ...], list[FinishedLayer]] = defaultdict(list)
    for place in places:  # layers that an older plan left are of other shards
        networks[place.network, *place.activations].append(place)
    parts = [_test_network(arguments, own) for own in networks.values()]
    table = pd.concat(parts, ignore_index=True)
    table = mark_by_source(table, alpha=_alpha(arguments.run))
    table.insert(0, "concept", _name(arguments))
    summary = summarize_given(table)
    print(_words(arguments, table, summary))
    if arguments.output:
        write_output(Path(arguments.output), _output(table, summary, arguments))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Refuse, before any work, what cannot be meant."""
    if arguments.folder is None and arguments.masks is None:
        raise ConfigError("Give a folder of example clips, or masks: --masks masks.h5 --label 1.")
    if (arguments.masks is None) != (arguments.label is None):
        raise ConfigError("--masks names a file and --label what in it is the idea: give both, or neither.")
    if arguments.masks is not None and not Path(arguments.masks).is_file():
        raise ConfigError(f"There is no file of masks {arguments.masks}. Correct --masks.")
    if arguments.control is not None and arguments.masks is not None and not arguments.control.isdecimal():
        raise ConfigError(f"--control is {arguments.control!r}: of masks, give another label, such as 2.")
    if arguments.output and Path(arguments.output).suffix not in (".csv", ".json"):
        raise ConfigError(f"--output {arguments.output}: give a name that ends in .csv or .json.")
    if arguments.folder is not None and not Path(arguments.folder).is_dir():
        raise ConfigError(f"There is no folder {arguments.folder}: give one that holds example clips.")


def _test_network(arguments: argparse.Namespace, places: list[FinishedLayer]) -> pd.DataFrame:
    """Rows of one network's layers."""
    first = places[0]
    trusted = [arguments.network] if arguments.network else []
    model = load_trained(first.network / "weights.safetensors", trust=trusted, precision=first.precision)
    clips = finished_clips(arguments.run, first)
    seen = read_classes(first.activations)
    classes = _classes(arguments.classes, sorted(set(seen.values())))
    keys = {key for key, name in seen.items() if name in classes}
    layers = [place.layer for place in places]
    examples = _examples(arguments, first, clips, keys)
    members = gather_members(model, examples, classes, layers, **first.shown)
    if not members[layers[0]][GIVEN]:
        raise ConfigError(
            f"No clip has an example of {_name(arguments)}: correct the folder, --masks or --label."
        )
    return pd.concat([_score(arguments, place, members[place.layer]) for place in places])


def _classes(wanted: list[str] | None, known: list[str]) -> list[str]:
    for name in wanted or []:
        if name not in known:
            raise ConfigError(
                f"The run has no class {name!r}{nearest(name, known)} Known: {', '.join(known)}."
            )
    return wanted or known


def _examples(
    arguments: argparse.Namespace, place: FinishedLayer, run: FinishedClips, keys: set[tuple[str, int]]
) -> Iterator[Example]:
    """The idea's examples and the control's."""
    if arguments.masks is None:
        yield from whole_examples(arguments.folder, run.options)
        if arguments.control is not None:
            yield from whole_examples(arguments.control, run.options, CONTROL)
        return
    labels, equal = {GIVEN: arguments.label}, None
    if arguments.control is not None:
        labels[CONTROL] = [int(arguments.control)]
    if arguments.folder is not None:
        found = (
            (None, v, 0, path, clip, frames)
            for v, path, clip, frames in folder_clips(arguments.folder, run.options)
        )
    else:
        found = (
            (run.videos.at[video, "class"], video, number, run.videos.at[video, "path"], clip, frames)
            for video, number, clip, frames in run.clips(keys)
        )
        if arguments.control is None and run.supervoxels is not None:
            equal = equal_volume_control(run.supervoxels, place.activations, keys, place.seed)
    masked = (
        (class_name, video, number, clip, masks_of(video, path, frames, arguments.masks, labels, run.options))
        for class_name, video, number, path, clip, frames in found
    )
    yield from masked_examples(masked, equal)


def _score(arguments: argparse.Namespace, place: FinishedLayer, members: Members) -> pd.DataFrame:
    """Rows of one layer: the idea's, and the control's."""
    scored = score_members(members, place, name=_name(arguments), whole=arguments.masks is None)
    for source, few in scored.few.items():
        print(f"{place.model}, {place.layer}: fewer than three examples ({source}) of {', '.join(few)}")
    return scored.table


def _name(arguments: argparse.Namespace) -> str:
    if arguments.name:
        return arguments.name
    folder = Path(arguments.folder).resolve().name if arguments.folder else None
    labels = f"label {' and '.join(map(str, arguments.label))}" if arguments.label else None
    return ", ".join(filter(None, [folder, labels]))


def _alpha(run: str) -> float:
    """Level of the run's false discovery rate."""
    path = Path(run) / "tables" / "concept_scores.parquet"
    made = attributes_of(path)["params"] if path.exists() else {}
    return made.get("tables", {}).get("concept_scores", {}).get("alpha", 0.05)


def _words(arguments: argparse.Namespace, table: pd.DataFrame, summary: pd.DataFrame) -> str:
    """The table, and below it a sentence for each network and layer."""
    lines = [table[SHOWN].to_string(index=False, float_format=lambda value: f"{value:.3g}"), ""]
    for row in summary.itertuples():
        told = f"{row.model}, {row.layer}, {row.source}: effect {row.effect:.3g} logits on average"
        if not np.isnan(row.ci_low):
            told += f" (95 % interval over classes {row.ci_low:.3g} to {row.ci_high:.3g})"
        if row.source != "given less control":
            told += f", positive and significant for {row.n_significant} of {row.n}"
        lines.append(told)
    if "control" not in set(table["source"]):
        what = (
            "label by --control LABEL"
            if arguments.masks
            else "folder of clips without it by --control FOLDER"
        )
        lines.append(f"There is no control: give another {what}, as much like the idea's as can be.")
    return "\n".join(lines)


def _output(table: pd.DataFrame, summary: pd.DataFrame, arguments: argparse.Namespace) -> str:
    """The table as CSV, or with its summary and what was asked as JSON, by the name of the output."""
    if arguments.output.endswith(".csv"):
        return csv_text(table)
    asked: dict[str, Any] = {
        name: getattr(arguments, name) for name in ("run", "folder", "masks", "label", "control")
    }
    rows = {"rows": table, "summary": summary}
    found = {name: json.loads(some.to_json(orient="records")) for name, some in rows.items()}
    return json.dumps({"concept": _name(arguments), **asked, **found}, indent=1) + "\n"
