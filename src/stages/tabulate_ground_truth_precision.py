"""How well maps find what is known to matter, or to move (rule tabulate_ground_truth_precision)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import read_table, write_table
from voxplain.motion.tables import ground_truth_precision_table


def main(stage):
    found = pd.concat(
        [read_table(path, "ground_truth_scores") for path in stage.input.found], ignore_index=True
    )
    table = ground_truth_precision_table(found)
    write_table(stage.output[0], table, kind="ground_truth_precision", made_by=stage.made_by, csv=True)


if __name__ == "__main__":
    run(main, globals())
