"""``test-concept``: one idea of the user's, tested on a finished run as the concepts that it found are."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..activation_store import open_activations, read_activations, read_gradients
from ..artifacts import atomic_path, attributes_of, csv_text, open_h5, read_table
from ..concepts.examples import equal_volume, example_activations, folder_clips, masks_of
from ..concepts.given import enough, score_given, summarize_given, whole_clips
from ..concepts.nulls import random_concepts
from ..concepts.scores import mark_significant
from ..errors import ConfigError, nearest
from ..finished import FinishedClips, FinishedLayer, finished_clips, finished_layers
from ..models.trained import TrainedModel, load_trained
from ..streams import seed_of, stream
from ..videos.store import SupervoxelStore

SHOWN = """model layer seed class source n_examples score derivative effect p_clusters p_gradients p_adjusted significant
cav_accuracy rank_among_found n_found""".split()
Members = dict[str, dict[str, list[np.ndarray]]]  # activations by source and class


def main(arguments: argparse.Namespace) -> int:
    _check(arguments)
    places = finished_layers(arguments.run, model=arguments.model, layer=arguments.layer, seed=arguments.seed)
    networks: dict[Path, list[FinishedLayer]] = defaultdict(list)
    for place in places:
        networks[place.network].append(place)
    parts = [_test_network(arguments, own) for own in networks.values()]
    table = pd.concat(parts, ignore_index=True)
    # Each question is a family of its own: what is asked of the control does not weaken what is asked of the idea.
    families = table.groupby(["model", "seed", "layer", "source"], sort=False, group_keys=False)
    table = families[table.columns.tolist()].apply(mark_significant, alpha=_alpha(arguments.run))
    table.insert(0, "concept", _name(arguments))
    summary = summarize_given(table)
    print(_words(arguments, table, summary))
    if arguments.output:
        _write(Path(arguments.output), table, summary, arguments)
        print(f"wrote {arguments.output}")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Refuse, before any work, what cannot be meant."""
    if arguments.folder is None and arguments.masks is None:
        raise ConfigError("Give a folder of example clips, or masks: --masks masks.h5 --label 1.")
    if (arguments.masks is None) != (arguments.label is None):
        raise ConfigError("--masks names a file and --label what in it is the idea: give both, or neither.")
    if arguments.masks is not None and not Path(arguments.masks).is_file():
        raise ConfigError(f"There is no file of masks {arguments.masks}. Correct --masks.")
    if arguments.control is not None and arguments.masks is not None and not arguments.control.isdigit():
        raise ConfigError(f"--control is {arguments.control!r}: of masks, give another label, such as 2.")
    if arguments.output and Path(arguments.output).suffix not in (".csv", ".json"):
        raise ConfigError(f"--output {arguments.output}: give a name that ends in .csv or .json.")
    if arguments.folder is not None and not Path(arguments.folder).is_dir():
        raise ConfigError(f"There is no folder {arguments.folder}: give one that holds example clips.")


def _test_network(arguments: argparse.Namespace, places: list[FinishedLayer]) -> pd.DataFrame:
    """Rows of one network's layers."""
    first = places[0]
    model = load_trained(
        first.network / "weights.safetensors", trust=[arguments.network] if arguments.network else []
    )
    clips = finished_clips(arguments.run, first, model)
    seen = {}
    for path in first.activations:
        with open_activations(path) as groups:
            seen |= {key: group.attrs["class"] for key, group in groups.items()}
    classes = _classes(arguments.classes, sorted(set(seen.values())))
    keys = {key for key, name in seen.items() if name in classes}
    layers = [place.layer for place in places]
    members: dict[str, Members] = {layer: defaultdict(lambda: defaultdict(list)) for layer in layers}
    for source, class_name, found in _examples(arguments, model, first, clips, keys, layers):
        for layer in layers:
            for name in classes if class_name is None else [class_name]:
                members[layer][source][name].append(found[layer])
    if not members[layers[0]]["given"]:
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
    arguments: argparse.Namespace,
    model: TrainedModel,
    place: FinishedLayer,
    run: FinishedClips,
    keys: set[tuple[str, int]],
    layers: list[str],
) -> Iterator[tuple[str, str | None, dict[str, np.ndarray]]]:
    """source (given, control), class (None: of any) and activations by layer of each example."""
    labels = {} if arguments.masks is None else {"given": arguments.label}
    if labels and arguments.control is not None:
        labels["control"] = [int(arguments.control)]
    own = arguments.folder is None
    if own:
        found = (
            (run.videos.at[video, "class"], video, number, run.videos.at[video, "path"], clip, frames)
            for video, number, clip, frames in run.clips(keys)
        )
    else:
        found = ((None, v, 0, path, clip, frames) for v, path, clip, frames in _folder(arguments.folder, run))
    control = _equal_volume(place, run, keys) if own and labels and arguments.control is None else None
    for class_name, video, number, path, clip, frames in found:
        masks = None
        if labels:
            masks = masks_of(video, path, frames, arguments.masks, labels, run.options)
            if control and "given" in masks:
                masks["control"] = control(video, number, masks["given"])
            if not masks:
                continue
        for source, activations in example_activations(model, clip, masks, layers, **place.shown).items():
            yield source, class_name, activations
    if not labels and arguments.control is not None:
        for *_, clip, _ in _folder(arguments.control, run):
            yield "control", None, example_activations(model, clip, None, layers, **place.shown)["given"]


