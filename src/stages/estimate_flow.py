"""Optical flow of a shard's clips, without the camera's motion if asked for (rule estimate_flow)."""

import numpy as np
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import open_h5, resumable_h5
from voxplain.motion.flow.base import estimate_flow
from voxplain.motion.flow.camera import compensate_camera


def main(stage):
    options = stage.params.options
    with (
        open_h5(stage.input.clips, "clips") as source,
        resumable_h5(stage.output[0], kind="flow", made_by=stage.made_by, inputs=stage.input) as shard,
    ):
        usable = [video for video in stage.params.videos if video in source and "clips" in source[video]]
        for video in tqdm(usable, unit="video", mininterval=10):
            if shard.done(video):
                continue
            clips = source[video]["clips"][()]
            flows = [estimate_flow(clip, options["method"], **options["options"]) for clip in clips]
            arrays = {}
            if options["camera"] != "none":
                found = [
                    compensate_camera(f, c, model=options["camera"])
                    for f, c in zip(flows, clips, strict=True)
                ]
                flows = [residual for residual, _ in found]
                arrays["camera_share"] = np.stack([share for _, share in found])
            # Half precision: 0.01 pixels at the fastest motion.
            shard.write(video, {"flow": np.stack(flows).astype(np.float16), **arrays})


if __name__ == "__main__":
    run(main, globals())
