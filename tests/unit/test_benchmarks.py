"""Every benchmark runs, on tiny data, and writes what is promised; how fast is for `make bench` to say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks import before, concept_rankings, pixel_controls, power, real_videos, scale
from benchmarks.__main__ import BEGIN, END, HERE, main

from voxplain.config import load_config
from voxplain.videos.truth import IGNORED, Truth

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
    page = tmp_path / "speed.md"
    page.write_text(f"above\n{BEGIN}\nof last year\n{END}\nbelow\n")
    ratios = {"ratios": [{**rows[0], "part": "whole run", "met": False}]}
    (tmp_path / "bench/before.json").write_text(json.dumps(ratios))
    main(["--page", str(page), "--into", str(tmp_path / "bench")])
    assert page.read_text().startswith("above\n") and page.read_text().endswith(f"{END}\nbelow\n")
    assert "of last year" not in page.read_text()
    shown = table_of(page.read_text())
    assert [cells[0] for cells in shown] == [*(row["part"] for row in rows), "whole run"]
    assert [cells[4] for cells in shown] == [*("yes" if row["met"] else "no" for row in rows), "no"]


def test_a_page_without_a_place_for_the_table_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("[]")
    (tmp_path / "speed.md").write_text(f"above\n{BEGIN}\nand more")
    with pytest.raises(SystemExit, match="no block"):
        main(["--page", str(tmp_path / "speed.md"), "--into", str(tmp_path)])
    assert (tmp_path / "speed.md").read_text().endswith("and more")


def table_of(page: str) -> list[list[str]]:
    lines = page.partition(BEGIN)[2].partition(END)[0].strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_what_is_not_reached_has_its_reason() -> None:
    page = (HERE.parent / "docs/speed.md").read_text()
    reasons = re.findall(r"(?m)^- \*\*(.+?)\*\*", page.partition(END)[2])
    rows = table_of(page)
    assert len(rows) >= 20
    missed = [cells[0] for cells in rows if cells[4] == "no"]
    assert [part for part in missed if not any(part.startswith(reason) for reason in reasons)] == []
    assert [reason for reason in reasons if not any(part.startswith(reason) for part in missed)] == []


IN_GIT = (
    subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, check=False).returncode == 0
)


@pytest.mark.skipif(not IN_GIT, reason="the files came without their history")
def test_two_revisions_run_and_are_compared(tmp_path: Path, capsys) -> None:
    tiny = HERE.parent / "tests/workflow/tiny.yaml"
    before.main(
        ["HEAD", "--into", str(tmp_path / "bench"), "--",
         "--cores", "1", "--configfile", str(tiny), "--until", "list_videos"]
    )  # fmt: skip
    said = capsys.readouterr().out
    assert re.findall(r"(?m)^(\w+): \d+ s, \d+ s of processor$", said) == ["before", "today"]
    written = json.loads((tmp_path / "bench/before.json").read_text())
    assert [row["part"] for row in written["ratios"]] == ["whole run, processor time", "whole run, wall time"]
    for row in written["ratios"]:
        assert set(row) == KEYS and row["against"] == "HEAD"
        assert 0 < row["low"] <= row["ratio"] <= row["high"] and row["goal"] == before.GOAL
    assert set(written["seconds"]) == {"make_embedded_videos", "list_videos"}
    assert all(part["before"] > 0 and part["today"] > 0 for part in written["seconds"].values())
    assert written["around"] > 0


@pytest.mark.skipif(not IN_GIT, reason="the files came without their history")
def test_revisions_alternate(tmp_path: Path, monkeypatch) -> None:
    order = []
    monkeypatch.setattr(
        before,
        "run_once",
        lambda tree, asked: order.append((tree.name, asked)) or before.Spent(1, 1, pd.Series(), 1),
    )
    spent = before.compare("HEAD", "HEAD", ["-n"], tmp_path, times=3)
    assert order == [(name, ["-n"]) for name in ["before", "today", "today", "before", "before", "today"]]
    assert [len(runs) for runs in spent.values()] == [3, 3]
    assert (tmp_path / "before/Makefile").read_bytes() == (tmp_path / "today/Makefile").read_bytes()


def test_an_unknown_revision_is_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="git archive no-such-revision: "):
        before.check_out("no-such-revision", tmp_path)


def test_what_two_revisions_took(tmp_path: Path) -> None:
    old = before.Spent(100.0, 150.0, pd.Series({"train_model": 80.0, "gone": 20.0}), np.nan)
    seconds = pd.Series({"train_model": 30.0, "added": 6.0})
    new = [before.Spent(wall, 60.0, seconds, 48.0) for wall in (40.0, 60.0)]
    spent = {"before": [old, old], "today": new}
    processor, wall = before.ratios(spent, "v1", goal=2.2)
    assert (processor["ratio"], processor["low"], processor["high"], processor["met"]) == (
        2.5,
        2.5,
        2.5,
        True,
    )
    assert (wall["ratio"], wall["low"], wall["met"]) == (2.0, 100 / 60, False) and wall["high"] == 2.5
    rules = before.by_rule(spent)
    assert rules.loc["gone"].to_dict() == {"before": 20, "today": 0}
    assert rules.loc["added"].to_dict() == {"before": 0, "today": 6}
    assert before.around(spent) == 0.25


def test_what_jobs_took_is_read_from_their_own_files(tmp_path: Path) -> None:
    for name, seconds in {"train_model.0": "12.5", "train_model.1": "7.5", "report": "3.0"}.items():
        file = tmp_path / f"demo/benchmarks/{name}.tsv"
        file.parent.mkdir(parents=True, exist_ok=True)
        # The job was over before a first sample: only the wall time is known.
        file.write_text(f"s\tmax_rss\tcpu_time\n{seconds}\tNA\tNA\n")
    assert before.wall_by_rule(tmp_path).to_dict() == {"train_model": 20.0, "report": 3.0}
    assert before.wall_by_rule(tmp_path / "nowhere").empty
    assert np.isnan(before.computing(tmp_path))
    log = tmp_path / "demo/logs/report.log"
    log.parent.mkdir()
    log.write_text("spent: 3.00 s, 4.50 s of processor, 1.25 of them before it began, 300 MB at most\n")
    assert before.computing(tmp_path) == 3.25


@pytest.mark.parametrize("column", ["class", "label"])  # a class may be called as the column was
def test_accuracies_are_those_of_all_classes(tmp_path: Path, column: str) -> None:
    (tmp_path / "demo/tables").mkdir(parents=True)
    rows = [("r3d", 0, "all", 0.8), ("r3d", 1, "all", 0.6), ("r3d", 0, "disk", 0.1), ("c3d", 0, "all", 0.5)]
    table = pd.DataFrame(rows, columns=["model", "seed", column, "accuracy"])
    table.to_parquet(tmp_path / "demo/tables/model_accuracy.parquet")
    assert before.accuracies(tmp_path) == {"r3d": pytest.approx(0.7), "c3d": 0.5}
    assert before.accuracies(tmp_path / "nowhere") == {}


def test_what_pixels_find_without_a_network(monkeypatch) -> None:
    clip = np.full((3, 16, 16, 3), 90, np.uint8)
    clip[:, 2:6, 2:6], clip[1, 10:14, 10:14] = (
        (200, 90, 90),
        250,
    )  # the evidence is red, the distractor flashes
    labels = np.zeros((3, 16, 16), np.uint8)
    labels[:, 2:6, 2:6], labels[:, 10:14, 10:14], labels[:, 15] = 1, 2, IGNORED
    known = {"a": Truth(labels, {"evidence": [1], "distractor": [2]}), "b": None}
    monkeypatch.setattr(pixel_controls, "read_clips", lambda path, **cut: (clip[None], np.arange(3)[None]))
    monkeypatch.setattr(pixel_controls, "read_truth", lambda row, *_, **how: known[row["video"]])
    videos = pd.DataFrame({"video": ["a", "b"], "path": ["a.mp4", "b.mp4"]})
    found = pixel_controls.measure(
        load_config({"models": {"r3d": {"network": "r3d_18", "layers": ["layer3"]}}}), videos
    ).set_index("control")
    assert set(found["video"]) == {"a"}  # of b nothing is known
    assert found.loc["control_redness", ["evidence", "distractor"]].tolist() == [1, 1]
    assert found.loc["control_frame_difference", "distractor"] < 0.5
    assert found.loc["control_frame_difference", "evidence"] == pytest.approx(0.5, abs=0.05)


def test_orders_of_concepts_are_compared_with_the_runs_own() -> None:
    """Three classes of two networks: the effect is right in all cells, a control in one of two networks."""
    rows = [
        {"model": "m", "layer": "l", "seed": seed, "class": name, "concept": concept, "evidence": evidence,
         "effect": evidence, "control_size": evidence if seed else -evidence, "hidden": 0.0}
        for seed in (0, 1) for name in "abc" for concept, evidence in enumerate((1.0, 0.0, 0.0))
    ]  # fmt: skip
    found = concept_rankings.compare(pd.DataFrame(rows)).set_index("order")
    assert set(found.index) == {"effect", "control_size", "control_size_least", "hidden"}
    assert found["auroc"].to_dict() == {
        "effect": 1,
        "hidden": 0.5,
        "control_size": 0.5,
        "control_size_least": 0.5,
    }
    assert found["voxel_auroc"].equals(found["auroc"])  # concepts lie wholly on the evidence or off it
    assert found.loc["hidden", ["beyond", "beyond_low", "beyond_high"]].tolist() == [-0.5, -0.5, -0.5]
    assert found.loc["effect", ["auroc_low", "beyond"]].tolist() == pytest.approx(
        [3 / (3 + 1.959964**2), 0.0]
    )


def run_of_real_videos(folder: Path) -> Path:
    """The tables of a run that the page's blocks come from, a few rows each."""
    folder.mkdir(parents=True)
    ends = {"ci_low": 0.5, "ci_high": 0.75}
    maps = [
        {"model": "r3d", "method": method, "control_of": of, "subset": subset, "map": "whole", "measure": "evidence AUROC",
         "value": value, **ends}
        for method, of, value in (
            ("dtd", "", 0.7), ("control_redness", "", 0.6), ("control_size", "", 0.1), ("control_other_class", "dtd", 0.55)
        )
        for subset in ("all", "frozen", "frozen - moving")
    ]  # fmt: skip
    gaps = [
        {
            "model": "r3d",
            "experiment": "concept_addition",
            "better": better,
            "worse": worse,
            "gap": 0.1234,
            **ends,
        }
        for better, worse in (
            ("top", "control_size"),
            ("top", "random"),
            ("top - least", "control_size"),
            ("top", "least"),
        )
    ]
    claims = pd.DataFrame({"claim": ["adding", "adding", "faithful"], "verdict": ["no", "yes", "too few"]})
    tables = {"evidence_or_motion": pd.DataFrame(maps), "concept_gaps": pd.DataFrame(gaps), "claims": claims}
    for name, rows in tables.items():
        rows.to_parquet(folder / f"{name}.parquet")
    claims.to_csv(folder / "claims.csv")
    return folder


