"""Linear probes of a network's layers for how the evidence moves, is placed and sized (rule probe_layers)."""

import numpy as np
import pandas as pd
from _stage import run

from voxplain.artifacts import write_table
from voxplain.checks.concept_motion.compute import stand_still
from voxplain.checks.motion_probes.compute import (
    CLASS,
    COLUMNS,
    FEWEST,
    FROZEN,
    NETWORK,
    PIXELS,
    RANDOM,
    evidence_quantities,
    layer_features,
    pixel_features,
    probe_rows,
    probed_layers,
)
from voxplain.checks.randomization.compute import randomized, weight_groups
from voxplain.models.trained import load_trained
from voxplain.streams import seed_of
from voxplain.videos.store import ClipStore, TruthStore


def main(stage):
    params, place = stage.params, {"model": stage.wildcards.model, "seed": int(stage.wildcards.seed)}
    model = load_trained(stage.input.weights, trust=stage.networks)
    sides = []
    for paths, videos in ((stage.input.train, params.train), (stage.input.test, params.test)):
        with ClipStore(paths, videos) as store, TruthStore(stage.input.truth) as truths:
            known = [truths.clip(row.video, row.clip) for row in store.table.itertuples()]
            found = [None if truth is None else evidence_quantities(truth) for truth in known]
            rows = [number for number, one in enumerate(found) if one is not None]
            sides.append((store.fetch(np.array(rows)), [found[row] for row in rows], store.table.iloc[rows]))
    (train, known, of_train), (test, asked, table) = sides
    if min(len(known), len(asked)) < FEWEST:  # of what is known of fewer clips nothing can be learned
        write_table(
            stage.output[0],
            pd.DataFrame(columns=[*COLUMNS, *place]),
            kind="probe_scores",
            made_by=stage.made_by,
        )
        return
    classes = [rows["class"].tolist() for rows in (of_train, table)]
    layers = probed_layers(model.network, train.shape[1:4], params.layers)
    seed = seed_of(params.seed, "probe_layers", place["model"])
    random = randomized(model, weight_groups(model.network), seed=seed)
    features = {}
    for source, network, shown in (
        (NETWORK, model, lambda clips: clips),
        (FROZEN, model, lambda clips: np.stack([stand_still(clip) for clip in clips])),
        (RANDOM, random, lambda clips: clips),
    ):
        both = [
            layer_features(
                network.network, network.inputs, shown(clips), layers, grid=params.grid, batch=params.batch
            )
            for clips in (train, test)
        ]
        features |= {(source, layer): tuple(side[layer] for side in both) for layer in layers}
    features[PIXELS, ""] = tuple(
        np.stack([pixel_features(clip) for clip in clips]) for clips in (train, test)
    )
    # Classes move each in its own way: what is known of a clip's class is no reading of its motion.
    features[CLASS, ""] = tuple(np.eye(len(model.classes))[model.targets(names).cpu()] for names in classes)
    found = probe_rows(features, (known, asked), table.reset_index(drop=True))
    write_table(stage.output[0], found.assign(**place), kind="probe_scores", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
