"""Try faults and bad input, and write results/torture/summary.json and the table of docs/faults.md (`make torture`)."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from .core import OUTCOMES, Ended, run_all

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- torture: begin -->", "<!-- torture: end -->"


def kinds(quick: bool) -> dict[str, list]:
    """Tries by kind: all, or a few of each."""
    from . import files, strangers

    counts = {  # function: how many of its tries, and of a quick run
        "damaged files": (files.damaged, 24, 2),
        "full disk": (files.full, 14, 1),
        "killed while writing": (files.kills, 8, 1),
        "left by a killed run": (files.left_behind, 30, 3),
        "artifacts of something else": (files.misplaced, 40, 5),
        "several writers at once": (files.together, 20, 1),
        "weights: metadata": (strangers.metadata, 60, 4),
        "weights: checkpoints": (strangers.checkpoints, 60, 4),
        "weights: damage": (strangers.weights_damaged, 25, 2),
        "no weights": (strangers.no_weights, 30, 5),
        "bad videos": (strangers.videos, 60, 4),
        "video tables": (strangers.tables, 64, 2),
        "configs": (strangers.configs, 90, 3),
        "live page": (strangers.readers, 40, 3),
        "other users": (strangers.neighbours, 8, 4),
        "little memory": (strangers.little_memory, 24, 3),
    }
    return {name: list(function(few if quick else many)) for name, (function, many, few) in counts.items()}


def summary_of(ended: Sequence[Ended]) -> list[dict]:
    """Rows of results/torture/summary.json."""
    rows = []
    for kind in dict.fromkeys(one.kind for one in ended):
        found = [one.outcome for one in ended if one.kind == kind]
        rows.append(
            {"kind": kind, "tried": len(found)} | {outcome: found.count(outcome) for outcome in OUTCOMES}
        )
    return rows


def as_markdown(rows: Sequence[dict]) -> str:
    """The table of docs/faults.md."""
    total = {"kind": "all"} | {key: sum(row[key] for row in rows) for key in ("tried", *OUTCOMES)}
    lines = ["| kind | tried | lost | changed | unclear | unsafe |", "|---|---|---|---|---|---|"]
    return "\n".join(
        [*lines, *("| " + " | ".join(str(v) for v in row.values()) + " |" for row in [*rows, total])]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="torture", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="a few tries of each kind, and the docs stay as they are"
    )
    parser.add_argument(
        "--only", nargs="+", metavar="KIND", help="these kinds alone; the docs stay as they are"
    )
    parser.add_argument("--into", type=Path, default=ROOT / "results/torture", metavar="DIR")
    parser.add_argument("--parts", type=int, default=os.cpu_count() or 1, metavar="N", help="tries at once")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    torch.set_num_threads(1)  # a child of a process with threads has none of them
    chosen = {name: some for name, some in kinds(given.quick).items() if not given.only or name in given.only}
    ended = list(run_all(chosen, parts=given.parts, told=True))
    rows = summary_of(ended)
    given.into.mkdir(parents=True, exist_ok=True)
    (given.into / "summary.json").write_text(json.dumps(rows, indent=1) + "\n")
    (given.into / "tries.json").write_text(json.dumps([asdict(one) for one in ended], indent=1) + "\n")
    text = as_markdown(rows)
    print(f"{text}\n\n{time.monotonic() - began:.0f} s; written to {given.into}.")
    if not given.quick and not given.only:
        page = ROOT / "docs/faults.md"
        before, _, rest = page.read_text().partition(BEGIN)
        page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")
    return int(any(row[outcome] for row in rows for outcome in OUTCOMES))


if __name__ == "__main__":
    raise SystemExit(main())
