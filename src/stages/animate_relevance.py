"""Explanations of some clips at every swept threshold, as small pictures (rule animate_relevance)."""

from contextlib import ExitStack

import numpy as np
import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import open_h5, read_table, write_json
from voxplain.explanation_store import scaled_maps
from voxplain.motion.figures import choose_examples
from voxplain.motion.precision import moving_mask
from voxplain.motion.selective import selective_sweep
from voxplain.report.strips import clip_strip, mask_strip, relevance_strip, selection_levels, selection_strip


def main(stage):
    params = stage.params
    scores = pd.concat([read_table(path, "motion_scores") for path in stage.input.scores], ignore_index=True)
    clips, explained = {}, []
    with ExitStack() as stack:
        source, flows = (
            _groups(stack, stage.input[name], kind) for name, kind in (("clips", "clips"), ("flow", "flow"))
        )
        maps = {
            model: _groups(stack, [stage.input.explanations[i] for i in places], "explanations")
            for model, places in params.places.items()
        }
        chosen = [
            (model, video, number)
            for model in params.places
            for video, number in choose_examples(
                scores[scores["model"] == model], params.clips, params.videos
            )
        ]
        for model, video, number in tqdm(chosen, unit="clip", mininterval=10):
            name = f"{video} {number}"
            if name not in clips:
                moving = moving_mask(flows[video]["flow"][number].astype(np.float32), **params.moving)
                moving = np.concatenate([moving, moving[-1:]])  # of the last frame nothing is known
                clips[name] = clip_strip(source[video]["clips"][number]) | {
                    "moving": mask_strip(moving),
                    "video": video,
                    "label": source[video].attrs["label"],
                }
            shown = {}
            for method in params.explainers:
                relevance = scaled_maps(maps[model][video], method)[number]
                swept = selective_sweep(relevance, params.sigmas, params.preset, **params.options)
                shown[method] = {
                    "relevance": relevance_strip(relevance),
                    "levels": selection_strip(selection_levels(swept)),
                }
            explained.append({"model": model, "seed": params.seed, "clip": name, "maps": shown})
    content = {"sigmas": list(params.sigmas), "sigma": params.sigma, "threshold": params.moving["threshold"]}
    content |= {"clips": clips, "explained": explained}
    write_json(stage.output[0], content, kind="relevance_clips", made_by=stage.made_by)


def _groups(stack, paths, kind):
    """Groups of several files by video."""
    groups = {}
    for path in paths:
        groups.update(stack.enter_context(open_h5(path, kind)))
    return groups


if __name__ == "__main__":
    run(main, globals())
