"""Explain the clips of a shard by every method (rule explain_clips)."""

import numpy as np
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import open_h5, resumable_h5
from voxplain.explaining import explain_by_all
from voxplain.explanation_store import packed
from voxplain.models.trained import load_trained
from voxplain.videos.store import SupervoxelStore, groups_of


def main(stage):
    options = stage.params.options
    model = load_trained(stage.input.weights, trust=stage.networks)
    with (
        open_h5(stage.input.clips, "clips") as source,
        SupervoxelStore(stage.input.get("supervoxels", [])) as supervoxels,
        resumable_h5(stage.output[0], kind="explanations", **stage.resumed) as shard,
    ):
        usable = [video for video in stage.params.videos if video in source and "clips" in source[video]]
        counts = {video: len(source[video]["clips"]) for video in usable if not shard.done(video)}
        for videos in tqdm(groups_of(counts, options["batch"]), unit="batch", mininterval=10):
            clips = np.concatenate([source[video]["clips"][()] for video in videos])
            if options["target"] == "class":
                names = [source[video].attrs["class"] for video in videos for _ in range(counts[video])]
            else:
                names = model.predict(clips).tolist()
            maps = explain_by_all(
                model,
                clips,
                model.targets(names),
                stage.params.explainers,
                labels=supervoxels.of_videos(videos),
                segmentation=stage.params.segmentation,
                batch=options["batch"],
            )
            ends = np.cumsum([counts[video] for video in videos])[:-1]
            parts = {
                name: np.split(values, ends) for name, values in (maps | {"target": np.array(names)}).items()
            }
            for number, video in enumerate(videos):
                arrays = packed({name: parts[name][number] for name in maps}, precision=options["precision"])
                shard.write(
                    video,
                    arrays | {"target": parts["target"][number]},
                    {"class": source[video].attrs["class"]},
                )


if __name__ == "__main__":
    run(main, globals())
