"""README's findings are the rounded cells of docs/confirm.csv, which `make confirm` writes."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from benchmarks.confirm import RUNS, collect, main, over_all, renewed

ROOT = Path(__file__).resolve().parents[2]
CONFIRM = ROOT / "docs/confirm.csv"
BLOCK = re.compile(r"<!-- findings\b[^\n]*-->\n(.*?)<!-- end -->", re.DOTALL)
# A number that is no part of a name, such as r3d's or that of 3D-ACE.
NUMBER = re.compile(r"(?<![\w.])[+\u2212-]?(?:\d+(?:\.\d+)?|\.\d+)(?![\w.]*\w)")
# Controls by README's words for them.
NAMES = {
    "control_activation_answer": "the answer painted on the activation's norm",
    "control_activation_answer_occlusion": "the answer painted on the activation's norm and occlusion's supervoxels",
    "control_blueness": "blueness",
    "control_brightness_least": "brightness, least first",
    "control_motion": "flow against the camera",
    "control_still_contrast": "contrast of what stands still",
    "control_blurred_frame_difference": "blurred frame difference",
    "control_size": "size",
}


def read_confirm(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def wrong_findings(page: str, table: pd.DataFrame) -> list[str]:
    """What README's findings say that the table does not.

    Every row of the block's table names its rows of `table` in a comment, ``<!-- run=confirm_which_motion claim=adding
    model=r3d measure="first - last" -->``, and has the columns claim, method, value, best control, N and verdict. Of one
    row each cell is compared with its own columns: the value, and its interval where it has one; the best control's
    name and value; how many of which units; the verdict, before a colon. Of several rows the value is how many are yes,
    of how many. Numbers are rounded to their digits, and in percent where the cell says %.
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
        cells = [cell.strip() for cell in line[: keys.start()].strip().strip("|").split("|")]
        if len(cells) != 6:
            wrong.append(f"has {len(cells)} cells, not 6: {line}")
            continue
        wrong += [f"{problem}: {keys[1].strip()}" for problem in _wrong_cells(cells[2:], rows)]
    return wrong


def _wrong_cells(cells: list[str], rows: pd.DataFrame) -> Iterator[str]:
    value, control, units, verdict = cells
    (first, *others) = rows.to_dict("records")
    said = verdict.partition(":")[0].strip(" *")
    if {said} != set(rows["verdict"]):
        yield f"says {said!r}, but the verdicts are {sorted(set(rows['verdict']))}"
    if others:
        if value != f"{(rows['verdict'] == 'yes').sum()} of {len(rows)}":
            yield f"{value!r} is not how many are yes"
    else:
        ends = [first["value"], first["ci_low"], first["ci_high"]]
        yield from _wrong_numbers(value, ends[: 3 if "(" in value else 1])
    best = first["best_control"]
    if control and not others:
        yield from _wrong_numbers(control, [first["control_value"]])
        name = NUMBER.split(control)[0].rstrip(" ,")
        if name and name != NAMES.get(best):
            yield f"the best control is {best}, not {name!r}"
    elif isinstance(best, str) and not others:
        yield "lacks the best control"
    if units != f"{first['n']:.0f} {first['unit']}":
        yield f"{units!r} is not {first['n']:.0f} {first['unit']}"


def _wrong_numbers(cell: str, expected: list[float]) -> Iterator[str]:
    numbers = NUMBER.findall(cell)
    if len(numbers) != len(expected):
        yield f"{cell!r} has {len(numbers)} numbers, not {len(expected)}"
    for text, known in zip(numbers, expected, strict=False):
        number = text.replace("\u2212", "-").lstrip("+")
        digits = len(number.partition(".")[2])
        if f"{float(number):.{digits}f}" != f"{(100 if '%' in cell else 1) * known:.{digits}f}":
            yield f"{text} is not {known}"


@pytest.mark.skipif(not CONFIRM.exists(), reason="`make confirm` was not run yet")
def test_every_number_of_the_readmes_findings_is_a_cell():
    assert wrong_findings((ROOT / "README.md").read_text(), read_confirm(CONFIRM)) == []


