"""Concepts by what they show, and whether scores rank them by it (rule tabulate_concept_ground_truth)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import read_table, write_table
from voxplain.checks.concept_ground_truth.table import ground_truth_table


def main(stage):
    concepts = pd.concat([read_table(path, "concept_shares") for path in stage.input], ignore_index=True)
    first = ["model", "seed", "layer", "variant", "class", "rank", "concept"]
    concepts = concepts[[*first, *concepts.columns.difference(first, sort=False)]].sort_values(first[:6])
    tables = {"concept_ground_truth": ground_truth_table(concepts), "concept_shares": concepts}
    for name, table in tables.items():
        write_table(stage.output[name], table, kind=name, made_by=stage.made_by, csv=True)


if __name__ == "__main__":
    run(main, globals())
