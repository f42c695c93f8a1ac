"""Explain the clips of a shard by every method (rule explain_clips)."""

import numpy as np
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import open_h5, resumable_h5
from voxplain.checks.randomization.compute import random_head
from voxplain.explaining import activation_control, explain_by_all, other_classes
from voxplain.explanation_store import packed
from voxplain.models.trained import load_trained
from voxplain.videos.store import SupervoxelStore, groups_of


def main(stage):
    options, explainers = stage.params.options, stage.params.explainers
    model = load_trained(stage.input.weights, trust=stage.networks)
    head = random_head(model, seed=1_000_000 + int(stage.wildcards.seed))
    controlled = {name: explainers[name] for name in stage.params.controls}
    with (
        open_h5(stage.input.clips, "clips") as source,
        SupervoxelStore(stage.input.get("supervoxels", [])) as supervoxels,
        resumable_h5(stage.output[0], kind="explanations", **stage.resumed) as shard,
    ):
        usable = [video for video in stage.params.videos if video in source and "clips" in source[video]]
        counts = {video: len(source[video]["clips"]) for video in usable}
        for videos in tqdm(groups_of(counts, options["batch"]), unit="batch", mininterval=10):
            if all(shard.done(video) for video in videos):
                continue  # the others in the batches of an undisturbed run: what is computed with what decides last bits
            clips = np.concatenate([source[video]["clips"][()] for video in videos])
            of_clips = [video for video in videos for _ in range(counts[video])]
            if options["target"] == "class":
                names = [source[video].attrs["class"] for video in of_clips]
            else:
                names = model.predict(clips).tolist()
            known = {"labels": supervoxels.of_videos(videos), "segmentation": stage.params.segmentation}
            known["batch"] = options["batch"]
            others = other_classes(names, model.classes, of_clips)
            asked = {
                "": (model, names, explainers),
                "control_other_class": (model, others, controlled),
                "control_random_head": (head, names, controlled),
            }
            arrays = {"target": np.array(names), "controls/control_other_class/target": np.array(others)}
            for control, (network, wanted, methods) in asked.items():
                maps = explain_by_all(network, clips, model.targets(wanted), methods, **known)
                place = f"controls/{control}/" if control else ""
                stored = packed(maps, precision=options["precision"])
                arrays |= {f"{place}{name}": values for name, values in stored.items()}
            maps = activation_control(model, clips, batch=options["batch"]) if controlled else {}
            arrays |= {f"controls/{k}": v for k, v in packed(maps, precision=options["precision"]).items()}
            ends = np.cumsum([counts[video] for video in videos])[:-1]
            parts = {name: np.split(values, ends) for name, values in arrays.items()}
            for number, video in enumerate(videos):
                own = {name: values[number] for name, values in parts.items()}
                shard.write(video, own, {"class": source[video].attrs["class"]})


if __name__ == "__main__":
    run(main, globals())
