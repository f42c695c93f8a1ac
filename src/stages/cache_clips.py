"""Decode the videos of a shard to clips; set aside what cannot be decoded (rule cache_clips)."""

import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import open_h5, read_table, resumable_h5, write_table
from voxplain.videos.clips import decode_shard


def main(stage):
    table = read_table(stage.input.videos, "videos")
    table = table[table["shard"] == stage.wildcards.shard].set_index("video", drop=False)
    with resumable_h5(
        # The videos too: one that was replaced while the run lay dead is decoded again.
        stage.output.clips,
        kind="clips",
        made_by=stage.made_by,
        inputs=[stage.input.videos, *table["path"]],
    ) as shard:
        todo = table[[not shard.done(video) for video in table["video"]]]
        decoded = decode_shard(todo, **stage.params.options)
        for found in tqdm(decoded, total=len(todo), unit="video", mininterval=10):
            of_class = {"class": table.loc[found.video, "class"]}
            if found.reason is None:
                shard.write(found.video, {"clips": found.clips, "frames": found.indices}, of_class)
            else:
                print(f"set aside: {found.reason}")
                shard.write(found.video, attrs={**of_class, "reason": found.reason})
    with open_h5(stage.output.clips, "clips") as file:
        reasons = pd.Series(
            {video: file[video].attrs.get("reason") for video in file}, name="reason", dtype=object
        )
    aside = table[["video", "path", "class", "split"]].join(reasons).dropna(subset="reason")
    write_table(stage.output.set_aside, aside, kind="set_aside_videos", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