def test_tables_of_real_videos_are_put_into_the_page(tmp_path: Path, capsys) -> None:
    run_of_real_videos(tmp_path / "pasted/tables")
    page = tmp_path / "page.md"
    blocks = {
        "pasted maps": "old\n",
        "pasted gaps": "",
        "pasted claims": "",
        "pasted given": "old\n",
        "gestures gaps": "kept\n",
    }
    page.write_text(
        "".join(f"Before.\n<!-- measured: {name} -->\n{text}<!-- end -->\n" for name, text in blocks.items())
    )
    real_videos.main(["--results", str(tmp_path), "--page", str(page)])
    maps, gaps, claims, given, others = (
        part.split("<!-- end")[0] for part in page.read_text().split("-->\n")[1::2]
    )
    ends = "(0.50 to 0.75)"
    assert maps.splitlines() == [  # size finds it best, the least first
        "|  | all | frozen | another class, all |", "| --- | --- | --- | --- |",
        f"| r3d: dtd | 0.70 {ends} | 0.70 {ends} | 0.55 |",
        "| no network: size, least first | 0.90 (0.25 to 0.50) | 0.90 (0.25 to 0.50) |  |", f"| no network: redness | 0.60 {ends} | 0.60 {ends} |  |",
    ]  # fmt: skip
    assert gaps.splitlines()[2:] == [f"| {name} | +12.3 (50.0 to 75.0) |" for name in ("random", "size")]
    assert claims.splitlines()[-1] == "| all | 1 | 1 | 1 |"
    assert given == "" and others == "kept\n"  # the run has no such table; there is no such run
    real_videos.main(["--results", str(tmp_path)])
    assert "pasted maps" in capsys.readouterr().out
    page.write_text("<!-- measured: pasted nothing -->\n<!-- end -->\n")
    with pytest.raises(SystemExit, match="a block nothing"):
        real_videos.main(["--results", str(tmp_path), "--page", str(page)])
    with pytest.raises(SystemExit, match="No run of pasted"):
        real_videos.main(["--results", str(tmp_path / "nowhere")])


