"""Linear probes of a network's layers for how the evidence moves, is placed and sized (rule probe_layers)."""

import numpy as np
from _stage import run

from voxplain.artifacts import write_table
from voxplain.checks.motion_probes.compute import Side, evidence_quantities, probe_network
from voxplain.models.trained import load_trained
from voxplain.streams import seed_of
from voxplain.videos.store import ClipStore, TruthStore


def main(stage):
    params, place = stage.params, {"model": stage.wildcards.model, "seed": int(stage.wildcards.seed)}
    model, sides = load_trained(stage.input.weights, trust=stage.networks), []
    for paths, videos in ((stage.input.train, params.train), (stage.input.test, params.test)):
        with ClipStore(paths, videos) as store, TruthStore(stage.input.truth) as truths:
            known = [truths.clip(row.video, row.clip) for row in store.table.itertuples()]
            found = [None if truth is None else evidence_quantities(truth) for truth in known]
            rows = [number for number, one in enumerate(found) if one is not None]
            clips = store.fetch(np.array(rows, dtype=int))
            sides.append(Side(clips, [found[row] for row in rows], store.table.iloc[rows]))
    options = {"layers": params.layers, "grid": params.grid, "batch": params.batch}
    found = probe_network(model, *sides, **options, seed=seed_of(params.seed, "probe_layers", place["model"]))
    write_table(stage.output[0], found.assign(**place), kind="probe_scores", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
