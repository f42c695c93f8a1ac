"""What every deviation changes (rule tabulate_presets)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import read_table, write_table
from voxplain.checks.presets.table import presets_table


def main(stage):
    read = lambda paths, kind: pd.concat([read_table(path, kind) for path in paths], ignore_index=True)  # noqa: E731
    selections = stage.input.selections
    table = presets_table(
        *(read(stage.input[name], f"variant_{name}") for name in ("scores", "edits", "agreement")),
        read(selections, "variant_selections") if len(selections) else None,
    )
    write_table(stage.output[0], table, kind="presets", made_by=stage.made_by, csv=True)


if __name__ == "__main__":
    run(main, globals())
