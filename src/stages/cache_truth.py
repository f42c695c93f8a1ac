"""What is known of a shard's clips: what decides the class, what does not, how it moves (rule cache_truth)."""

from _stage import run

from voxplain.artifacts import create_h5, open_h5
from voxplain.videos.embedded import embedded_truth
from voxplain.videos.store import store_truth
from voxplain.videos.truth import read_truth


def main(stage):
    params = stage.params
    with (
        open_h5(stage.input.clips, "clips") as clips,
        create_h5(stage.output[0], kind="truth", made_by=stage.made_by) as file,
    ):
        for row in params.listed["rows"]:
            frames = clips[row["video"]].get("frames", []) if row["video"] in clips else []
            if stage.input.embedded:
                source = stage.input.embedded[0], row["video"]
                found = [embedded_truth(*source, indices, **params.fit) for indices in frames]
            else:
                found = [read_truth(row, indices, **params.fit, **params.truth) for indices in frames]
            if found and found[0] is not None:
                store_truth(file.create_group(row["video"]), found)


if __name__ == "__main__":
    run(main, globals())
