"""Table 2: agreement of explanations with each other (rule tabulate_baseline_agreement)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import read_table, write_table
from voxplain.motion.tables import baseline_agreement_table


def main(stage):
    found = pd.concat([read_table(path, "map_agreement") for path in stage.input.found], ignore_index=True)
    table = baseline_agreement_table(found, pd.read_csv(stage.input.published))
    write_table(stage.output[0], table, kind="baseline_agreement", made_by=stage.made_by, csv=True)


if __name__ == "__main__":
    run(main, globals())
