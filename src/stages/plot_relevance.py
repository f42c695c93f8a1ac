"""Figure 3: explanations and their selective counterparts, as a sheet and in motion (rule plot_relevance)."""

from contextlib import ExitStack

import numpy as np
import pandas as pd
from _stage import run

from voxplain.artifacts import atomic_path, open_h5, read_table
from voxplain.explanation_store import scaled_maps
from voxplain.motion.figures import ExplainedClip, choose_examples, relevance_animation, relevance_sheet
from voxplain.motion.precision import moving_mask


def main(stage):
    params, options = stage.params, stage.params.options
    scores = pd.concat([read_table(path, "motion_scores") for path in stage.input.scores], ignore_index=True)
    chosen = choose_examples(scores, options["relevance"], options["videos"])
    kinds = {"clips": "clips", "flow": "flow", "explanations": "explanations", "selective": "selective_maps"}
    with ExitStack() as stack:
        groups = {name: {} for name in kinds}
        for name, kind in kinds.items():
            for path in getattr(stage.input, name):
                groups[name].update(stack.enter_context(open_h5(path, kind)))
        examples = []
        for video, number in chosen:
            flow = groups["flow"][video]["flow"][number].astype(np.float32)
            maps = {
                name: scaled_maps(groups["explanations"][video], name)[number] for name in params.explainers
            }
            selective = {name: maps[name] * groups["selective"][video][name][number] for name in maps}
            clip = groups["clips"][video]["clips"][number]
            examples.append(ExplainedClip(video, clip, moving_mask(flow, **params.moving), maps, selective))
    title = f"{stage.wildcards.model}: explanations, and what of them changes in time (σ = {params.sigma:g})"
    with atomic_path(stage.output.animation) as path:
        first, *others = relevance_animation(examples[: options["animated"]])
        first.save(path, save_all=True, append_images=others, duration=120, loop=0)
    with atomic_path(stage.output.sheet) as path:
        relevance_sheet(examples, title=title).savefig(path, dpi=110)


if __name__ == "__main__":
    run(main, globals())
