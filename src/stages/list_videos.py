"""Write down which videos are used, in which split and shard (rule list_videos)."""

from pathlib import Path

from _stage import run

from voxplain.artifacts import write_table
from voxplain.videos.plan import plan_videos


def main(stage):
    folder = Path(stage.output[0]).parent / "embedded"
    table = plan_videos(folder, **stage.params.data)
    write_table(stage.output[0], table, kind="videos", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
