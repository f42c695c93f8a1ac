"""Answers to test clips with concepts added and removed (rule edit_concepts)."""

import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.activation_store import open_activations
from voxplain.artifacts import open_h5, read_table, write_table
from voxplain.concepts.rankings import rankings, read_rankings
from voxplain.editing import RankedConcepts, edit_answers, random_rankings
from voxplain.models.trained import load_trained
from voxplain.streams import stream


def main(stage):
    wildcards, params = stage.wildcards, stage.params
    network = (params.draws_seed, "edit_concepts", wildcards.model, wildcards.layer)
    model = load_trained(stage.input.weights, trust=stage.networks, precision=stage.precision)
    places, scores = read_rankings(stage.input.concepts, stage.input.scores)
    controls = read_table(stage.input.controls, "concept_controls").groupby("class")
    classes = {}
    for name, own in scores.items():
        found = rankings(own, controls.get_group(name), rank_by=params.rank_by)
        # Drawn by the class's name alone: the same in every shard.
        draws = random_rankings(len(own), params.draws, stream(*network, "rankings", name))
        classes[name] = RankedConcepts(*places[name], found, draws)
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
                group[f"supervoxels/{wildcards.layer}"][()],
                class_name,
                classes,
                fill=model.fill(params.fill),
                batch=params.batch,
                rng=stream(*network, "clip", video, number),
                **params.options,
            )
            parts.append(answers.assign(**{"video": video, "clip": number, "class": class_name}))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    table = table.assign(model=wildcards.model, seed=int(wildcards.seed), layer=wildcards.layer)
    write_table(stage.output[0], table, kind="edits", made_by=stage.made_by | stage.measured())


if __name__ == "__main__":
    run(main, globals())
