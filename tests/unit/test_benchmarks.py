"""Every benchmark runs, on tiny data, and writes what is promised; how fast is for `make bench` to say."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.__main__ import HERE, main

KEYS = {"part", "against", "ratio", "low", "high", "goal", "met"}


def test_all_benchmarks_run_and_are_summed_up(tmp_path: Path, capsys) -> None:
    main(["--quick", "--into", str(tmp_path / "bench")])
    rows = json.loads((tmp_path / "bench/summary.json").read_text())
    modules = sorted(path.stem for path in HERE.glob("*.py") if "\ndef run(" in path.read_text())
    assert len(modules) >= 5
    files = {name: json.loads((tmp_path / f"bench/{name}.json").read_text()) for name in modules}
    assert all(files.values()) and [row for name in modules for row in files[name]] == rows
    assert {path.stem for path in (tmp_path / "bench").iterdir()} == {*modules, "summary"}
    for row in rows:
        assert set(row) == KEYS and type(row["met"]) is bool
        assert 0 < row["low"] <= row["high"] and row["ratio"] > 0 and row["goal"] > 0
    assert len({row["part"] + row["against"] for row in rows}) == len(rows)
    table = capsys.readouterr().out
    assert all(row["part"] in table for row in rows)
