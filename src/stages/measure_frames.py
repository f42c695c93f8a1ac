"""Relevance of a shard's clips by frame, and what the network loses without each (rule measure_frames)."""

import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import write_table
from voxplain.checks.frame_importance.compute import frame_effects, frame_rows
from voxplain.models.trained import load_trained
from voxplain.motion.clips import open_motion


def main(stage):
    source, params, parts = stage.input, stage.params, []
    model = load_trained(source.weights, trust=stage.networks)
    with open_motion(source, params.explainers, params.controls) as clips:
        for clip in tqdm(clips, total=len(clips), unit="clip", mininterval=10):
            if clip.video not in params.videos or len(clip.indices) < 2:
                continue
            frames = clips.frames(clip.video, clip.number)
            target = model.classes.index(clip.target)
            fall = frame_effects(model.logits, frames, target, fill=model.fill("mean"), batch=params.batch)
            rows = frame_rows(clip.maps, clip.masks, clip.controls, fall)
            parts.append(rows.assign(video=clip.video, **{"class": clip.class_name}, clip=clip.number))
    place = {"model": stage.wildcards.model, "seed": int(stage.wildcards.seed)}
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    write_table(stage.output[0], table.assign(**place), kind="frame_scores", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
