"""README's findings are the rounded cells of docs/confirm.csv, which `make confirm` writes."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml
from benchmarks.confirm import RUNS, collect, main, renewed

ROOT = Path(__file__).resolve().parents[2]
CONFIRM = ROOT / "docs/confirm.csv"
BLOCK = re.compile(r"<!-- findings\b[^\n]*-->\n(.*?)<!-- end -->", re.DOTALL)
# A number that is no part of a name, such as r3d's or that of 3D-ACE.
NUMBER = re.compile(r"(?<![\w.])[+\u2212-]?(?:\d+(?:\.\d+)?|\.\d+)(?![\w.]*\w)")
VERDICTS = {"yes", "no", "opposite", "too few"}


def read_confirm(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def wrong_findings(page: str, table: pd.DataFrame) -> list[str]:
    """What README's findings say that the table does not.

    Every row of the block's tables names its rows of `table` in a comment, ``<!-- run=confirm_which_motion claim=adding
    model=r3d measure="first - last" -->``; every number of it is a cell of these rows, as it is or in percent, rounded
    to its digits, or the number of these rows or of those of one verdict; a cell that is a verdict is theirs.
    """
    block = BLOCK.search(page)
    if block is None:
        return ["there is no block <!-- findings ... --> to <!-- end -->"]
    lines = [line for line in block[1].splitlines() if line.strip().startswith("|")]
    wrong = [] if len(lines) > 2 else ["the block has no table"]
    for line in lines[2:]:  # behind the headings
        keys = re.search(r"<!--(.*?)-->", line)
        if keys is None:
            wrong.append(f"names no rows of docs/confirm.csv: {line}")
            continue
        rows = table
        for key, _, value in (part.partition("=") for part in shlex.split(keys[1])):
            rows = rows[rows[key].fillna("").astype(str) == value]
        if rows.empty:
            wrong.append(f"docs/confirm.csv has no rows of {keys[1].strip()}")
            continue
        shown = re.sub(r"<!--.*?-->|`[^`]*`|\]\([^)]*\)", " ", line)
        counts = {
            len(rows),
            *rows["verdict"].value_counts(),
            *(0 for word in VERDICTS if word not in set(rows["verdict"])),
        }
        cells = [float(cell) for cell in rows.select_dtypes("number").to_numpy().ravel() if cell == cell]
        for text in NUMBER.findall(shown):
            number = text.replace("\u2212", "-").lstrip("+")
            digits = len(number.partition(".")[2])
            rounded = {f"{factor * cell:.{digits}f}" for cell in cells for factor in (1, 100)} | {
                str(n) for n in counts
            }
            if f"{float(number):.{digits}f}" not in rounded:
                wrong.append(f"{text} is no cell of {keys[1].strip()}")
        said = {part.strip(" *") for part in shown.split("|")} & VERDICTS
        if said and said != set(rows["verdict"]):
            wrong.append(f"says {said} of {keys[1].strip()}, whose verdicts are {set(rows['verdict'])}")
    return wrong


@pytest.mark.skipif(not CONFIRM.exists(), reason="`make confirm` was not run yet")
def test_every_number_of_the_readmes_findings_is_a_cell():
    assert wrong_findings((ROOT / "README.md").read_text(), read_confirm(CONFIRM)) == []


TABLE = pd.DataFrame(
    {
        "run": "confirm_which_motion", "claim": ["adding", "adding", "maps_on_motion"], "model": "r3d",
        "measure": ["first - last", "first - random", "AUROC, moving"], "value": [0.3456, 0.2, 0.71],
        "control_value": [0.1, 0.05, 0.7], "difference": [0.2456, -0.15, 0.01], "p_adjusted": [0.0123, 0.2, float("nan")],
        "best_control": ["control_size", "control_size", None], "n": [6, 6, 24], "verdict": ["yes", "no", "no"],
    }
)  # fmt: skip
LINE = (
    '| adding (r3d, 3D-ACE) | 34.6 % | 0.25 | 6 classes | yes | <!-- claim=adding measure="first - last" -->'
)


@pytest.mark.parametrize(
    "line, says",
    [
        (LINE, None),
        (LINE.replace("34.6 %", ".35, p .012"), None),
        (LINE.replace("34.6", "34.7"), "34.7 is no cell"),
        (LINE.replace("0.25", "\u22120.25"), "is no cell"),
        (LINE.replace("| yes |", "| no |"), "whose verdicts are {'yes'}"),
        (LINE.partition("<!--")[0], "names no rows"),
        (LINE.replace("=adding", "=removing"), "has no rows of claim=removing"),
        ("| all | 1 of 3 | `r3d 99` | <!-- run=confirm_which_motion -->", None),
        ("| all | 1 of 4 | <!-- run=confirm_which_motion -->", "4 is no cell"),
        ("| adding | \u221215.0 | no | <!-- claim=adding measure='first - random' -->", None),
    ],
)
def test_a_wrong_finding_is_found(line, says):
    page = f"text 99\n<!-- findings: of docs/confirm.csv -->\n| what | value |\n|---|---|\n{line}\n<!-- end -->\n"
    wrong = wrong_findings(page, TABLE)
    assert wrong == [] if says is None else len(wrong) == 1 and says in wrong[0]


def test_a_page_without_findings_is_found():
    assert wrong_findings("nothing", TABLE) and wrong_findings(
        "<!-- findings: -->\nnone\n<!-- end -->", TABLE
    )


def test_claims_of_all_runs_are_one_table(tmp_path, capsys):
    for run in RUNS[:2]:
        path = tmp_path / f"confirm_{run}/tables/claims.csv"
        path.parent.mkdir(parents=True)
        more = {"method": "effect", "statement": "it holds"}
        TABLE.drop(columns="run").assign(**more, value=1 / 3, n=4).to_csv(path, index=False)
        accuracy = {
            "model": "r3d",
            "seed": 7,
            "class": ["all", "kick"],
            "accuracy": [0.75, 0.5],
            "ci_low": 0.6,
            "ci_high": 0.9,
        }
        pd.DataFrame(accuracy | {"n_videos": 80}).to_csv(path.with_name("model_accuracy.csv"), index=False)
    found = collect(tmp_path, RUNS[:2])
    assert list(found["run"]) == ["confirm_which_motion"] * 4 + ["confirm_static_evidence"] * 4
    assert list(found["value"]) == [0.75, 0.3333, 0.3333, 0.3333] * 2 and list(found.columns)[0] == "run"
    assert found.loc[0, ["claim", "method", "n"]].tolist() == ["accuracy", "seed 7", 80]
    with pytest.raises(SystemExit, match="make confirm"):
        collect(tmp_path, RUNS)
    main(["--results", str(tmp_path), "--into", str(tmp_path / "confirm.csv"), "--runs", *RUNS[:2]])
    assert "6 claims, 2 of them yes" in capsys.readouterr().out
    pd.testing.assert_frame_equal(read_confirm(tmp_path / "confirm.csv"), found, check_dtype=False)


def test_one_run_is_renewed_and_others_stay(tmp_path: Path) -> None:
    old = pd.DataFrame({"run": [f"confirm_{run}" for run in RUNS], "claim": "a", "value": range(len(RUNS))})
    new = pd.DataFrame({"run": f"confirm_{RUNS[1]}", "claim": ["a", "b"], "value": [7, 8]})
    found = renewed(old, new)
    assert found["run"].tolist() == [f"confirm_{RUNS[n]}" for n in (0, 1, 1, 2, 3)]
    assert found["value"].tolist() == [0, 7, 8, 2, 3]


def test_confirm_runs_what_is_there_and_on_no_seed_that_anything_was_chosen_on():
    commands = subprocess.run(
        ["make", "-n", "confirm"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    lines = [shlex.split(line) for line in commands.splitlines() if "--configfile" in line]
    assert [line[line.index("--config") + 1] for line in lines] == [f"run=confirm_{run}" for run in RUNS]
    for line in lines:
        first, second = line[line.index("--configfile") + 1 : line.index("--config")]
        assert second == "config/confirm.yaml"
        fresh = yaml.safe_load((ROOT / second).read_text())
        own = yaml.safe_load((ROOT / first).read_text())
        assert own["data"].get("seed", 0) != fresh["data"]["seed"] and "seed" not in own["data"].get(
            "options", {}
        )
        assert not set(own.get("seeds", [0])) & set(fresh["seeds"]) and len(fresh["seeds"]) >= 3
