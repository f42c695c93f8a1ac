"""A few faults of every kind, and the battery's own judgement."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.torture.__main__ import as_markdown
from benchmarks.torture.core import OUTCOMES, Try, Wrong, run_all, told

ROOT = Path(__file__).resolve().parents[2]


def hang(folder):
    signal.pause()


def traceback(folder):
    raise ValueError("a fault of the program")


def wrong(folder):
    raise Wrong("changed", "other numbers")


def leave(folder):
    os._exit(0)


def poor(folder):
    told("something went wrong", "train-000.h5")


@pytest.mark.parametrize(
    "call, outcome",
    [
        (lambda folder: None, "ok"),
        (hang, "lost"),
        (lambda folder: os.kill(os.getpid(), signal.SIGKILL), "lost"),
        (leave, "lost"),
        (traceback, "unclear"),
        (poor, "unclear"),
        (wrong, "changed"),
    ],
)
def test_an_end_is_judged_by_hand(call, outcome):
    (ended,) = run_all({"kind": [Try("it", call, seconds=0.5)]})
    assert (ended.kind, ended.name, ended.outcome) == ("kind", "it", outcome)


def test_a_few_faults_of_every_kind(tmp_path):
    command = [sys.executable, "-m", "benchmarks.torture", "--quick", "--into", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'src'}"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "summary.json").read_text())
    assert len(rows) >= 15 and sum(row["tried"] for row in rows) >= 60
    assert all(set(row) == {"kind", "tried", *OUTCOMES} for row in rows)
    assert all(row[outcome] == 0 for row in rows for outcome in OUTCOMES)


def test_the_table_of_the_docs_is_the_batterys():
    page = (ROOT / "docs/faults.md").read_text()
    (text,) = re.findall(r"<!-- torture: begin -->\n(.*)\n<!-- torture: end -->", page, re.DOTALL)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert rows[0] == ["kind", "tried", *OUTCOMES] and rows[-1][0] == "all" and int(rows[-1][1]) >= 500
    found = [dict(zip(rows[0], [row[0], *map(int, row[1:])])) for row in rows[2:-1]]
    assert as_markdown(found) == text and all(row[outcome] == 0 for row in found for outcome in OUTCOMES)
