"""List the videos that could not be used, with the reason (rule tabulate_set_aside)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import read_table, write_table


def main(stage):
    table = pd.concat([read_table(path, "set_aside") for path in stage.input], ignore_index=True)
    write_table(stage.output[0], table, kind="set_aside", made_by=stage.made_by, csv=True)


if __name__ == "__main__":
    run(main, globals())
