"""Endpoint error and cost of flow estimators on videos whose flow is known (rule tabulate_flow_error)."""

import numpy as np
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import open_h5, write_table
from voxplain.motion.flow_error import flow_error_table


def main(stage):
    params, clips = stage.params, []
    with open_h5(stage.input.clips, "clips") as source:
        usable = [video for video in params.videos if video in source and "clips" in source[video]]
        for video in usable:
            group = source[video]
            clips += [(video, *clip) for clip in zip(group["clips"], group["frames"][()], strict=True)]
    # Spread over the classes, which come one after the other.
    chosen = np.unique(np.linspace(0, len(clips) - 1, min(len(clips), params.clips)).astype(int))
    table = flow_error_table(
        tqdm([clips[i] for i in chosen], unit="clip", mininterval=10), params.truth, params.methods
    )
    write_table(stage.output[0], table, kind="flow_error", made_by=stage.made_by, csv=True)


if __name__ == "__main__":
    run(main, globals())
