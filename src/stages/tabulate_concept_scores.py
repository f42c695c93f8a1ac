"""All concepts with their scores and significance (rule tabulate_concept_scores)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import read_table, write_table
from voxplain.concepts.scores import mark_significant

COLUMNS = """model seed layer class concept score score_sd derivative effect p_value p_adjusted significant
n_supervoxels n_videos cav_accuracy rank""".split()


def main(stage):
    table = pd.concat([read_table(path, "class_scores") for path in stage.input], ignore_index=True)
    table = table.groupby(["model", "seed", "layer"], sort=False, group_keys=False)[
        table.columns.tolist()
    ].apply(mark_significant, alpha=stage.params.alpha)
    table = table.sort_values(["model", "seed", "layer", "class", "rank"])[COLUMNS]
    write_table(stage.output[0], table, kind="concept_scores", made_by=stage.made_by, csv=True)


if __name__ == "__main__":
    run(main, globals())
