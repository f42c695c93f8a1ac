"""Share of relevance that is selected, also against another run's (rule tabulate_selected_share)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import read_table, write_table
from voxplain.motion.tables import selected_share_table


def main(stage):
    scores, other = (
        pd.concat([read_table(path, "motion_scores") for path in paths], ignore_index=True) if paths else None
        for paths in (stage.input.found, stage.input.get("other", []))
    )
    table = selected_share_table(scores, other, run=stage.params.compare_with)
    write_table(stage.output[0], table, kind="selected_share", made_by=stage.made_by, csv=True)


if __name__ == "__main__":
    run(main, globals())
