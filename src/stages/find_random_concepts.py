"""Find concepts in random videos of all classes and learn their CAVs (rule find_random_concepts)."""

from _stage import run

from voxplain.artifacts import create_h5, open_h5, store
from voxplain.concepts.cavs import cav_arrays
from voxplain.concepts.nulls import random_concepts
from voxplain.streams import seed_of


def main(stage):
    layer = stage.wildcards.layer
    seed = seed_of(stage.params.random_sets_seed, "random_concepts", stage.wildcards.model, layer)
    concepts = random_concepts(
        stage.input.activations,
        layer,
        clusterings=stage.params.clusterings,
        seed=seed,
        **stage.params.options,
    )
    with open_h5(stage.input.random_sets, "random_sets") as file:
        sets, subset = file["sets"][()], file["subset"][()]
    with create_h5(stage.output[0], kind="random_cavs", made_by=stage.made_by) as file:
        for of, members in (("clusters", concepts), ("subset", [subset])):
            for name, array in cav_arrays(members, sets, seed=seed, **stage.params.cavs).items():
                store(file, f"{of}/{name}", array)


if __name__ == "__main__":
    run(main, globals())
