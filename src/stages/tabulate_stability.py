"""How far ranks and scores depend on choices (rule tabulate_stability)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import read_table, write_table
from voxplain.checks.stability.table import stability_table


def main(stage):
    read = lambda paths, kind: pd.concat([read_table(path, kind) for path in paths], ignore_index=True)  # noqa: E731
    table = stability_table(
        read(stage.input.choices, "choices"),
        read(stage.input.importance, "supervoxel_importance"),
        read(stage.input.variants, "variant_agreement"),
    )
    write_table(stage.output[0], table, kind="stability", made_by=stage.made_by, csv=True)


if __name__ == "__main__":
    run(main, globals())
