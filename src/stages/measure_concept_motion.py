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
    model = load_trained(stage.input.weights, trust=stage.networks)
    centres, scores = read_rankings(stage.input.concepts, stage.input.scores)
    shares, whole = [], []
    with (
        open_motion(stage.input, params.explainers) as clips,
        open_h5(stage.input.clips, "clips") as videos,
        open_h5(stage.input.labels, "supervoxels") as labels,
        open_activations(stage.input.activations) as activations,
    ):
        for clip in tqdm(clips, total=len(clips), unit="clip", mininterval=10):
            group = activations.get((clip.video, clip.number))
            if group is None or clip.video not in params.videos:
                continue
            label, moving = group.attrs["label"], moving_mask(clip.flow, **params.moving)
            nearest = nearest_concepts(group[f"supervoxels/{wildcards.layer}"][()], centres[label])
            levels = labels[clip.video]["labels"][clip.number]
            masks = concept_masks(levels, group["kept"][()], nearest, len(scores[label]))
            place = {"class": label, "video": clip.video, "clip": clip.number}
            found = concept_shares(masks, moving, clip.maps, clip.masks, pairs=clip.pairs)
            shares.append(found.assign(**place))
            frames = videos[clip.video]["clips"][clip.number]
            probability, still = answers_of(model, label)(np.stack([frames, stand_still(frames)]))
            row = {
                "probability": probability,
                "still": still,
                **motion_shares(moving, clip.maps, pairs=clip.pairs),
            }
            whole.append(place | row)
    network = {"model": wildcards.model, "seed": int(wildcards.seed), "layer": wildcards.layer}
    shares = pd.concat(shares, ignore_index=True) if shares else pd.DataFrame()
    write_table(
        stage.output.shares, shares.assign(**network), kind="concept_clip_shares", made_by=stage.made_by
    )
    clips = pd.DataFrame(whole).assign(**network)
    write_table(stage.output.clips, clips, kind="clip_motion", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
