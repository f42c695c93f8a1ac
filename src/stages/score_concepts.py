"""Score the concepts of a class by directional derivatives (rule score_concepts)."""

from _stage import run

from voxplain.activation_store import read_activations
from voxplain.artifacts import open_h5, write_table
from voxplain.concepts.scores import score_concepts


def main(stage):
    wildcards = stage.wildcards
    found = read_activations(
        stage.input.activations, wildcards.layer, label=stage.params.label, max_supervoxels=0
    )
    with open_h5(stage.input.cavs, "cavs") as cavs, open_h5(stage.input.random_cavs, "cavs") as random_cavs:
        table = score_concepts(
            found.gradients,
            (cavs["vectors"][()], cavs["distances"][()]),
            (random_cavs["vectors"][()], random_cavs["distances"][()]),
            **stage.params.options,
        )
        table["cav_accuracy"] = cavs["accuracies"][()].mean(axis=1)
    with open_h5(stage.input.concepts, "concepts") as concepts:
        table["n_supervoxels"] = concepts["n_supervoxels"][()]
        table["n_videos"] = concepts["n_videos"][()]
    place = {"model": wildcards.model, "seed": int(wildcards.seed), "layer": wildcards.layer}
    table = table.assign(**place, **{"class": stage.params.label})
    write_table(stage.output[0], table, kind="class_scores", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
