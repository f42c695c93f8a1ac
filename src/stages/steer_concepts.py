"""Answers to test clips with concepts' directions removed from a layer and added to it (rule steer_concepts)."""

import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.activation_store import open_activations, read_gradients
from voxplain.artifacts import open_h5, write_table
from voxplain.concepts.clustering import nearest_concepts
from voxplain.concepts.rankings import ranking, read_rankings
from voxplain.concepts.scores import ways_to
from voxplain.concepts.steering.compute import edit_clip, mark_first, plan_steering, steer_clip
from voxplain.models.trained import load_trained
from voxplain.models.upper import Upper
from voxplain.streams import stream


def main(stage):
    source, wildcards, params = stage.input, stage.wildcards, stage.params
    layer, batch, grid = wildcards.layer, params.batch, params.grid and tuple(params.grid)
    model = load_trained(source.weights, trust=stage.networks, precision=stage.precision)
    gradients, upper, plans, parts = read_gradients(source.discovered, layer), None, {}, []
    places, scores = read_rankings(source.concepts, source.scores)
    order = {name: ranking(own) for name, own in scores.items()}
    ways = {}
    for name, path in zip(scores, source.cavs, strict=True):
        with open_h5(path, "cavs") as file:
            ways[name] = ways_to(file["vectors"][()], file["distances"][()])[order[name]]
    with open_h5(source.random_cavs, "random_cavs") as file:
        random_ways = ways_to(file["clusters/vectors"][()], file["clusters/distances"][()])
    with open_h5(source.random_sets, "random_sets") as file:
        baseline = file["sets"][()].mean(axis=(0, 1))
    with (
        open_h5(source.clips, "clips") as clips,
        open_h5(source.supervoxels, "supervoxels") as supervoxels,
        open_activations(source.activations) as activations,
    ):
        for (video, number), group in tqdm(activations.items(), unit="clip", mininterval=10):
            name, clip = group.attrs["class"], clips[video]["clips"][number]
            inputs, target = model.inputs(clip[None]), model.classes.index(name)
            upper = upper or Upper(model.network, layer, inputs)
            if name not in plans:  # drawn by the class's name alone: the same in every shard
                rng = stream(params.draws_seed, "steer_concepts", wildcards.model, layer, name)
                others = {other: found for other, found in ways.items() if other != name}
                plan, along = plan_steering(ways[name], random_ways, others, draws=params.draws, rng=rng)
                plans[name] = mark_first(plan, along, gradients(name), rank_by=params.rank_by), along
            steered = steer_clip(upper, inputs, target, *plans[name], baseline, grid=grid, batch=batch)
            concepts = nearest_concepts(group[f"supervoxels/{layer}"][()], *places[name])
            voxels = supervoxels[video]["labels"][number], group["kept"][()], concepts, order[name]
            edited = edit_clip(model.logits, clip, target, *voxels, fill=model.fill(params.fill), batch=batch)
            both = pd.concat([steered, edited], ignore_index=True)
            both["concept"] = order[name][both["rank"] - 1]
            parts.append(both.assign(**{"class": name}, video=video, clip=number))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    table = table.assign(model=wildcards.model, seed=int(wildcards.seed), layer=layer)
    write_table(stage.output[0], table, kind="steered_concepts", made_by=stage.made_by | stage.measured())


if __name__ == "__main__":
    run(main, globals())
