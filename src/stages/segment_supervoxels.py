"""Segment the clips of a shard into supervoxels at several resolutions (rule segment_supervoxels)."""

import numpy as np
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import open_h5, resumable_h5
from voxplain.supervoxels import segment_supervoxels


def main(stage):
    with (
        open_h5(stage.input.clips, "clips") as source,
        resumable_h5(stage.output[0], kind="supervoxels", made_by=stage.made_by, inputs=stage.input) as shard,
    ):
        usable = [video for video in stage.params.videos if video in source and "clips" in source[video]]
        for video in tqdm(usable, unit="video", mininterval=10):
            if not shard.done(video):
                labels = [
                    segment_supervoxels(clip, **stage.params.options) for clip in source[video]["clips"]
                ]
                shard.write(video, {"labels": np.stack(labels)}, {"class": source[video].attrs["class"]})


if __name__ == "__main__":
    run(main, globals())
