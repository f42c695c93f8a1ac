"""Figure 3: explanations as a sheet, in motion, and for the report's browser (rule show_relevance)."""

import numpy as np
import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import atomic_path, read_table, write_json
from voxplain.motion.clips import open_motion
from voxplain.motion.figures import (
    KNOWN,
    ExplainedClip,
    choose_examples,
    relevance_animation,
    relevance_sheet,
)
from voxplain.motion.precision import moving_mask
from voxplain.motion.selective import selective_sweep
from voxplain.report.strips import clip_strip, mask_strip, relevance_strip, selection_levels, selection_strip
from voxplain.videos.store import TruthStore


def main(stage):
    params, figures, wildcards = stage.params, stage.params.figures, stage.wildcards
    scores = pd.concat([read_table(path, "motion_scores") for path in stage.input.scores], ignore_index=True)
    examples, clips, explained = [], {}, []
    with open_motion(stage.input, params.explainers) as motions, TruthStore(stage.input.truth) as truths:
        chosen = choose_examples(scores, figures["relevance"], figures["videos"])
        for video, number in tqdm(chosen, unit="clip", mininterval=10):
            clip, frames = motions.clip(video, number), motions.frames(video, number)
            moving = moving_mask(clip.flow, **params.moving)
            selective = {name: clip.maps[name] * clip.masks[name] for name in clip.maps}
            truth = truths.clip(video, number)
            known = {} if truth is None else {k: mask for k, mask in truth.masks().items() if k in KNOWN}
            examples.append(ExplainedClip(video, frames, moving, clip.maps, selective, known))
            shown = {}
            for name, relevance in clip.maps.items():
                swept = selective_sweep(relevance, params.sigmas, params.preset, **params.options)
                levels = selection_strip(selection_levels(swept))
                shown[name] = {"relevance": relevance_strip(relevance), "levels": levels}
            # Of the last frame it is not known what moves.
            strip = {"moving": mask_strip(np.concatenate([moving, moving[-1:]]))}
            strip["known"] = {target: mask_strip(mask) for target, mask in known.items()}
            name = f"{video} {number}"
            clips[name] = clip_strip(frames) | strip | {"video": video, "class": clip.class_name}
            place = {"model": wildcards.model, "seed": int(wildcards.seed)}
            explained.append(place | {"clip": name, "maps": shown})
    title = f"{wildcards.model}: explanations, and what of them changes in time (σ = {params.sigma:g})"
    with atomic_path(stage.output.animation) as path:
        first, *others = relevance_animation(examples[: figures["animated"]])
        first.save(path, save_all=True, append_images=others, duration=120, loop=0)
    with atomic_path(stage.output.sheet) as path:
        relevance_sheet(examples, title=title).savefig(path, dpi=110)
    content = {"sigmas": list(params.sigmas), "sigma": params.sigma, "threshold": params.moving["threshold"]}
    content |= {"clips": clips, "explained": explained}
    write_json(stage.output.clips, content, kind="relevance_clips", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
