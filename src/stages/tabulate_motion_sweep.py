"""Curves over thresholds of selection and motion (rule tabulate_motion_sweep)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import read_table, write_table
from voxplain.motion.tables import motion_sweep_table


def main(stage):
    found = pd.concat([read_table(path, "sweep_scores") for path in stage.input.found], ignore_index=True)
    table = motion_sweep_table(found)
    write_table(stage.output[0], table, kind="motion_sweep", made_by=stage.made_by, csv=True)


if __name__ == "__main__":
    run(main, globals())
