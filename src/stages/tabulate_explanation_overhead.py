"""Table 4: what explanations and the selection cost (rule tabulate_explanation_overhead)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import read_table, write_table
from voxplain.motion.tables import explanation_overhead_table


def main(stage):
    found = pd.concat([read_table(path, "timings") for path in stage.input.found], ignore_index=True)
    table = explanation_overhead_table(found, pd.read_csv(stage.input.published))
    write_table(stage.output[0], table, kind="explanation_overhead", made_by=stage.made_by, csv=True)


if __name__ == "__main__":
    run(main, globals())
