"""Differences in accuracy between strategies, over all k (rule tabulate_concept_gaps)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import read_table, write_table
from voxplain.evaluation import gap_table


def main(stage):
    edits = pd.concat([read_table(path, "edits") for path in stage.input], ignore_index=True)
    write_table(stage.output[0], gap_table(edits), kind="concept_gaps", made_by=stage.made_by, csv=True)


if __name__ == "__main__":
    run(main, globals())
