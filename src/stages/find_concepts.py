"""Cluster a class's supervoxels into concepts and learn their CAVs (rule find_concepts)."""

import pandas as pd
from _stage import run

from voxplain.activation_store import read_activations
from voxplain.artifacts import create_h5, open_h5, store, write_table
from voxplain.concepts.cavs import cav_arrays
from voxplain.concepts.clustering import cluster_concepts, places_of
from voxplain.errors import VoxplainError


def main(stage):
    options, seed = dict(stage.params.options), stage.params.clustering_seed
    found = read_activations(
        stage.input.activations,
        stage.wildcards.layer,
        class_name=stage.params.class_name,
        max_supervoxels=options.pop("max_supervoxels"),
        seed=seed,
    )
    try:
        concepts = cluster_concepts(found.supervoxels, found.table["video"], seed=seed, **options)
    except VoxplainError as error:
        raise VoxplainError(f"The class {stage.params.class_name!r}: {error}") from None
    sample = {"supervoxels": found.n_supervoxels, "clustered": len(found.table)}
    if not all(concept.popular for concept in concepts):
        print("fewer than three clusters pass the filters: those of most videos are concepts, too")
    members = [found.supervoxels[concept.members] for concept in concepts]
    with create_h5(stage.output.concepts, kind="concepts", made_by=stage.made_by, attrs=sample) as file:
        for name, array in zip(("centres", "cutoffs"), places_of(concepts), strict=True):
            store(file, name, array)
        store(file, "n_supervoxels", [concept.n_supervoxels for concept in concepts])
        store(file, "n_videos", [concept.n_videos for concept in concepts])
        store(file, "popular", [concept.popular for concept in concepts])
        for number, activations in enumerate(members):
            store(file, f"members/{number}", activations)
    tables = [found.table.loc[concept.members].assign(concept=n) for n, concept in enumerate(concepts)]
    write_table(stage.output.members, pd.concat(tables), kind="concept_members", made_by=stage.made_by)
    with open_h5(stage.input.random_sets, "random_sets") as file:
        random_sets = file["sets"][()]
    cavs = cav_arrays(members, random_sets, seed=seed, **stage.params.cavs)
    with create_h5(stage.output.cavs, kind="cavs", made_by=stage.made_by) as file:
        for name, array in cavs.items():
            store(file, name, array)


if __name__ == "__main__":
    run(main, globals())
