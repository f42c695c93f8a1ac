"""Endpoint error and cost of flow estimators on clips whose flow is known (rule compare_flows)."""

import numpy as np
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import write_table
from voxplain.motion.flow_error import flow_errors
from voxplain.videos.store import ClipStore, TruthStore


def main(stage):
    params = stage.params
    with ClipStore(stage.input.clips, params.videos) as clips, TruthStore(stage.input.truth) as truths:
        known = [(row.Index, truths.clip(row.video, row.clip)) for row in clips.table.itertuples()]
        known = [(number, truth) for number, truth in known if truth is not None and truth.flow is not None]
        # Spread over the classes, which come one after the other.
        chosen = np.unique(np.linspace(0, len(known) - 1, min(len(known), params.clips)).astype(int))
        shown = tqdm([known[number] for number in chosen], unit="clip", mininterval=10)
        table = flow_errors(((clips.fetch([number])[0], truth) for number, truth in shown), params.methods)
    write_table(stage.output[0], table, kind="flow_errors", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
