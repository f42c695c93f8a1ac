"""What ways of clustering make of a finished run whose ground truth is known.

python -m benchmarks.clustering results/pasted --config config/pasted.yaml

Concepts of every class are found again from the run's activations with three seeds, as the stage found them (of as many
supervoxels, by the same classifier, as its artifacts say), in each of `WAYS`: how many there are, how well their effects rank the voxels of the evidence, how much of it the first one shows,
and how far ranks agree between seeds, and between concepts found in one half of the videos and in the other.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from voxplain.activation_store import read_activations
from voxplain.artifacts import attributes_of, made_from, open_h5
from voxplain.checks.concept_ground_truth.compute import concept_shares
from voxplain.checks.concept_ground_truth.table import voxel_auroc
from voxplain.checks.findings import Found, find_concepts, members_table, rank_agreement
from voxplain.config import Config, digest, load_config
from voxplain.errors import VoxplainError
from voxplain.videos.store import SupervoxelStore, TruthStore

SEEDS = (0, 1, 2)
WAYS = {
    "activations as they are": {"normalize": "none", "components": None, "restarts": 3},
    "rooted deviations": {"normalize": "root", "components": None, "restarts": 3},
    "and 80 starts": {"normalize": "root", "components": None, "restarts": 80},
    "and 20 components": {"normalize": "root", "components": 20, "restarts": 80},
    "and 10 components": {"normalize": "root", "components": 10, "restarts": 80},
    "and 5 components": {"normalize": "root", "components": 5, "restarts": 80},
}


def compare(layer: Path, rank_by: str, supervoxels: list[Path], truths: list[Path]) -> pd.DataFrame:
    """Rows clustered, class and seed of one network's layer: concepts, voxel_auroc, first, mean, tau and halves."""
    activations = sorted(layer.parent.glob("activations/train-*.h5"))
    with open_h5(layer / "random_sets.h5", "random_sets") as file:
        sets = file["sets"][()]
    made = [attributes_of(path)["params"] for path in sorted(layer.glob("concepts/*.h5"))]
    rows = []
    with TruthStore(truths) as truth, SupervoxelStore(supervoxels) as labels:
        for class_name, params in ((params["class_name"], params) for params in made):
            most = {"max_supervoxels": params["options"].pop("max_supervoxels")}
            of_seed = [
                read_activations(activations, layer.name, class_name=class_name, seed=seed, **most)
                for seed in SEEDS
            ]
            seen = of_seed[0]
            for name, way in WAYS.items():
                how = {"clustering": params["options"] | way, "rank_by": rank_by, **params["cavs"]}
                asked = [(own, sets, how | {"seed": n}) for n, own in zip(SEEDS, of_seed, strict=True)]
                found = _found(class_name, asked)
                for one in found:
                    members = members_table(one).assign(variant="run")
                    known = concept_shares(members, truth.clip, labels).merge(one.scores, on="concept")
                    share, effect = known["evidence"].to_numpy(), known["effect"].to_numpy()
                    row = {
                        "concepts": len(one.concepts),
                        "voxel_auroc": voxel_auroc(effect, share),
                        "first": share[effect.argmax()] if len(known) else np.nan,
                    }
                    rows.append({"clustered": name, "class": class_name, "mean": share.mean(), **row})
                videos = np.random.default_rng(0).permutation(np.unique(seen.clip_table["video"]))
                halves = np.array_split(videos, 2)
                parts = _found(class_name, [(seen, sets, how | {"videos": set(half)}) for half in halves])
                rows.append(
                    {"clustered": name, "class": class_name, "tau": _tau(found), "halves": _tau(parts)}
                )
    return pd.DataFrame(rows)


def _found(class_name: str, asked: list[tuple]) -> list[Found]:
    """What `find_concepts` finds in each way; where it finds nothing, why is printed."""
    found = []
    for seen, sets, how in asked:
        try:
            found.append(find_concepts(class_name, seen, sets, **how))
        except VoxplainError as error:
            print(f"{class_name}, {how}: {error}")
    return found


def _tau(found: list[Found]) -> float:
    taus = [rank_agreement(a.table, b.table) for a, b in combinations(found, 2)]
    return float(np.mean(taus)) if taus else np.nan


def known_of(layer: Path, results: Path, config: Config) -> tuple[list[Path], list[Path]]:
    """Files of the supervoxels that a network's activations are of, and of what is known of these clips."""
    there = sorted(results.glob("shared/*/clips-*/supervoxels-*/train-*.h5"))
    activations = sorted(layer.parent.glob("activations/train-*.h5"))
    found = {path for file in activations for path in made_from(file, there)}
    truth = f"truth-{digest(config.truth, config.data.path is None)}/train-*.h5"
    truths = [path for clips in {path.parents[1] for path in found} for path in clips.glob(truth)]
    if not truths:
        raise SystemExit(f"Nothing under {results}/shared says what is known of {layer.parent}'s clips.")
    return sorted(found), sorted(truths)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.clustering", description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="results/<run>")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    given = parser.parse_args(arguments)
    config = load_config(yaml.safe_load(given.config.read_text()))
    layers = sorted(path.parent for path in given.run.glob("models/*/seed*/*/random_sets.h5"))
    if not layers:
        raise SystemExit(f"{given.run} has no random_sets: it wants a run with the part concepts.")
    for layer in layers:
        table = compare(layer, config.scores.rank_by, *known_of(layer, given.run.parent, config))
        print(f"{layer.parents[1].name}, {layer.parent.name}, {layer.name}: means over classes and seeds")
        columns = ["concepts", "voxel_auroc", "first", "mean", "tau", "halves"]
        print(table.groupby("clustered", sort=False)[columns].mean().round(3).to_string())


if __name__ == "__main__":
    main()
