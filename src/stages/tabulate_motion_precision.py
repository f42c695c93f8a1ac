"""Table 1: precision of explanations and their selective counterparts (rule tabulate_motion_precision)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import read_table, write_table
from voxplain.motion.tables import motion_precision_table


def main(stage):
    found = pd.concat([read_table(path, "motion_scores") for path in stage.input.found], ignore_index=True)
    table = motion_precision_table(found, pd.read_csv(stage.input.published), empty=stage.params.empty)
    write_table(stage.output[0], table, kind="motion_precision", made_by=stage.made_by, csv=True)


if __name__ == "__main__":
    run(main, globals())
