"""Scores and ranks with fewer random sets, other clusters and other seeds (rule vary_choices)."""

import pandas as pd
from _stage import run

from voxplain.activation_store import read_activations
from voxplain.artifacts import open_h5, write_table
from voxplain.checks.stability.compute import converge, set_sizes, vary, vary_videos
from voxplain.concepts.scores import directional_derivatives
from voxplain.streams import seed_of, stream


def main(stage):
    params, names = stage.params, (stage.wildcards.model, stage.wildcards.layer)
    clustering, random_sets = params.seeds["clustering"], params.seeds["random_sets"]
    seen = read_activations(stage.input.activations, stage.wildcards.layer)
    rows = []
    for class_name, path in zip(params.classes, stage.input.cavs, strict=True):
        with open_h5(path, "cavs") as file:
            gradients = seen.gradients[(seen.clip_table["class"] == class_name).to_numpy()]
            derivatives = directional_derivatives(gradients, file["vectors"][()])
            distances = file["distances"][()]
        sizes = set_sizes(derivatives.shape[1])
        rng = stream(random_sets, "halves", *names, class_name)
        found = converge(
            derivatives, distances, sizes=sizes, draws=params.halves, rank_by=params.rank_by, seed=rng
        )
        rows += [row | {"what": "random_sets", "class": class_name} for row in found]
    own = clustering, seed_of(random_sets, "random_sets", *names)  # as draw_random_sets has it
    others = [
        (
            seed_of(clustering, "repeat", "clustering", *names, n),
            seed_of(random_sets, "repeat", "random_sets", *names, n),
        )
        for n in range(params.repeats)
    ]
    how = {name: params[name] for name in ("clustering", "sets", "cavs", "negatives", "rank_by")}
    varied, importance = vary(seen, clusters=params.clusters, seeds=[own, *others], **how)
    rng = stream(clustering, "videos", *names)
    varied += vary_videos(seen, params.groups, repeats=params.repeats, seeds=own, rng=rng, **how)
    place = {"model": names[0], "seed": int(stage.wildcards.seed), "layer": names[1]}
    table = pd.DataFrame(rows + varied).assign(**place)
    write_table(stage.output.choices, table, kind="choices", made_by=stage.made_by)
    write_table(
        stage.output.importance,
        importance.assign(**place),
        kind="supervoxel_importance",
        made_by=stage.made_by,
    )


if __name__ == "__main__":
    run(main, globals())
