"""Share and directional derivative of concepts in windows of some videos (rule follow_concepts)."""

import numpy as np
import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.activations import layer_activations, logit_gradients
from voxplain.artifacts import open_h5, read_table, write_table
from voxplain.checks.answers import answers_of
from voxplain.checks.concept_ablation.compute import concept_masks
from voxplain.checks.concept_over_time.compute import longest_videos, read_windows, window_rows
from voxplain.concepts.clustering import nearest_concepts
from voxplain.concepts.rankings import read_rankings
from voxplain.errors import VoxplainError
from voxplain.models.trained import load_trained
from voxplain.patches import supervoxel_inputs
from voxplain.supervoxels import distinct_supervoxels, segment_supervoxels


def main(stage):
    params, wildcards, layer = stage.params, stage.wildcards, stage.wildcards.layer
    grid = params.pooling and tuple(params.pooling)
    model = load_trained(stage.input.weights, trust=stage.networks)
    centres, scores = read_rankings(stage.input.concepts, stage.input.scores)
    vectors = {}
    for label, path in zip(scores, stage.input.cavs, strict=True):
        with open_h5(path, "cavs") as file:
            vectors[label] = file["vectors"][()]
    videos = read_table(stage.input.videos, "videos")
    chosen = videos[videos["video"].isin(params.videos)]
    if params.longest:
        chosen = longest_videos(chosen, params.longest)
    parts = []
    for video in chosen.itertuples():
        clips, indices = read_windows(video, step=params.window_step, **params.clips)
        for window, clip in enumerate(tqdm(clips, unit="window", mininterval=10)):
            levels = segment_supervoxels(clip, **params.segmentation)
            kept = distinct_supervoxels(levels, params.preset, **params.criteria)
            if not len(kept):
                raise VoxplainError(
                    f"{video.video}: no supervoxel of frames {indices[window][0]} to {indices[window][-1]} is kept. "
                    "Loosen supervoxels.options, or name other videos in faithfulness.followed."
                )
            patches = supervoxel_inputs(
                clip,
                levels,
                kept,
                form=params.view["form"],
                fill=model.fill(params.view["fill"]),
                preset=params.preset,
                batch=params.view["batch"],
            )
            found = [
                layer_activations(model.network, model.inputs(p), [layer], grid=grid)[0][layer]
                for p in patches
            ]
            found = np.concatenate([part.cpu().numpy() for part in found])
            gradient = logit_gradients(
                model.network, model.inputs(clip[None]), model.targets([video.label]), [layer], grid=grid
            )[layer][0]
            nearest = nearest_concepts(found, centres[video.label])
            masks = concept_masks(levels, kept, nearest, len(scores[video.label]))
            rows = window_rows(masks, gradient.cpu().numpy(), vectors[video.label])
            rows["rank"] = scores[video.label]["rank"]
            frames = {"first_frame": indices[window][0], "last_frame": indices[window][-1]}
            probability = answers_of(model, video.label)(clip[None])[0]
            place = {"class": video.label, "video": video.video, "window": window, **frames}
            parts.append(rows.assign(**place, probability=probability))
    network = {"model": wildcards.model, "seed": int(wildcards.seed), "layer": layer}
    table = pd.concat(parts, ignore_index=True).assign(**network)
    write_table(stage.output[0], table, kind="concept_windows", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
