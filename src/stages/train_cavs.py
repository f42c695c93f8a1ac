"""Learn the CAVs of concepts against every random set (rules train_cavs and train_random_cavs)."""

import numpy as np
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import create_h5, open_h5, store
from voxplain.concepts.cavs import concept_distances, train_cavs


def main(stage):
    with open_h5(stage.input.random_sets, "random_sets") as file:
        sets = file["sets"][()]
        positives = list(file["concepts"]) if "concepts" not in stage.input.keys() else None
    if positives is None:
        with open_h5(stage.input.concepts, "concepts") as file:
            positives = [file[f"members/{number}"][()] for number in range(len(file["centres"]))]
    seed = int(stage.wildcards.seed)
    cavs = [
        train_cavs(members, sets, seed=seed, **stage.params.options)
        for members in tqdm(positives, unit="concept", mininterval=10)
    ]
    with create_h5(stage.output[0], kind="cavs", made_by=stage.made_by) as file:
        store(file, "vectors", np.stack([vectors for vectors, _ in cavs]))
        distances = [
            concept_distances(members, sets, vectors) for members, (vectors, _) in zip(positives, cavs)
        ]
        store(file, "distances", np.stack(distances))
        store(file, "accuracies", np.stack([accuracies for _, accuracies in cavs]))


if __name__ == "__main__":
    run(main, globals())
