"""Run every benchmark, print a table, and write results/bench/*.json (`make bench`).

python -m benchmarks --page docs/speed.md    # without running any: puts what is in results/bench into that page
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- speed: written by python -m benchmarks --page docs/speed.md -->", "<!-- end -->"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="on tiny data: whether they run, not how fast")
    parser.add_argument("--into", type=Path, default=Path("results/bench"), metavar="DIR")
    parser.add_argument("--page", type=Path, metavar="FILE", help="only put what was measured into this page")
    given = parser.parse_args(arguments)
    if given.page is not None:
        given.page.write_text(filled(given.page.read_text(), measured(given.into)))
        return
    given.into.mkdir(parents=True, exist_ok=True)
    everything = []
    for module in pkgutil.iter_modules([str(HERE)]):
        found = None if module.name == "__main__" else importlib.import_module(f"benchmarks.{module.name}")
        if hasattr(found, "run"):  # others measure no speed, and are run alone
            rows = found.run(quick=given.quick)
            (given.into / f"{module.name}.json").write_text(json.dumps(rows, indent=1) + "\n")
            everything += rows
    (given.into / "summary.json").write_text(json.dumps(everything, indent=1) + "\n")
    print(pd.DataFrame(everything).to_string(index=False, float_format="{:.2f}".format))
    print(f"\nA ratio above 1 is faster than the peer. Written to {given.into}/summary.json.")


def measured(folder: Path) -> list[dict]:
    """Rows of the last `make bench` and, where there are some, of comparisons of two revisions."""
    rows = json.loads((folder / "summary.json").read_text())
    before = folder / "before.json"
    return rows + (json.loads(before.read_text())["ratios"] if before.exists() else [])


def filled(page: str, rows: Sequence[dict]) -> str:
    """A page with these rows as the table of its block ``<!-- speed -->`` to ``<!-- end -->``."""
    lines = ["| part | against | times as fast | to reach | |", "|---|---|---|---|---|"]
    lines += [
        f"| {row['part']} | {row['against']} | {row['ratio']:.2f} ({row['low']:.2f} to {row['high']:.2f}) "
        f"| {row['goal']:.2f} | {'yes' if row['met'] else 'no'} |"
        for row in rows
    ]
    before, begun, rest = page.partition(BEGIN)
    if not begun or END not in rest:
        raise SystemExit(f"The page has no block {BEGIN} to {END}.")
    return "\n".join([before + BEGIN, *lines, END]) + rest.partition(END)[2]


if __name__ == "__main__":
    main()
