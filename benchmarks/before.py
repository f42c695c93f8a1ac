"""Today's revision against an older one: both checked out side by side, whole runs alternating.

::

    python -m benchmarks.before a62ba2f                 # `make demo` of both
    python -m benchmarks.before a62ba2f --goal 2.5 -- --configfile config/real_clips.yaml --config data='{path: FOLDER}'

Prints processor and wall time of the whole runs, the jobs' wall time by rule, what processor time lies around the stages'
own computing, and the accuracy of the networks of both: faster with another accuracy is no gain. What follows ``--`` goes to Snakemake in both. Both use this Python and its
packages. Nothing is written into the checkout itself but ``results/bench/before.json``.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from voxplain.spent import read_spent

ROOT = Path(__file__).resolve().parents[1]
GOAL = 2.2  # of the demo's processor and wall time against a62ba2f


class Spent(NamedTuple):
    """What one whole run took, in seconds.

    Attributes
    ----------
    wall, processor : float
        Of the whole run.
    rules : Series
        Wall time of each rule's jobs together (index: rule).
    computing : float
        Processor time of the stages once their work had begun; NaN where a revision's logs do not say it.
    """

    wall: float
    processor: float
    rules: pd.Series
    computing: float


def check_out(revision: str, into: Path) -> Path:
    """A revision's files below a folder, without its history; ends with a sentence where git does not know it."""
    done = subprocess.run(["git", "-C", ROOT, "archive", revision], capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"git archive {revision}: {done.stderr.decode(errors='replace').strip()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(into, filter="data")
    return into


def accuracies(results: Path) -> dict[str, float]:
    """Test accuracy of each network, mean over seeds, of every run below a folder."""
    tables = [pd.read_parquet(path) for path in sorted(results.glob("*/tables/model_accuracy.parquet"))]
    found = pd.concat(tables) if tables else pd.DataFrame(columns=["model", "class", "accuracy"])
    # The column of classes, of which "all" is one, has had two names.
    return found[found.eq("all").any(axis=1)].groupby("model")["accuracy"].mean().to_dict()


def run_once(tree: Path, snakemake: Sequence[str]) -> Spent:
    """One whole run in a checked-out tree, from nothing."""
    shutil.rmtree(tree / "results", ignore_errors=True)
    before, started = os.times(), time.monotonic()
    log = tree / "snakemake.log"
    with log.open("w") as said:
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", *snakemake], cwd=tree, stdout=said, stderr=said, check=False,
            env=os.environ | {"PYTHONPATH": str(tree / "src")},
        )  # fmt: skip
    if done.returncode:
        sys.exit(f"the run failed in {tree}:\n{log.read_text(errors='replace')[-3000:]}")
    after = os.times()
    processor = (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )
    return Spent(
        time.monotonic() - started,
        processor,
        wall_by_rule(tree / "results"),
        computing(tree / "results"),
    )


def wall_by_rule(results: Path) -> pd.Series:
    """Seconds that each rule's jobs ran, together (index: rule), by Snakemake's benchmark files, which any revision has.

    Their processor time is not used: it is that of the last sample, up to 30 seconds before the end.
    """
    parts = [
        pd.read_csv(path, sep="\t")[["s"]].assign(rule=path.name.partition(".")[0])
        for path in sorted(results.rglob("benchmarks/*.tsv"))
    ]
    return pd.concat(parts).groupby("rule")["s"].sum() if parts else pd.Series(dtype=float)


def computing(results: Path) -> float:
    """Processor seconds of all stages once their work had begun, by their logs; NaN where none says it."""
    spent = read_spent(results.rglob("logs/*.log"))
    return (spent["processor"] - spent["begun"]).sum(min_count=1)


def compare(
    revision: str, today: str, snakemake: Sequence[str], folder: Path, *, times: int = 1
) -> dict[str, list[Spent]]:
    """``times`` runs of each revision, alternating; which of them begins changes from round to round."""
    trees = {"before": check_out(revision, folder / "before"), "today": check_out(today, folder / "today")}
    spent = {name: [] for name in trees}
    for round_ in range(times):
        for name in sorted(trees, reverse=bool(round_ % 2)):
            spent[name].append(run_once(trees[name], snakemake))
            print(
                f"{name}: {spent[name][-1].wall:.0f} s, {spent[name][-1].processor:.0f} s of processor",
                flush=True,
            )
    return spent


def ratios(spent: dict[str, list[Spent]], revision: str, goal: float) -> list[dict]:
    """Rows of part, against, ratio (of medians), low, high (of the rounds), goal, met."""
    rows = []
    for measure in ("processor", "wall"):
        values = {name: pd.Series([getattr(one, measure) for one in runs]) for name, runs in spent.items()}
        rounds = values["before"] / values["today"]
        ratio = values["before"].median() / values["today"].median()
        rows.append(
            {
                "part": f"whole run, {measure} time",
                "against": revision,
                "ratio": ratio,
                "low": rounds.min(),
                "high": rounds.max(),
                "goal": goal,
                "met": bool(ratio >= goal),
            }
        )
    return rows


def by_rule(spent: dict[str, list[Spent]]) -> pd.DataFrame:
    """Median wall seconds of each rule's jobs in both (index: rule; 0 where a revision does not have it)."""
    columns = {
        name: pd.concat([one.rules for one in runs], axis=1).median(axis=1) for name, runs in spent.items()
    }
    return pd.DataFrame(columns).fillna(0.0).sort_values("today", ascending=False)


def around(spent: dict[str, list[Spent]]) -> float | None:
    """Processor time of today's run that is no stage's computing, over that computing (median of the rounds)."""
    found = pd.Series([one.processor / one.computing - 1 for one in spent["today"]]).median()
    return None if pd.isna(found) else found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.before", description=__doc__.partition("\n")[0])
    parser.add_argument("revision", help="what to compare with, as git names it")
    parser.add_argument(
        "--today", default="HEAD", metavar="REVISION", help="what to compare (default: %(default)s)"
    )
    parser.add_argument("--times", type=int, default=1, help="runs of each (default: %(default)s)")
    parser.add_argument("--goal", type=float, default=GOAL, help="ratio to reach (default: %(default)s)")
    parser.add_argument("--into", type=Path, default=Path("results/bench"), metavar="DIR")
    parser.epilog = "What follows -- is for Snakemake (default: the demo, on all cores)."
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    ours = arguments.index("--") if "--" in arguments else len(arguments)
    given, snakemake = parser.parse_args(arguments[:ours]), arguments[ours + 1 :]
    if "--cores" not in snakemake:
        snakemake = ["--cores", "all", *snakemake]
    with tempfile.TemporaryDirectory() as folder:
        spent = compare(given.revision, given.today, snakemake, Path(folder), times=given.times)
        right = pd.DataFrame({name: accuracies(Path(folder) / name / "results") for name in spent})
    rows, rules = ratios(spent, given.revision, given.goal), by_rule(spent)
    given.into.mkdir(parents=True, exist_ok=True)
    written = {
        "ratios": rows,
        "seconds": rules.to_dict("index"),
        "around": around(spent),
        "accuracy": right.to_dict("index"),
    }
    (given.into / "before.json").write_text(json.dumps(written, indent=1) + "\n")
    print(rules[(rules > 5).any(axis=1)].to_string(float_format="{:.0f}".format), end="\n\n")
    if written["around"] is not None:
        print(
            f"around the stages' computing, today: {written['around']:.1%} of its processor time", end="\n\n"
        )
    print(right.to_string(float_format="{:.3f}".format), end="\n\n")
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.2f}".format))


if __name__ == "__main__":
    main()
