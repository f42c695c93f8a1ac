"""Motion and relevance in the concepts of a shard's clips (rule measure_concept_motion)."""

import numpy as np
import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.activation_store import open_activations
from voxplain.artifacts import open_h5, write_table
from voxplain.checks.answers import answers_of
from voxplain.checks.concept_ablation.compute import concept_masks
from voxplain.checks.concept_motion.compute import concept_shares, motion_shares, stand_still
from voxplain.concepts.clustering import nearest_concepts
from voxplain.concepts.rankings import read_rankings
from voxplain.models.trained import load_trained
from voxplain.motion.clips import open_motion
from voxplain.motion.precision import moving_mask


def main(stage):
    params, wildcards = stage.params, stage.wildcards
    model = load_trained(stage.input.weights, trust=stage.networks, precision=stage.precision)
    places, scores = read_rankings(stage.input.concepts, stage.input.scores)
    shares, whole = [], []
    with (
        open_motion(stage.input, params.explainers) as clips,
        open_h5(stage.input.clips, "clips") as videos,
        open_h5(stage.input.supervoxels, "supervoxels") as supervoxels,
        open_activations(stage.input.activations) as activations,
    ):
        for clip in tqdm(clips, total=len(clips), unit="clip", mininterval=10):
            group = activations.get((clip.video, clip.number))
            if group is None or clip.video not in params.videos:
                continue
            class_name, moving = group.attrs["class"], moving_mask(clip.flow, **params.moving)
            nearest = nearest_concepts(group[f"supervoxels/{wildcards.layer}"][()], *places[class_name])
            levels = supervoxels[clip.video]["labels"][clip.number]
            masks = concept_masks(levels, group["kept"][()], nearest, len(scores[class_name]))
            place = {"class": class_name, "video": clip.video, "clip": clip.number}
            found = concept_shares(masks, moving, clip.maps, clip.masks, pairs=clip.pairs)
            shares.append(found.assign(**place))
            frames = videos[clip.video]["clips"][clip.number]
            probability, still = answers_of(model, class_name)(np.stack([frames, stand_still(frames)]))
            found = motion_shares(moving, clip.maps, pairs=clip.pairs)
            whole.append(found.assign(**place, probability=probability, still=still))
    network = {"model": wildcards.model, "seed": int(wildcards.seed), "layer": wildcards.layer}
    for kind, parts in {"concept_clip_motion": shares, "clip_motion": whole}.items():
        table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
        write_table(stage.output[kind], table.assign(**network), kind=kind, made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
