"""Answers to test clips with concepts added and removed (rule edit_concepts)."""

import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.activation_store import open_activations
from voxplain.artifacts import open_h5, write_table
from voxplain.concepts.clustering import nearest_concepts
from voxplain.concepts.rankings import ranking, read_rankings
from voxplain.editing import edit_answers
from voxplain.models.trained import load_trained


def main(stage):
    wildcards = stage.wildcards
    model = load_trained(stage.input.weights, trust=stage.networks)
    centres, scores = read_rankings(stage.input.concepts, stage.input.scores)
    parts = []
    with (
        open_h5(stage.input.clips, "clips") as clips,
        open_h5(stage.input.supervoxels, "supervoxels") as supervoxels,
        open_activations(stage.input.activations) as activations,
    ):
        for (video, number), group in tqdm(activations.items(), unit="clip", mininterval=10):
            class_name = group.attrs["class"]
            answers = edit_answers(
                model.predict,
                clips[video]["clips"][number],
                supervoxels[video]["labels"][number],
                group["kept"][()],
                nearest_concepts(group[f"supervoxels/{wildcards.layer}"][()], centres[class_name]),
                ranking(scores[class_name]),
                fill=model.fill(stage.params.fill),
                batch=stage.params.batch,
                seed=[stage.params.draws_seed, len(parts)],
                **stage.params.options,
            )
            place = {"video": video, "clip": number, "class": class_name}
            parts.append(answers.assign(correct=answers["answer"] == class_name, **place))
    table = pd.concat(parts, ignore_index=True)
    table = table.assign(model=wildcards.model, seed=int(wildcards.seed), layer=wildcards.layer)
    write_table(stage.output[0], table, kind="edits", made_by=stage.made_by | stage.measured())


if __name__ == "__main__":
    run(main, globals())