@pytest.mark.skipif(not CONFIRM.exists(), reason="`make confirm` was not run yet")
def test_every_count_of_the_readmes_findings_is_that_of_the_table():
    """How many claims there are and hold, and of how many pairs of family and method selection has more than as much of the map."""
    page, table = (ROOT / "README.md").read_text(), read_confirm(CONFIRM)
    judged, yes = table["verdict"].notna().sum(), table["verdict"] == "yes"
    over_all_runs = (yes & (table["p_adjusted_all"] <= 0.05)).sum()
    assert (
        f"{yes.sum()} of {judged} claims in its own run, {over_all_runs} over the four runs together" in page
    )
    same_size = {"control_same_size", "control_same_size_per_frame"}
    for claim, words in (
        ("selection_on_evidence", "of the evidence"),
        ("selection_on_motion", "of what moves"),
    ):
        lists = table.loc[table["claim"] == claim, "not_beaten"].fillna("").str.split(", ")
        more = sum(not same_size & set(names) for names in lists)
        assert f"{words} in {more} of {len(lists)}" in page


TABLE = pd.DataFrame(
    {
        "run": "confirm_which_motion", "claim": ["adding", "adding", "maps_on_motion"], "model": "r3d",
        "measure": ["first - last", "first - random", "AUROC, moving"], "value": [0.3456, -0.15, 0.71],
        "ci_low": [0.1, -0.2, 0.6], "ci_high": [0.6, -0.1, 0.8], "p_value": [0.004, 0.1, float("nan")],
        "control_value": [0.1, 0.05, 0.7], "difference": [0.2456, -0.15, 0.01], "p_adjusted": [0.0123, 0.2, float("nan")],
        "best_control": ["control_size", "control_size", None], "n": [6, 6, 24], "unit": ["classes", "classes", "videos"],
        "verdict": ["yes", "no", "no"],
    }
)  # fmt: skip
LINE = '| adding (3D-ACE) | r3d | 0.35 (0.10 to 0.60) | size, 0.1 | 6 classes | **yes**: beyond all | <!-- claim=adding measure="first - last" -->'


@pytest.mark.parametrize(
    "line, says",
    [
        (LINE, None),
        (LINE.replace("0.35 (0.10 to 0.60)", "34.6 % (10 to 60)"), None),
        (LINE.replace("0.35 (0.10 to 0.60)", ".346"), None),
        (LINE.replace("0.35", "0.34"), "0.34 is not 0.3456"),
        (LINE.replace("0.35", "\u22120.35"), "is not 0.3456"),
        (LINE.replace("0.10 to", "0.25 to"), "0.25 is not 0.1"),  # another cell of the row
        (LINE.replace("0.10 to 0.60", "0.10"), "has 2 numbers"),
        (LINE.replace("size, 0.1", "size, 0.3"), "0.3 is not 0.1"),
        (LINE.replace("size, 0.1", "blueness, 0.1"), "the best control is control_size"),
        (LINE.replace("size, 0.1", ""), "lacks the best control"),
        (LINE.replace("6 classes", "6 videos"), "'6 videos' is not 6 classes"),
        (
            LINE.replace("**yes**: beyond all", "no: not beyond all"),
            "says 'no', but the verdicts are ['yes']",
        ),
        (LINE.partition("<!--")[0], "names no rows"),
        (LINE.replace("=adding", "=removing"), "has no rows of claim=removing"),
        (LINE.replace("| r3d ", ""), "has 5 cells"),
        ("| all | `r3d 99` | 0 of 2 | | 6 classes | no | <!-- verdict=no -->", None),
        ("| all | r3d | 1 of 2 | | 6 classes | no | <!-- verdict=no -->", "'1 of 2' is not how many"),
        (
            "| adding | r3d | \u221215 % | size, 5 % | 6 classes | no | <!-- claim=adding measure='first - random' -->",
            None,
        ),
    ],
)
def test_a_wrong_finding_is_found(line, says):
    page = f"text 99\n<!-- findings: of docs/confirm.csv -->\n| what | value |\n|---|---|\n{line}\n<!-- end -->\n"
    wrong = wrong_findings(page, TABLE)
    assert wrong == [] if says is None else len(wrong) == 1 and says in wrong[0], wrong


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
    assert "6 claims, 2 of them yes, 2 over all runs together" in capsys.readouterr().out
    written = read_confirm(tmp_path / "confirm.csv")
    pd.testing.assert_frame_equal(written.drop(columns="p_adjusted_all"), found, check_dtype=False)
    # .004 twice, .1 twice: of four p-values.
    assert written["p_adjusted_all"].dropna().tolist() == [0.008, 0.1, 0.008, 0.1]


def test_a_claim_that_holds_in_its_run_may_not_hold_over_all():
    p_values = pd.DataFrame({"run": ["a"] * 2 + ["b"] * 8, "p_value": [0.02] + [0.9] * 9, "p_adjusted": 0.04})
    found = over_all(p_values)
    assert found["p_adjusted_all"].iloc[0] == 0.2 and list(found.columns).index("p_adjusted_all") == 3
    pd.testing.assert_frame_equal(over_all(found), found)


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
