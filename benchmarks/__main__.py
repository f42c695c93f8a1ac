"""Run every benchmark, print a table, and write results/bench/*.json (`make bench`)."""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent


def main() -> None:
    folder = Path("results/bench")
    folder.mkdir(parents=True, exist_ok=True)
    everything = []
    for module in pkgutil.iter_modules([str(HERE)]):
        if module.name != "__main__":
            rows = importlib.import_module(f"benchmarks.{module.name}").run()
            (folder / f"{module.name}.json").write_text(json.dumps(rows, indent=1) + "\n")
            everything += rows
    (folder / "summary.json").write_text(json.dumps(everything, indent=1) + "\n")
    print(pd.DataFrame(everything).to_string(index=False, float_format="{:.2f}".format))
    print(f"\nA ratio above 1 is faster than the peer. Written to {folder}/summary.json.")


if __name__ == "__main__":
    main()
