"""Decode the videos of a shard to clips; list what cannot be decoded, or is damaged (rule cache_clips)."""

import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import open_h5, resumable_h5, write_table
from voxplain.videos.clips import decode_shard
from voxplain.videos.plan import check_present, table_of_rows


def main(stage):
    table = table_of_rows(stage.params.listed["rows"]).set_index("video", drop=False)
    files = table["path"].tolist(), stage.params.listed["files"]
    check_present(*files)
    with resumable_h5(
        # The videos too: one that was replaced while the run lay dead is decoded again.
        stage.output.clips,
        kind="clips",
        made_by=stage.made_by,
        inputs=table["path"].tolist(),
    ) as shard:
        todo = table[[not shard.done(video) for video in table["video"]]]
        decoded = decode_shard(todo, **stage.params.options)
        for found in tqdm(decoded, total=len(todo), unit="video", mininterval=10):
            attrs = {"class": table.loc[found.video, "class"], "damaged": found.damaged}
            if found.reason is not None:
                check_present(*files)  # else what is said of a video may be the disk's fault
                attrs["reason"] = found.reason
                print(f"{'set aside' if found.clips is None else 'used'}: {found.reason}")
            clips = None if found.clips is None else {"clips": found.clips, "frames": found.indices}
            shard.write(found.video, clips, attrs)
        check_present(*files)
    with open_h5(stage.output.clips, "clips") as file:
        told = pd.DataFrame(
            [
                (video, group.attrs["reason"], "clips" in group, int(group.attrs["damaged"]))
                for video, group in file.items()
                if "reason" in group.attrs
            ],
            columns=["video", "reason", "used", "damaged"],
        )
    aside = table[["video", "path", "class", "split"]].reset_index(drop=True).merge(told, on="video")
    write_table(stage.output.set_aside, aside, kind="set_aside_videos", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