def _equal_volume(
    place: FinishedLayer, run: FinishedClips, keys: set[tuple[str, int]]
) -> Callable[[str, int, np.ndarray], np.ndarray] | None:
    """A function from a clip and a mask to random supervoxels of its volume; None where supervoxels are no more."""
    paths, kept = run.supervoxels(place), {}
    if paths is None:
        return None
    supervoxels = SupervoxelStore(paths)
    for path in place.activations:
        with open_activations(path) as groups:
            kept |= {key: groups[key]["kept"][()] for key in keys & set(groups)}

    def control(video: str, number: int, mask: np.ndarray) -> np.ndarray:
        rng = stream(place.seed, "test_concept", video, number)
        return equal_volume(supervoxels.labels(video, number), kept[video, number], mask, rng)

    return control


def _folder(folder: str, run: FinishedClips) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    return folder_clips(folder, run.options)


def _score(arguments: argparse.Namespace, place: FinishedLayer, members: Members) -> pd.DataFrame:
    """Rows of one layer: the idea's, and the control's."""
    made, activations = place.params("random_cavs.h5"), place.activations
    drawn, scored = place.params("random_sets.h5"), place.params("scored_concepts.parquet")["options"]
    seed = seed_of(made["random_sets_seed"], "random_concepts", place.model, place.layer)
    with open_h5(place.folder / "random_gradients.h5", "random_gradients") as file:
        null_gradients = dict(zip(file["class"].asstr()[()], file["gradients"][()], strict=True))
    found = read_table(place.folder / "scored_concepts.parquet", "scored_concepts")
    enough_of = {source: enough(by_class) for source, by_class in members.items()}
    given = enough_of["given"][0]
    if not given:
        raise ConfigError(
            f"{_name(arguments)} has fewer than three examples in every class, and a CAV takes three: give more."
        )
    if arguments.masks is None:
        # One set more is the random subset of the authors' test.
        (*random_sets, subset), null_members = whole_clips(
            read_activations(activations, place.layer, max_supervoxels=0),
            examples=len(next(iter(given.values()))),
            sets=drawn["options"]["random_sets"] + 1,
            size=drawn["options"]["set_size"],
            clusterings=made["clusterings"],
            normalize=made["options"]["normalize"],
            seed=seed,
        )
        random_sets = np.stack(random_sets)
    else:
        with open_h5(place.folder / "random_sets.h5", "random_sets") as file:
            random_sets, subset = file["sets"][()], file["subset"][()]
        null_members = list(
            random_concepts(
                activations, place.layer, clusterings=made["clusterings"], seed=seed, **made["options"]
            )
        )
    gradients, parts = read_gradients(activations, place.layer), []
    for source, (some, few) in enough_of.items():
        if few:
            print(f"{place.model}, {place.layer}: fewer than three examples ({source}) of {', '.join(few)}")
        if some:
            table = score_given(
                some, gradients, random_sets, null_members, null_gradients, found, subset=subset, cavs=made["cavs"],
                seed=seed, **scored,
            )  # fmt: skip
            parts.append(table.assign(model=place.model, seed=place.seed, layer=place.layer, source=source))
    return pd.concat(parts)


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


def _write(path: Path, table: pd.DataFrame, summary: pd.DataFrame, arguments: argparse.Namespace) -> None:
    if path.suffix == ".csv":
        text = csv_text(table)
    else:
        asked: dict[str, Any] = {
            name: getattr(arguments, name) for name in ("run", "folder", "masks", "label", "control")
        }
        rows = {"rows": table, "summary": summary}
        found = {name: json.loads(some.to_json(orient="records")) for name, some in rows.items()}
        text = json.dumps({"concept": _name(arguments), **asked, **found}, indent=1) + "\n"
    try:
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}): give another place by --output."
        ) from None
