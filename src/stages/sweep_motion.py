"""Precision and selectivity of a shard's maps over thresholds of selection and motion (rule sweep_motion)."""

import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import write_table
from voxplain.motion.clips import open_motion
from voxplain.motion.precision import speeds
from voxplain.motion.sweeps import sweep_clip


def main(stage):
    params, tables = stage.params, []
    with open_motion(stage.input, params.explainers) as clips:
        for clip in tqdm(clips, total=len(clips), unit="clip", mininterval=10):
            rows = sweep_clip(
                clip.maps, speeds(clip.flow, unit=params.unit), pairs=clip.pairs, **params.options
            )
            tables.append(pd.DataFrame(rows).assign(video=clip.video, clip=clip.number))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    table = table.assign(model=stage.wildcards.model, seed=int(stage.wildcards.seed))
    write_table(stage.output[0], table, kind="sweep_scores", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
