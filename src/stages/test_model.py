"""Predictions of a network for every test video, averaged over its clips (rule test_model)."""

import numpy as np
import pandas as pd
from _stage import run

from voxplain.artifacts import write_table
from voxplain.device import batched
from voxplain.models.trained import load_trained
from voxplain.videos.store import ClipStore


def main(stage):
    model = load_trained(stage.input.weights, trust=stage.networks)
    with ClipStore(stage.input.clips) as store:
        logits = batched(lambda rows: model.logits(store.fetch(rows)), np.arange(len(store.table)), 16)
    scores = pd.DataFrame(logits, columns=model.classes)
    scores = scores.groupby([store.table["video"], store.table["class"]]).mean()
    table = scores.idxmax(axis=1).rename("predicted").reset_index()
    table = table.assign(model=stage.wildcards.model, seed=int(stage.wildcards.seed))
    write_table(stage.output[0], table, kind="predictions", made_by=stage.made_by | stage.measured())


if __name__ == "__main__":
    run(main, globals())
