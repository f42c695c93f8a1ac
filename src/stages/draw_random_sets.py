"""Draw random sets as negatives, and a random subset as a concept of nothing (rule draw_random_sets)."""

from _stage import run

from voxplain.activation_store import read_activations
from voxplain.artifacts import create_h5, store
from voxplain.concepts.random_sets import draw_sets
from voxplain.streams import seed_of


def main(stage):
    options, names = stage.params.options, (stage.wildcards.model, stage.wildcards.layer)
    seed = seed_of(stage.params.random_sets_seed, "random_sets", *names)
    found = read_activations(
        stage.input.activations,
        stage.wildcards.layer,
        max_supervoxels=stage.params.max_supervoxels,
        seed=seed,
    )
    pool = found.supervoxels if options["negatives"] == "supervoxels" else found.clips
    sets = draw_sets(pool, sets=options["random_sets"], size=options["set_size"], seed=seed)
    subset = draw_sets(pool, sets=1, size=options["set_size"], seed=seed_of(seed, "subset"))
    sample = {"supervoxels": found.n_supervoxels, "drawn_from": len(found.table)}
    with create_h5(stage.output[0], kind="random_sets", made_by=stage.made_by, attrs=sample) as file:
        store(file, "sets", sets)
        store(file, "subset", subset[0])


if __name__ == "__main__":
    run(main, globals())
