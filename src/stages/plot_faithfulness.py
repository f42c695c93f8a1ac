"""Figures of the checks of faithfulness (rules plot_faithfulness and those after it)."""

from importlib import import_module
from pathlib import Path

import pandas as pd
from _stage import run

from voxplain.artifacts import atomic_path, read_table
from voxplain.checks.concept_over_time.compute import read_windows


def main(stage):
    params = stage.params
    found = {
        name: pd.concat([read_table(path, kind) for path in stage.input[name]], ignore_index=True)
        for name, kind in params.kinds.items()
    }
    name = Path(stage.output[0]).stem
    if name == "concept_over_time":
        videos = found.pop("videos").set_index("video", drop=False)
        chosen = found["table"]["video"].unique()
        found["clips"] = {
            row.video: read_windows(row, step=params.window_step, **params.clips)[0]
            for row in videos.loc[chosen].itertuples(index=False)
        }
    figure = getattr(import_module(f"voxplain.checks.{name}.figure"), f"{name}_figure")(*found.values())
    with atomic_path(stage.output[0]) as path:
        figure.savefig(path, dpi=130)


if __name__ == "__main__":
    run(main, globals())
