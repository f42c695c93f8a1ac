"""Run every benchmark, print a table, and write results/bench/*.json (`make bench`)."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="on tiny data: whether they run, not how fast")
    parser.add_argument("--into", type=Path, default=Path("results/bench"), metavar="DIR")
    given = parser.parse_args(arguments)
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


if __name__ == "__main__":
    main()
