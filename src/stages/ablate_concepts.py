"""Answers to a shard's clips with random subsets of concepts hidden (rule ablate_concepts)."""

import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.activation_store import open_activations
from voxplain.artifacts import open_h5, write_table
from voxplain.checks.answers import OUTCOMES, answers_of
from voxplain.checks.concept_ablation.compute import ablate, concept_masks
from voxplain.concepts.clustering import nearest_concepts
from voxplain.concepts.rankings import read_rankings
from voxplain.models.trained import load_trained
from voxplain.streams import stream


def main(stage):
    params, wildcards = stage.params, stage.wildcards
    model = load_trained(stage.input.weights, trust=stage.networks, precision=stage.precision)
    places, scores = read_rankings(stage.input.concepts, stage.input.scores)
    parts = []
    with (
        open_h5(stage.input.clips, "clips") as clips,
        open_h5(stage.input.supervoxels, "supervoxels") as supervoxels,
        open_activations(stage.input.activations) as activations,
    ):
        chosen = {key: group for key, group in activations.items() if key[0] in params.videos}
        for (video, number), group in tqdm(chosen.items(), unit="clip", mininterval=10):
            class_name = group.attrs["class"]
            nearest = nearest_concepts(group[f"supervoxels/{wildcards.layer}"][()], *places[class_name])
            masks = concept_masks(
                supervoxels[video]["labels"][number], group["kept"][()], nearest, len(scores[class_name])
            )
            found = ablate(
                answers_of(model, class_name, logits=True),
                clips[video]["clips"][number],
                masks,
                subsets=params.subsets,
                seed=stream(int(wildcards.seed), "ablate", wildcards.model, wildcards.layer, video, number),
                fill=params.hidden,
                color=model.fill("mean"),
            )
            for column, outcome in enumerate(OUTCOMES):
                part = pd.DataFrame({name: found[name][:, column] for name in ("squares", "gains")})
                part = part.assign(variance=found["variance"][column], concept=part.index, outcome=outcome)
                parts.append(part.assign(**{"class": class_name}, video=video, clip=number))
    columns = ["squares", "gains", "variance", "concept", "outcome", "class", "video", "clip"]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    table = table.assign(model=wildcards.model, seed=int(wildcards.seed), layer=wildcards.layer)
    write_table(stage.output[0], table, kind="concept_ablations", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
