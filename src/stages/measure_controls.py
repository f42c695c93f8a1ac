"""Color, motion, size, place, distance and logit of every concept's members (rule measure_controls)."""

import pandas as pd
from _stage import run

from voxplain.activation_store import read_logits
from voxplain.artifacts import open_h5, read_table, write_table
from voxplain.concepts.controls import CONTROLS, member_controls, pool_distances
from voxplain.models.weights import load_weights
from voxplain.videos.store import ClipStore, SupervoxelStore


def main(stage):
    params, wildcards = stage.params, stage.wildcards
    _, _, about = load_weights(stage.input.weights)
    members = [read_table(path, "concept_members") for path in stage.input.members]
    with open_h5(stage.input.random_sets, "random_sets") as file:
        random_sets = file["sets"][()]
    distances = []
    for class_name, path in zip(params.classes, stage.input.concepts, strict=True):
        with open_h5(path, "concepts") as file:
            shown = [file[f"members/{number}"][()] for number in range(len(file["centres"]))]
        found = pd.DataFrame({"pool_distance": pool_distances(shown, random_sets)}).rename_axis("concept")
        distances.append(found.reset_index().assign(**{"class": class_name}))
    members = pd.concat(members, ignore_index=True)
    with (
        ClipStore(stage.input.clips, members["video"].unique()) as clips,
        SupervoxelStore(stage.input.supervoxels) as supervoxels,
    ):
        logits = read_logits(stage.input.activations, members, about["classes"])
        table = member_controls(members, logits, clips, supervoxels)
    table = table.merge(pd.concat(distances), on=["class", "concept"], validate="one_to_one")
    place = {"model": wildcards.model, "seed": int(wildcards.seed), "layer": wildcards.layer}
    table = table.assign(**place)[[*place, "class", "concept", *CONTROLS]]
    write_table(stage.output[0], table, kind="concept_controls", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
