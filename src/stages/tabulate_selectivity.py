"""Table 3: share of explanations that is selected (rule tabulate_selectivity)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import read_table, write_table
from voxplain.motion.tables import selectivity_table


def main(stage):
    found = pd.concat([read_table(path, "motion_scores") for path in stage.input.found], ignore_index=True)
    table = selectivity_table(found, pd.read_csv(stage.input.published), sigma=stage.params.sigma)
    write_table(stage.output[0], table, kind="selectivity", made_by=stage.made_by, csv=True)


if __name__ == "__main__":
    run(main, globals())
