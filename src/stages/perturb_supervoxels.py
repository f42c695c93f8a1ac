"""Deletion and insertion curves of a shard's clips by every method (rule perturb_supervoxels)."""

import zlib

import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.activation_store import open_activations
from voxplain.artifacts import open_h5, write_table
from voxplain.checks.answers import answers_of
from voxplain.checks.faithfulness.compute import concept_map, curves_by_fill
from voxplain.concepts.clustering import nearest_concepts
from voxplain.concepts.rankings import read_rankings
from voxplain.explaining import explain_by_all
from voxplain.models.trained import load_trained


def main(stage):
    params, wildcards = stage.params, stage.wildcards
    model = load_trained(stage.input.weights, trust=stage.networks)
    color = model.fill(params.fill)
    places, scores = read_rankings(stage.input.concepts, stage.input.scores)
    parts = []
    with (
        open_h5(stage.input.clips, "clips") as clips,
        open_h5(stage.input.supervoxels, "supervoxels") as supervoxels,
        open_activations(stage.input.activations) as activations,
    ):
        chosen = {key: group for key, group in activations.items() if key[0] in params.videos}
        for (video, number), group in tqdm(chosen.items(), unit="clip", mininterval=10):
            class_name, clip = group.attrs["class"], clips[video]["clips"][number]
            levels, kept = supervoxels[video]["labels"][number], group["kept"][()]
            maps = explain_by_all(
                model,
                clip[None],
                model.targets([class_name]),
                params.explainers,
                labels=levels[None],
                segmentation=params.segmentation,
            )
            # Relevant is what is positive, as in all measures: signs cancel within a supervoxel.
            maps = {name: values[0].clip(min=0) for name, values in maps.items()}
            nearest = nearest_concepts(group[f"supervoxels/{wildcards.layer}"][()], *places[class_name])
            maps["concepts"] = concept_map(levels, kept, nearest, scores[class_name]["effect"].to_numpy())
            seed = [int(wildcards.seed), zlib.crc32(f"{video}#{number}".encode())]
            answer = answers_of(model, class_name)
            found = curves_by_fill(answer, clip, maps, levels[-1], seed=seed, color=color, **params.options)
            parts.append(found.assign(**{"video": video, "clip": number, "class": class_name}))
    columns = ["method", "curve", "share", "probability", "fill", "video", "clip", "class"]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    table = table.assign(model=wildcards.model, seed=int(wildcards.seed), layer=wildcards.layer)
    write_table(stage.output[0], table, kind="perturbation_curves", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
