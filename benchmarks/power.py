"""How many videos a comparison of maps with their controls wants, from the spread that a run found.

python -m benchmarks.power results/pasted [--difference 0.1]

Of every explainer's AUROC for the evidence less that of the best control that knows no network, read in either direction
and chosen by the same videos: the spread over groups of videos (or videos), and how many of them find a true difference
in 80 of 100 cases.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from voxplain.artifacts import read_table
from voxplain.finished import tabulated
from voxplain.motion.controls import is_control, knows_network
from voxplain.statistics import units_needed
from voxplain.tables import with_groups


def spreads(scores: pd.DataFrame, target: str = "evidence") -> pd.DataFrame:
    """Per explainer: best control, mean and standard deviation over units of the difference in AUROC, and units.

    Parameters
    ----------
    scores : DataFrame
        The artifact ground_truth_scores of one network, with the column group where videos have groups.
    """
    whole = scores[(scores["target"] == target) & ~scores["selective"].astype(bool)]
    unit = "group" if "group" in whole else "video"
    wide = whole[whole["control_of"] == ""].pivot_table(index=unit, columns="method", values="auroc").dropna()
    # Not noise, which is no control that anything could be compared with.
    free = [name for name in wide if is_control(name) and not knows_network(name) and name != "random"]
    means = wide[free].mean()
    best = (means - 0.5).abs().idxmax()
    control, best = (wide[best], best) if means[best] >= 0.5 else (1 - wide[best], f"{best}_least")
    methods = [name for name in wide if not name.startswith("control_") and name != "random"]
    difference = wide[methods].sub(control, axis=0)
    found = pd.DataFrame(
        {"control": best, "mean": difference.mean(), "sd": difference.std(ddof=1), "units": len(wide)}
    )
    return found.rename_axis("method").reset_index()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.power", description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="results/<run>")
    parser.add_argument("--difference", type=float, default=0.1, help="of AUROCs")
    given = parser.parse_args(arguments)
    tables = sorted(given.run.glob("models/*/seed*/ground_truth_scores"))
    if not tables:
        raise SystemExit(f"{given.run} has no ground_truth_scores: it wants a run of videos with masks.")
    paths = (given.run.parent / "shared").glob("*/videos.parquet")
    listed = [read_table(path, "videos") for path in sorted(paths, key=lambda path: -path.stat().st_mtime)]
    for folder in tables:
        scores = pd.concat(
            [
                read_table(path, "ground_truth_scores")
                for path in tabulated(given.run, sorted(folder.glob("*.parquet")))
            ]
        )
        own = next((table for table in listed if set(scores["video"]) <= set(table["video"])), None)
        found = spreads(scores if own is None else with_groups(scores, own))
        found["needed"] = [units_needed(sd, given.difference) for sd in found["sd"]]
        print(
            f"{folder.parents[1].name}, {folder.parent.name}; needed: for a difference of {given.difference:g}"
        )
        print(found.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
