"""``repair``: switch concepts off in a run's network, and see what it answers to the test videos then."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ..activations import layer_activations
from ..artifacts import attributes_of, csv_text, open_h5, read_table
from ..concepts.repair import CONTROLS, repair_table, repaired_logits, repairs
from ..concepts.scores import ways_to
from ..errors import ConfigError, nearest
from ..finished import FinishedLayer, finished_layers, finished_test_clips, finished_videos
from ..models.trained import load_trained
from ..models.upper import Upper
from ..streams import stream
from ..videos.store import ClipStore
from .output import write_output

BATCH = 16
NO_TARGETS = {"score", "derivative", "effect"}  # numbers of a concept that are no share of its voxels
Chosen = list[tuple[str, int]]  # class and number of concepts


def main(arguments: argparse.Namespace) -> int:
    if arguments.output and Path(arguments.output).suffix != ".csv":
        raise ConfigError(f"--output {arguments.output}: give a name that ends in .csv.")
    if (arguments.concept is None) == (arguments.target is None):
        raise ConfigError(
            "Say which concepts to switch off: --concept CLASS/NUMBER, or --target NAME for all that lie mostly on it."
        )
    places = finished_layers(arguments.run, model=arguments.model, layer=arguments.layer, seed=arguments.seed)
    if arguments.concept is not None and len(places) > 1:
        there = "; ".join(f"{place.model}, {place.layer}, seed {place.seed}" for place in places)
        raise ConfigError(
            f"A number is another concept in every network, layer and seed: choose one by --model, --layer and --seed ({there})."
        )
    parts = []
    for place, concepts in [(place, _concepts(arguments, place)) for place in places]:
        told = ", ".join(f"{name}/{number}" for name, number in concepts)
        if not concepts:
            print(
                f"{place.model}, {place.layer}, seed {place.seed}: no concept lies mostly on {arguments.target}"
            )
            continue
        print(f"{place.model}, {place.layer}, seed {place.seed}: without {told}")
        table = repair_table(_answers(arguments, place, concepts))
        print(_words(table))
        if CONTROLS[1] not in set(table["what"]):
            print(
                "There is no comparison with random concepts: the run's span fewer directions than the concepts switched off. "
                "Switch fewer off, or have more made by scores.null_clusterings."
            )
        parts.append(
            table.assign(model=place.model, layer=place.layer, seed=place.seed, n_concepts=len(concepts))
        )
    if not parts:
        raise ConfigError("There is nothing to switch off: name concepts by --concept.")
    if arguments.output:
        table = pd.concat(parts, ignore_index=True)
        front = ["model", "layer", "seed", "n_concepts"]
        shown = table[[*front, *table.columns.difference(front, sort=False)]]
        write_output(Path(arguments.output), csv_text(shown))
    return 0


def _concepts(arguments: argparse.Namespace, place: FinishedLayer) -> Chosen:
    """Those named, or those whose members lie mostly on the target, of a layer."""
    scores = read_table(place.folder / "scored_concepts.parquet", "scored_concepts")
    known = {(row["class"], int(row["concept"])) for row in scores.to_dict("records")}
    if arguments.concept is not None:
        found = []
        for text in arguments.concept:
            name, _, number = text.rpartition("/")
            if not re.fullmatch(r"\d+", number) or (name, int(number)) not in known:
                there = [f"{name}/{number}" for name, number in sorted(known)]
                raise ConfigError(
                    f"{place.model}, {place.layer} has no concept {text}{nearest(text, there)} Known: {', '.join(there)}."
                )
            found.append((name, int(number)))
        return found
    path = place.folder / "matched_concepts.parquet"
    if not path.exists():
        raise ConfigError(
            f"The run does not say what its concepts lie on (there is no {path}): name them by --concept, or make the table "
            "concept_ground_truth of a run whose videos have masks."
        )
    shares = read_table(path, "matched_concepts")
    targets = [name for name in shares if shares[name].dtype == float and name not in NO_TARGETS]
    if arguments.target not in targets:
        raise ConfigError(
            f"There is no target {arguments.target}{nearest(arguments.target, targets)} Known: {', '.join(targets)}."
        )
    own = shares[(shares["variant"] == "run") & (shares[arguments.target] >= arguments.share)]
    return [
        (row["class"], int(row["concept"])) for row in own.sort_values(["class", "rank"]).to_dict("records")
    ]


def _answers(arguments: argparse.Namespace, place: FinishedLayer, concepts: Chosen) -> pd.DataFrame:
    """Answers to all test videos, as the network is, without the concepts, and without as many other directions."""
    trusted = [arguments.network] if arguments.network else []
    model = load_trained(place.network / "weights.safetensors", trust=trusted)
    made = attributes_of(place.activations[0])["params"]["options"]
    grid = made["pooling"] and tuple(made["pooling"])
    by_class: dict[str, np.ndarray] = {}
    for path in sorted((place.folder / "cavs").glob("*.h5")):
        with open_h5(path, "cavs") as file:
            by_class[attributes_of(path)["params"]["class_name"]] = ways_to(
                file["vectors"][()], file["distances"][()]
            )
    ways = np.stack([by_class[name][number] for name, number in concepts])
    with open_h5(place.folder / "random_cavs.h5", "random_cavs") as file:
        random_ways = ways_to(file["clusters/vectors"][()], file["clusters/distances"][()])
    with open_h5(place.folder / "random_sets.h5", "random_sets") as file:
        baseline = file["sets"][()].mean(axis=(0, 1))
    tests = finished_test_clips(arguments.run, place.network)
    videos = read_table(finished_videos(arguments.run), "videos").set_index("video")
    rng = stream(place.seed, "repair", place.model, place.layer)
    with ClipStore(tests) as store:
        example = model.inputs(store.fetch(np.arange(1)))
        upper = Upper(model.network, place.layer, example)
        cells = _cells(upper, example, ways.shape[1])
        versions = repairs(ways, random_ways, draws=arguments.draws, cells=cells, rng=rng)
        bases = [removed for *_, removed in versions]
        logits = np.concatenate(
            [
                repaired_logits(upper, model.inputs(store.fetch(rows)), bases, baseline, grid=grid)
                for rows in np.array_split(np.arange(len(store.table)), -(-len(store.table) // BATCH))
            ],
            axis=1,
        )
        table = store.table
    parts: list[pd.DataFrame] = []
    for (what, draw, _), own in zip(versions, logits, strict=True):
        # Over a video's clips the logits are averaged, as for the run's accuracy.
        mean = pd.DataFrame(own).groupby([table["video"], table["class"]]).mean()
        right = mean.to_numpy().argmax(axis=1) == [
            model.classes.index(of) for of in mean.index.get_level_values("class")
        ]
        parts.append(
            pd.DataFrame(
                {"video": mean.index.get_level_values("video"), "what": what, "draw": draw, "right": right}
            )
        )
    rows = pd.concat(parts, ignore_index=True)
    rows["subset"] = rows["video"].map(videos["subset"]).fillna("")
    groups = rows["video"].map(videos["group"])
    return rows.assign(group=groups.fillna(rows["video"])) if not videos["group"].is_unique else rows


def _cells(upper: Upper, example: torch.Tensor, size: int) -> int:
    """Cells of the grid that a way of this many values is of."""
    channels = layer_activations(upper.network, example, [upper.layer], grid=(1, 1, 1))[0][upper.layer].shape[
        1
    ]
    return size // channels


def _words(table: pd.DataFrame) -> str:
    """The table, in whole per cents."""
    shown = table.copy()
    for name in ("accuracy", "difference", "beyond"):
        ends = (f"{name}_ci_low", f"{name}_ci_high") if name != "accuracy" else ("ci_low", "ci_high")
        shown[name] = [
            "" if np.isnan(value) else f"{100 * value:.1f} ({100 * low:.1f} to {100 * high:.1f})"
            for value, low, high in table[[name, *ends]].to_numpy(dtype=float)
        ]
    counts = [name for name in ("n_videos", "n_groups") if name in shown]
    return shown[["subset", "what", *counts, "accuracy", "difference", "beyond"]].to_string(index=False)