def test_every_block_of_the_page_of_real_videos_is_known() -> None:
    blocks = real_videos.BLOCK.findall((HERE.parent / "docs/real_videos.md").read_text())
    assert {name for _, _, name, *_ in blocks} <= set(real_videos.TABLES) and len(blocks) > 5


def test_a_plans_memory_is_its_own_whatever_the_process_that_plans_holds() -> None:
    held = np.ones(40_000_000)  # 320 MB
    done = subprocess.run([sys.executable, "-c", scale.MEASURED, "true"], capture_output=True, text=True)
    assert held.all() and 0 < int(done.stderr) < 100_000
    assert (
        subprocess.run([sys.executable, "-c", scale.MEASURED, "false"], capture_output=True).returncode == 1
    )


def test_power_compares_with_the_best_control_in_either_direction() -> None:
    aurocs = {"dtd": (0.8, 0.9, 0.7), "control_blueness": (0.1, 0.2, 0.0), "control_center": (0.7, 0.6, 0.8)}
    rows = [
        {"video": video, "method": name, "control_of": "", "selective": False, "target": "evidence", "auroc": auroc}
        for name, values in aurocs.items()
        for video, auroc in zip("abc", values, strict=True)
    ]  # fmt: skip
    found = power.spreads(pd.DataFrame(rows)).iloc[0]
    assert (found["method"], found["control"], found["units"]) == ("dtd", "control_blueness_least", 3)
    assert found["mean"] == pytest.approx(-0.1) and found["sd"] == pytest.approx(0.2)
