"""Which method notices which randomization (rule tabulate_randomization)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import read_table, write_table
from voxplain.checks.randomization.table import randomization_table


def main(stage):
    read = lambda paths, kind: pd.concat([read_table(path, kind) for path in paths], ignore_index=True)  # noqa: E731
    shares = None
    if stage.input.shares:
        shares = read(stage.input.shares, "concept_shares")
        shares = shares.loc[shares["variant"] == "run", ["model", "seed", "class", "concept", "actor"]]
    table = randomization_table(
        read(stage.input.scores, "randomized_scores"),
        read(stage.input.maps, "randomized_maps"),
        read_table(stage.input.gaps, "concept_gaps"),
        shares,
        limit=stage.params.limit,
    )
    write_table(stage.output[0], table, kind="randomization", made_by=stage.made_by, csv=True)


if __name__ == "__main__":
    run(main, globals())
