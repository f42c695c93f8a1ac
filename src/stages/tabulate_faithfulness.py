"""Tables of the checks of faithfulness from their parts (rules tabulate_faithfulness and those after it)."""

from importlib import import_module
from pathlib import Path

import pandas as pd
from _stage import run

from voxplain.artifacts import read_table, write_table


def main(stage):
    params = stage.params
    found = {
        name: pd.concat([read_table(path, kind) for path in getattr(stage.input, name)], ignore_index=True)
        for name, kind in params.kinds.items()
    }
    name = Path(stage.output[0]).stem
    check = "concept_ablation" if name == "concept_ablation_agreement" else name
    table = getattr(import_module(f"voxplain.checks.{check}.table"), f"{name}_table")(*found.values())
    write_table(stage.output[0], table, kind=name, made_by=stage.made_by, csv=True)


if __name__ == "__main__":
    run(main, globals())
