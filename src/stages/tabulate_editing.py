"""Accuracy with concepts added, or removed, with the paper's cells (rule tabulate_editing)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import read_table, write_table
from voxplain.evaluation import editing_table


def main(stage):
    edits = pd.concat([read_table(path, "edits") for path in stage.input.edits], ignore_index=True)
    edits = edits[edits["experiment"].isin([stage.wildcards.experiment, "none"])]
    table = editing_table(edits, pd.read_csv(stage.input.published))
    write_table(stage.output[0], table, kind=stage.wildcards.experiment, made_by=stage.made_by, csv=True)


if __name__ == "__main__":
    run(main, globals())
