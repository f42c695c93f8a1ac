"""Endpoint error and cost of flow estimators on clips whose flow is known (rule compare_flows)."""

import numpy as np
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import open_h5, write_table
from voxplain.motion.flow_error import flow_errors


def main(stage):
    params, clips = stage.params, []
    for path in stage.input.clips:
        with open_h5(path, "clips") as source:
            usable = [video for video in params.videos if video in source and "clips" in source[video]]
            for video in usable:
                group = source[video]
                clips += [(video, *clip) for clip in zip(group["clips"], group["frames"][()], strict=True)]
    # Spread over the classes, which come one after the other.
    chosen = np.unique(np.linspace(0, len(clips) - 1, min(len(clips), params.clips)).astype(int))
    shown = tqdm([clips[number] for number in chosen], unit="clip", mininterval=10)
    table = flow_errors(shown, params.truth, params.methods)
    write_table(stage.output[0], table, kind="flow_errors", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
