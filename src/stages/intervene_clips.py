"""Freeze, shuffle, reverse and exchange what test clips show, and ask the network again (rule intervene_clips)."""

import numpy as np
import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import write_table
from voxplain.checks.interventions.compute import intervene
from voxplain.models.trained import load_trained
from voxplain.streams import stream
from voxplain.videos.store import ClipStore, TruthStore


def main(stage):
    params, parts = stage.params, []
    place = {"model": stage.wildcards.model, "seed": int(stage.wildcards.seed)}
    model = load_trained(stage.input.weights, trust=stage.networks)
    fill = np.rint(model.network.spec.mean).astype(np.uint8)
    with ClipStore(stage.input.clips, params.videos) as store, TruthStore(stage.input.truth) as truths:

        def shown(row):
            known = truths.clip(row.video, row.clip)
            evidence = None if known is None else known.masks().get("evidence")
            return store.clip(row.video, row.clip), evidence, row.class_name

        clips = list(store.table.rename(columns={"class": "class_name"}).itertuples())
        by_class = {
            name: [row for row in clips if row.class_name == name]
            for name in sorted(store.table["class"].unique())
        }
        names = list(by_class)
        for row in tqdm(clips, unit="clip", mininterval=10):
            # The clip in the same place of the next class, whatever shards the two are in.
            rivals = by_class[names[(names.index(row.class_name) + 1) % len(names)]]
            rival = rivals[by_class[row.class_name].index(row) % len(rivals)]
            rng = stream(params.seed, "intervene_clips", row.video, row.clip)
            options = {"fill": fill, "rng": rng, "batch": params.batch}
            found = intervene(model, *shown(row), *shown(rival), params.explainers, **options)
            parts.append(found.assign(video=row.video, **{"class": row.class_name}, clip=row.clip))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    write_table(stage.output[0], table.assign(**place), kind="intervention_scores", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
