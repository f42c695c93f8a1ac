"""Put the claims of the confirmatory runs into one small table, docs/confirm.csv (`make confirm` makes the runs first).

python -m benchmarks.confirm
python -m benchmarks.confirm --runs static_evidence    # of this run anew; the rows of others stay
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from voxplain.claims.table import LEVEL
from voxplain.statistics import adjust_p_values

# The embedded families in which the evidence does not stand out, in the order in which they are told. In the standard
# one it is the most colorful, largest moving thing, so that nothing can be confirmed there.
RUNS = ["which_motion", "static_evidence", "first_actor", "second_actor"]
DIGITS = 4
SHOWN = "run claim model method measure value best_control control_value difference p_adjusted p_adjusted_all verdict".split()


def collect(results: Path, runs: Sequence[str]) -> pd.DataFrame:
    """The tables claims of some runs as one, with the column ``run`` first; numbers are rounded to `DIGITS`.

    Each run's begins with the test accuracy of its networks, without a verdict: what a network has not learned, its
    explanation cannot show.
    """
    parts = []
    for run in runs:
        path = results / f"confirm_{run}" / "tables" / "claims.csv"
        if not path.exists():
            raise SystemExit(f"There is no {path}: `make confirm` makes it.")
        claims = pd.read_csv(path, keep_default_na=False, na_values=[""])
        parts.append(
            pd.concat([accuracies(path.with_name("model_accuracy.csv")), claims])[claims.columns].assign(
                run=f"confirm_{run}"
            )
        )
    table = pd.concat(parts, ignore_index=True)
    return table[["run", *table.columns.drop("run")]].round(DIGITS)


def over_all(table: pd.DataFrame) -> pd.DataFrame:
    """The table with p_adjusted_all: p-values corrected over the claims of all its runs, not of each run alone."""
    adjusted = adjust_p_values(table["p_value"].astype(float)).round(DIGITS)
    table = table.drop(columns="p_adjusted_all", errors="ignore")
    table.insert(table.columns.get_loc("p_adjusted") + 1, "p_adjusted_all", adjusted)
    return table


def renewed(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """The old table with the rows of some runs in place of those that it had, runs in the order of `RUNS`."""
    kept = old[~old["run"].isin(set(new["run"]))]
    order = {f"confirm_{run}": place for place, run in enumerate(RUNS)}
    table = pd.concat([kept, new])[new.columns]
    return table.sort_values("run", key=lambda runs: runs.map(order), kind="stable", ignore_index=True)


def accuracies(path: Path) -> pd.DataFrame:
    """Rows of the table model_accuracy over all classes, as rows of claims."""
    table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    rows = table[table["class"] == "all"]
    named = {"accuracy": "value", "n_videos": "n"}
    return rows.rename(columns=named)[["model", "value", "ci_low", "ci_high", "n"]].assign(
        claim="accuracy", statement="the network is right for the test videos", measure="share",
        method=[f"seed {seed}" for seed in rows["seed"]], unit="videos", n_seeds=1,
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.confirm", description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    parser.add_argument("--into", type=Path, default=Path("docs/confirm.csv"), metavar="FILE")
    parser.add_argument("--runs", nargs="+", default=RUNS, metavar="NAME", help="results/confirm_NAME each")
    given = parser.parse_args(arguments)
    table = collect(given.results, given.runs)
    if set(given.runs) < set(RUNS) and given.into.exists():
        table = renewed(pd.read_csv(given.into, keep_default_na=False, na_values=[""]), table)
    table = over_all(table)
    table.to_csv(given.into, index=False, lineterminator="\n")
    print(table[SHOWN].to_string(index=False, na_rep=""))
    judged, yes = table["verdict"].notna().sum(), table["verdict"] == "yes"
    print(
        f"\n{judged} claims, {yes.sum()} of them yes, {(yes & (table['p_adjusted_all'] <= LEVEL)).sum()} over all runs "
        f"together. Written to {given.into}."
    )


if __name__ == "__main__":
    main()
