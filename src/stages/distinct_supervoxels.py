"""Choose the distinct supervoxels of each clip of a shard (rule distinct_supervoxels)."""

import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import open_h5, write_table
from voxplain.supervoxels import distinct_supervoxels


def main(stage):
    tables = [pd.DataFrame(columns=["video", "clip", "level", "supervoxel"])]
    with open_h5(stage.input.labels, "supervoxels") as source:
        for video in tqdm(source, unit="video", mininterval=10):
            for clip, labels in enumerate(source[video]["labels"]):
                kept = distinct_supervoxels(labels, stage.params.preset, **stage.params.options)
                table = pd.DataFrame(kept, columns=["level", "supervoxel"])
                tables.append(table.assign(video=video, clip=clip)[tables[0].columns])
    kept = pd.concat(tables, ignore_index=True).astype({"clip": int, "level": int, "supervoxel": int})
    write_table(stage.output[0], kept, kind="distinct_supervoxels", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
