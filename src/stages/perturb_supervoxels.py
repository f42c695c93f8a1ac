"""Deletion and insertion curves of a shard's clips by every method and control (rule perturb_supervoxels)."""

from functools import partial

import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.activation_store import open_activations
from voxplain.artifacts import open_h5, write_table
from voxplain.checks.answers import answers_of_two
from voxplain.checks.faithfulness.compute import concept_map, curves_by_fill
from voxplain.checks.faithfulness.controls import explained_and_controls
from voxplain.checks.randomization.compute import random_head
from voxplain.concepts.clustering import nearest_concepts
from voxplain.concepts.rankings import read_rankings
from voxplain.models.trained import load_trained
from voxplain.streams import seed_of, stream


def main(stage):
    params, wildcards = stage.params, stage.wildcards
    model = load_trained(stage.input.weights, trust=stage.networks, precision=stage.precision)
    color = model.fill("mean")
    places, scores = read_rankings(stage.input.concepts, stage.input.scores)
    parts = []
    with (
        open_h5(stage.input.clips, "clips") as clips,
        open_h5(stage.input.supervoxels, "supervoxels") as supervoxels,
        open_activations(stage.input.activations) as activations,
    ):
        chosen = {key: group for key, group in activations.items() if key[0] in params.videos}
        for (video, number), group in tqdm(chosen.items(), unit="clip", mininterval=10):
            names = (int(wildcards.seed), "perturb", wildcards.model, wildcards.layer, video, number)
            class_name, clip = group.attrs["class"], clips[video]["clips"][number]
            other = str(stream(*names, "other").choice([name for name in places if name != class_name]))
            # Each clip has a random head of its own: clips that share one would not be independent.
            head = random_head(model, seed=seed_of(*names, "head"))
            levels, kept = supervoxels[video]["labels"][number], group["kept"][()]
            explained = {"labels": levels, "segmentation": params.segmentation}
            maps = explained_and_controls(
                model, head, clip, class_name, other, params.explainers, **explained
            )
            seen = group[f"supervoxels/{wildcards.layer}"][()]
            for key, name in ((("concepts", ""), class_name), (("control_other_class", "concepts"), other)):
                effects = scores[name]["effect"].to_numpy()
                maps[key] = concept_map(levels, kept, nearest_concepts(seen, *places[name]), effects)
            answers = [answers_of_two(network, class_name, other) for network in (model, head)]
            options = {"draw": partial(stream, *names), "color": color} | params.options
            found = curves_by_fill(*answers, clip, maps, levels[-1], **options)
            place = {"video": video, "clip": number, "class": class_name}
            parts.append(found.assign(**place, chance=1 / len(model.classes)))
    columns = ["method", "control_of", "draw", "curve", "share", "probability", "margin", "fill", "video"]
    table = pd.concat(parts) if parts else pd.DataFrame(columns=[*columns, "clip", "class", "chance"])
    table = table.assign(model=wildcards.model, seed=int(wildcards.seed), layer=wildcards.layer)
    write_table(stage.output[0], table, kind="perturbation_curves", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
