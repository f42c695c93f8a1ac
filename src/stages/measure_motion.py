"""Scores of every map of a shard against motion, each other and ground truth (rule measure_motion)."""

import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import write_table
from voxplain.motion.clips import open_motion
from voxplain.motion.precision import moving_mask, speeds
from voxplain.motion.scores import agreements, score_clip
from voxplain.motion.sweeps import sweep_clip
from voxplain.motion.truth import truth_masks
from voxplain.videos.store import TruthStore


def main(stage):
    params = stage.params
    found = {"motion_scores": [], "map_agreement": [], "ground_truth_scores": [], "sweep_scores": []}
    with (
        open_motion(stage.input, params.explainers, params.controls) as clips,
        TruthStore(stage.input.truth) as truths,
    ):
        for clip in tqdm(clips, total=len(clips), unit="clip", mininterval=10):
            moving = moving_mask(clip.flow, **params.moving)
            known = truths.clip(clip.video, clip.number)
            truth = {}
            if known is not None:
                truth = truth_masks(known, pairs=clip.pairs, camera=params.camera, **params.moving)
            scores, known = score_clip(
                clip.maps,
                clip.masks,
                moving,
                truth,
                pairs=clip.pairs,
                relevant=params.relevant,
                controls=clip.controls,
            )
            swept = sweep_clip(
                clip.maps,
                speeds(clip.flow, unit=params.moving["unit"]),
                pairs=clip.pairs,
                relevant=params.relevant,
                **params.sweep,
            )
            pairs = agreements(clip.maps, relevant=params.relevant)
            for kind, rows in zip(found, (scores, pairs, known, swept), strict=True):
                where = {"video": clip.video, "class": clip.class_name, "clip": clip.number}
                found[kind].append(pd.DataFrame(rows).assign(**where))
    place = {"model": stage.wildcards.model, "seed": int(stage.wildcards.seed)}
    for kind, tables in found.items():
        table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
        write_table(stage.output[kind], table.assign(**place), kind=kind, made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
