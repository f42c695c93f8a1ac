"""Draw random sets as negatives, and random concepts with their CAVs as controls (rule draw_random_sets)."""

from _stage import run
from tqdm import tqdm

from voxplain.activation_store import read_activations
from voxplain.artifacts import create_h5, store
from voxplain.concepts.cavs import cav_arrays
from voxplain.concepts.random_sets import draw_sets


def main(stage):
    params, options, seed = stage.params, stage.params.options, stage.params.random_sets_seed
    found = read_activations(
        stage.input.activations, stage.wildcards.layer, max_supervoxels=params.max_supervoxels, seed=seed
    )
    pool = found.supervoxels if options["negatives"] == "supervoxels" else found.clips
    sets = draw_sets(pool, sets=options["random_sets"], size=options["set_size"], seed=seed)
    concepts = draw_sets(pool, sets=params.concepts, size=options["set_size"], seed=seed + 1_000_000)
    sample = {"supervoxels": found.n_supervoxels, "drawn_from": len(found.table)}
    with create_h5(stage.output.sets, kind="random_sets", made_by=stage.made_by, attrs=sample) as file:
        store(file, "sets", sets)
    cavs = cav_arrays(
        tqdm(concepts, unit="concept", mininterval=10),
        sets,
        seed=seed,
        classifier=options["classifier"],
        options=options["options"],
    )
    with create_h5(stage.output.cavs, kind="cavs", made_by=stage.made_by) as file:
        for name, array in cavs.items():
            store(file, name, array)


if __name__ == "__main__":
    run(main, globals())
