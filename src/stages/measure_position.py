"""Shares of relevance on each side of the frame, of clips and their mirror images (rule measure_position)."""

import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import write_table
from voxplain.checks.position_bias.compute import mirrored_shares
from voxplain.models.trained import load_trained
from voxplain.videos.store import ClipStore


def main(stage):
    params, rows = stage.params, []
    model = load_trained(stage.input.weights, trust=stage.networks)
    with ClipStore(stage.input.clips, params.videos) as store:
        for video, clips in tqdm(store.table.groupby("video", sort=False), unit="video", mininterval=10):
            shown = store.fetch(clips.index.to_numpy())
            how = {"segmentation": params.segmentation, "batch": params.batch}
            found = mirrored_shares(model, shown, clips["class"].tolist(), params.explainers, **how)
            rows += [row | {"video": video} for row in found]
    table = pd.DataFrame(rows).assign(model=stage.wildcards.model, seed=int(stage.wildcards.seed))
    write_table(stage.output[0], table, kind="position_shares", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
