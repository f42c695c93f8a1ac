"""Selected share and motion precision under presets and single deviations (rule select_variants)."""

import pandas as pd
from _stage import run
from tqdm import tqdm

from voxplain.artifacts import write_table
from voxplain.checks.presets.compute import select_by_variants
from voxplain.motion.clips import open_motion


def main(stage):
    params, parts = stage.params, []
    with open_motion(stage.input, params.explainers) as clips:
        for clip in tqdm(clips, total=len(clips), unit="clip", mininterval=10):
            rows = select_by_variants(
                clip.maps,
                clip.flow,
                pairs=clip.pairs,
                sigma=params.sigma,
                names=params.variants,
                relevant=params.relevant,
                moving=params.moving,
            )
            place = {"video": clip.video, "class": clip.class_name, "clip": clip.number}
            parts.append(pd.DataFrame(rows).assign(**place))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    table = table.assign(model=stage.wildcards.model, seed=int(stage.wildcards.seed))
    write_table(stage.output[0], table, kind="variant_selections", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
