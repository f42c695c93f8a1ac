"""Predictions of a network for every test video, averaged over its clips (rule test_model)."""

import numpy as np
from _stage import run

from voxplain.artifacts import write_table
from voxplain.models.trained import load_trained
from voxplain.videos.store import ClipStore


def main(stage):
    model = load_trained(stage.input.weights)
    with ClipStore(stage.input.clips) as store:
        rows = np.arange(len(store.table))
        logits = [model.logits(store.fetch(part)) for part in np.array_split(rows, np.ceil(len(rows) / 16))]
        table = store.table.assign(**dict(enumerate(np.concatenate(logits).T)))
    table = table.groupby(["video", "label"], as_index=False)[list(range(len(model.classes)))].mean()
    scores = table[list(range(len(model.classes)))].to_numpy()
    table = table[["video", "label"]].assign(
        model=stage.wildcards.model,
        seed=int(stage.wildcards.seed),
        predicted=np.array(model.classes)[scores.argmax(axis=1)],
    )
    write_table(stage.output[0], table, kind="predictions", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
