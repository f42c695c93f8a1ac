"""Cluster the supervoxels of a class into concepts (rule cluster_concepts)."""

import numpy as np
import pandas as pd
from _stage import run

from voxplain.activation_store import read_activations
from voxplain.artifacts import create_h5, store, write_table
from voxplain.concepts.clustering import cluster_concepts


def main(stage):
    options, seed = dict(stage.params.options), int(stage.wildcards.seed)
    found = read_activations(
        stage.input,
        stage.wildcards.layer,
        label=stage.params.label,
        max_supervoxels=options.pop("max_supervoxels"),
        seed=seed,
    )
    concepts = cluster_concepts(found.supervoxels, found.table["video"], seed=seed, **options)
    sample = {"supervoxels": found.n_supervoxels, "clustered": len(found.table)}
    members = [
        found.table.loc[concept.members].assign(concept=number) for number, concept in enumerate(concepts)
    ]
    with create_h5(stage.output.concepts, kind="concepts", made_by=stage.made_by, attrs=sample) as file:
        store(file, "centres", np.stack([concept.centre for concept in concepts]))
        store(file, "n_supervoxels", [concept.n_supervoxels for concept in concepts])
        store(file, "n_videos", [concept.n_videos for concept in concepts])
        for number, concept in enumerate(concepts):
            store(file, f"members/{number}", found.supervoxels[concept.members])
    write_table(stage.output.members, pd.concat(members), kind="concept_members", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
