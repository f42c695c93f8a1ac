"""What ways of clustering make of a finished run whose ground truth is known.

python -m benchmarks.clustering results/pasted --config config/pasted.yaml

Concepts of every class are found again from the run's activations with three seeds, as the stage finds them, in each of
`WAYS`: how many there are, how well their effects rank the voxels of the evidence, how much of it the first one shows,
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

from voxplain.activation_store import open_activations, read_activations
from voxplain.artifacts import open_h5
from voxplain.checks.concept_ground_truth.compute import concept_shares
from voxplain.checks.concept_ground_truth.table import voxel_auroc
from voxplain.checks.findings import Found, find_concepts, members_table, rank_agreement
from voxplain.config import load_config
from voxplain.errors import VoxplainError
from voxplain.videos.store import SupervoxelStore, TruthStore

SEEDS = (0, 1, 2)
CLUSTERING = {"clusters", "min_supervoxels", "max_members", "cutoff", "popularity"}
WAYS = {
    "activations as they are": {"normalize": "none", "components": None, "restarts": 3},
    "rooted deviations": {"normalize": "root", "components": None, "restarts": 3},
    "and 80 starts": {"normalize": "root", "components": None, "restarts": 80},
    "and 20 components": {"normalize": "root", "components": 20, "restarts": 80},
    "and 10 components": {"normalize": "root", "components": 10, "restarts": 80},
    "and 5 components": {"normalize": "root", "components": 5, "restarts": 80},
}


def compare(layer: Path, config, shared: Path) -> pd.DataFrame:
    """Rows clustered, class and seed of one network's layer: concepts, voxel_auroc, first, mean, tau and halves."""
    seen = read_activations(sorted(layer.parent.glob("activations/train-*.h5")), layer.name)
    with open_h5(layer / "random_sets.h5", "random_sets") as file:
        sets = file["sets"][()]
    clustering = config.concepts.model_dump(include=CLUSTERING)
    truths, supervoxels = (sorted(shared.glob(f"{kind}-*/train-*.h5")) for kind in ("truth", "supervoxels"))
    rows = []
    with TruthStore(truths) as truth, SupervoxelStore(supervoxels) as labels:
        for name, way in WAYS.items():
            how = {"clustering": clustering | way}
            for class_name in sorted(seen.clip_table["class"].unique()):
                found = _found(class_name, [(seen, sets, how | {"seed": seed}) for seed in SEEDS])
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
                own = seen.clip_table["class"] == class_name
                videos = np.random.default_rng(0).permutation(np.unique(seen.clip_table.loc[own, "video"]))
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


def home_of(layer: Path, results: Path) -> Path:
    """The folder of shared clips that a network's activations are of."""
    with open_activations(next(layer.parent.glob("activations/train-*.h5"))) as groups:
        video = next(video for video, _ in groups)
    for path in sorted(results.glob("shared/*/clips-*/truth-*")):
        with TruthStore(sorted(path.glob("train-*.h5"))) as truth:
            if truth.clip(video, 0) is not None:
                return path.parent
    raise SystemExit(f"Nothing under {results}/shared says what is known of {video}.")


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
        shared = home_of(layer, given.run.parent)
        table = compare(layer, config, shared)
        print(f"{layer.parents[1].name}, {layer.parent.name}, {layer.name}: means over classes and seeds")
        columns = ["concepts", "voxel_auroc", "first", "mean", "tau", "halves"]
        print(table.groupby("clustered", sort=False)[columns].mean().round(3).to_string())


if __name__ == "__main__":
    main()
