"""Gradients at a layer of networks that are random above it (rule draw_random_gradients)."""

import numpy as np
from _stage import run

from voxplain.activation_store import open_activations
from voxplain.artifacts import create_h5, store
from voxplain.concepts.random_gradients import random_gradients
from voxplain.models.trained import load_trained
from voxplain.streams import seed_of
from voxplain.videos.store import ClipStore


def main(stage):
    params, wildcards = stage.params, stage.wildcards
    model = load_trained(stage.input.weights, trust=stage.networks)
    seen = set()  # clips that have a gradient of their own
    for path in stage.input.activations:
        with open_activations(path) as groups:
            seen |= set(groups)
    with ClipStore(stage.input.clips, {video for video, _ in seen}) as clips:
        rows = clips.table.index[clips.table.set_index(["video", "clip"]).index.isin(seen)].to_numpy()
        found = random_gradients(
            model,
            clips,
            rows,
            wildcards.layer,
            grid=params.grid and tuple(params.grid),
            draws=params.draws,
            seed=seed_of(params.random_sets_seed, "random_gradients", wildcards.model, wildcards.layer),
            batch=params.batch,
        )
    made = {"kind": "random_gradients", "made_by": stage.made_by, "attrs": stage.measured}
    with create_h5(stage.output[0], **made) as file:
        store(file, "class", list(found))
        store(file, "gradients", np.stack(list(found.values())))


if __name__ == "__main__":
    run(main, globals())
