"""Make the embedded data set: videos, their table and their ground truth (rule make_embedded_videos)."""

from pathlib import Path

from _stage import run

from voxplain.videos.embedded import make_embedded_videos


def main(stage):
    folder = Path(stage.output[0]).parent
    make_embedded_videos(folder, workers=stage.threads, **{"seed": stage.params.seed, **stage.params.options})


if __name__ == "__main__":
    run(main, globals())
