"""Score the concepts of every class by directional derivatives (rule score_concepts)."""

import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.activation_store import read_gradients
from voxplain.artifacts import open_h5, write_table
from voxplain.concepts.scores import score_concepts


def main(stage):
    wildcards, tables = stage.wildcards, []
    gradients = read_gradients(stage.input.activations, wildcards.layer)
    with open_h5(stage.input.random_cavs, "random_cavs") as file:
        clusters, subset = (
            (file[of]["vectors"][()], file[of]["distances"][()]) for of in ("clusters", "subset")
        )
    with open_h5(stage.input.random_gradients, "random_gradients") as file:
        null_gradients = dict(zip(file["class"].asstr()[()], file["gradients"][()], strict=True))
    paths = zip(stage.params.classes, stage.input.cavs, stage.input.concepts, strict=True)
    for class_name, cavs_path, concepts_path in tqdm(list(paths), unit="class", mininterval=10):
        with open_h5(cavs_path, "cavs") as cavs, open_h5(concepts_path, "concepts") as concepts:
            table = score_concepts(
                gradients(class_name),
                (cavs["vectors"][()], cavs["distances"][()]),
                clusters,
                null_gradients[class_name],
                subset=subset,
                **stage.params.options,
            )
            table["cav_accuracy"] = cavs["accuracies"][()].mean(axis=1)
            table["n_supervoxels"] = concepts["n_supervoxels"][()]
            table["n_videos"] = concepts["n_videos"][()]
            table["popular"] = concepts["popular"][()]
        place = {"model": wildcards.model, "seed": int(wildcards.seed), "layer": wildcards.layer}
        tables.append(table.assign(**place, **{"class": class_name}))
    table = pd.concat(tables, ignore_index=True)
    write_table(stage.output[0], table, kind="scored_concepts", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
