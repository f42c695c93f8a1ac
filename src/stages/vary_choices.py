"""Scores and ranks with fewer random sets, other clusters and other seeds (rule vary_choices)."""

from functools import cache, partial

import pandas as pd
from _stage import run

from voxplain.activation_store import read_activations
from voxplain.artifacts import open_h5, write_table
from voxplain.checks.stability.compute import converge, set_sizes, vary, vary_videos
from voxplain.concepts.random_sets import draw_sets
from voxplain.concepts.scores import directional_derivatives
from voxplain.streams import seed_of, stream


def main(stage):
    params, names = stage.params, (stage.wildcards.model, stage.wildcards.layer)
    clustering, random_sets = params.seeds["clustering"], params.seeds["random_sets"]
    sampled = partial(
        read_activations, stage.input.activations, names[1], max_supervoxels=params.max_supervoxels
    )

    def read(class_name, seed):  # as find_concepts has it
        return sampled(class_name=class_name, seed=seed)

    @cache
    def draw(seed):  # as draw_random_sets has it
        found = sampled(seed=seed)
        pool = found.supervoxels if params.negatives == "supervoxels" else found.clips
        return draw_sets(pool, **params.sets, seed=seed)

    seeds = [(clustering, seed_of(random_sets, "random_sets", *names))]
    for n in range(params.repeats):
        other = [(clustering, "clustering"), (random_sets, "random_sets")]
        seeds.append(tuple(seed_of(seed, "repeat", what, *names, n) for seed, what in other))
    how = {name: params[name] for name in ("clustering", "cavs", "rank_by")}
    rows, importance = [], []
    for class_name, path in zip(params.classes, stage.input.cavs, strict=True):
        seen = read(class_name, clustering)
        with open_h5(path, "cavs") as file:
            derivatives = directional_derivatives(seen.gradients, file["vectors"][()])
            distances = file["distances"][()]
        fewer = {"sizes": set_sizes(derivatives.shape[1]), "draws": params.halves, "rank_by": params.rank_by}
        fewer["seed"] = stream(random_sets, "halves", *names, class_name)
        found = converge(derivatives, distances, **fewer)
        rows += [row | {"what": "random_sets", "class": class_name} for row in found]
        varied, own = vary(class_name, read, draw, clusters=params.clusters, seeds=seeds, **how)
        options = {"repeats": params.repeats, "seed": clustering}
        options["rng"] = stream(clustering, "videos", *names, class_name)
        rows += varied + vary_videos(class_name, seen, draw(seeds[0][1]), params.groups, **options, **how)
        importance.append(own)
    place = {"model": names[0], "seed": int(stage.wildcards.seed), "layer": names[1]}
    tables = {"choices": pd.DataFrame(rows), "supervoxel_importance": pd.concat(importance)}
    for path, (kind, table) in zip(stage.output, tables.items(), strict=True):
        write_table(path, table.assign(**place), kind=kind, made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
