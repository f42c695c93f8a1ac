"""Everything together on tiny videos: every check, a new head, every rule, and the worked examples of docs/adding.md."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from snakemake.exceptions import WorkflowError
from tests.workflow import planning

from voxplain.models.trained import load_trained
from voxplain.tables import all_tables

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "tests" / "workflow" / "tiny_checks.yaml"
TARGETS = {"all", "concepts", "relevance", "checks", "validity"}
PAGE = (ROOT / "docs/adding.md").read_text(encoding="utf-8")
pytestmark = pytest.mark.slow


def snakemake(folder, *arguments, root):
    command = [sys.executable, "-m", "snakemake", "--configfile", TINY, "--cores", "2", "--directory", folder]
    command += ["--snakefile", root / "Snakefile", *arguments]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done


planned = partial(planning.planned, configfile="tiny_checks")


def executed(folder, *arguments, **options):
    """Names of the rules that a run executes, without targets."""
    done = snakemake(folder, *arguments, **options)
    told = (done.stdout + done.stderr).partition("Job stats:")[2]
    return set(re.findall(r"(?m)^(\w+) +\d+$", told)) - TARGETS - {"total"}


def rules_run(*folders):
    """Rules of finished runs, by their benchmark files."""
    return {path.name.partition(".")[0] for folder in folders for path in folder.rglob("benchmarks/*.tsv")}


def test_every_rule_is_run(concept_run, relevance_run, checks_run):
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--list-rules", "--configfile", TINY, "--snakefile", ROOT / "Snakefile"],
        capture_output=True, text=True, cwd=checks_run, check=True,
    )  # fmt: skip
    rules = {line.strip() for line in done.stdout.splitlines() if re.fullmatch(r"\w+", line.strip())}
    assert TARGETS < rules and len(rules - TARGETS) <= 46
    # At which precision networks are asked is decided where the config leaves it open: test_precision_workflow.py.
    assert rules - TARGETS - {"choose_precision"} == rules_run(concept_run, relevance_run, checks_run)


def test_every_stage_script_is_run(checks_run):
    used = set()
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        used |= set(re.findall(r"stages/(\w+)\.py", path.read_text()))
    assert used == {path.stem for path in (ROOT / "src/stages").glob("*.py")} - {"_stage"}


def test_every_table_and_figure_is_made_and_explained(checks_run):
    tables = checks_run / "results/tiny/tables"
    others = {"same_videos", "chosen_precision"}  # another run, and another config: tests of their own
    made = {name: entry for name, entry in all_tables().items() if not others & entry.needs}
    assert {path.stem for path in tables.glob("*.parquet")} == set(
        made
    )  # one run has no other to compare with
    for name, entry in made.items():
        columns = list(pd.read_parquet(tables / f"{name}.parquet").columns)
        assert set(columns) <= set(entry.columns), name
        known = set(entry.columns)
        # Of another run, and of the paper, there may be nothing.
        optional = {c for c in known if c.startswith(("compared", "other_", "difference"))}
        assert known - set(columns) <= (optional if name == "selected_share" else set()), name
        assert (tables / f"{name}.csv").read_text().splitlines()[0] == ",".join(columns)
        if entry.figure:
            with Image.open(checks_run / f"results/tiny/figures/{name}.png") as picture:
                assert picture.width > 300 and np.ptp(np.asarray(picture.convert("L"))) > 100


def test_a_new_head_is_fitted_to_given_weights(checks_run):
    home = checks_run / "results/tiny/models/r3d"
    history = pd.read_parquet(home / "seed0/training.parquet")
    assert list(history.columns) == ["epoch", "train_accuracy"] and history["train_accuracy"].item() > 0.5
    predictions = pd.read_parquet(home / "seed0/predictions.parquet")
    assert set(predictions["predicted"]) <= set(predictions["class"]) and len(predictions) == 6


def test_the_fill_mean_is_the_network_s_input_mean_and_edits_show_the_config_s_color(checks_run):
    home = checks_run / "results/tiny/models/r3d/seed0"
    model = load_trained(home / "weights.safetensors")
    assert tuple(model.fill("mean")) != (250, 20, 20)
    empty = {
        name: np.broadcast_to(model.fill(color), (1, 8, 32, 32, 3)).astype(np.uint8)
        for name, color in (("mean", "mean"), ("red", (250, 20, 20)))
    }
    logits = model.logits(empty["mean"])[0].astype(float)
    expected = dict(zip(model.classes, np.exp(logits) / np.exp(logits).sum(), strict=True))
    curves = pd.concat(map(pd.read_parquet, home.glob("layer3/perturbation_curves/*.parquet")))
    hidden = curves.query("fill == 'mean' and curve == 'deletion' and share > 0.999")
    assert len(hidden) and hidden["class"].nunique() == 2
    right = hidden["class"].map(expected).to_numpy()
    assert hidden["probability"].to_numpy() == pytest.approx(right, abs=1e-4)
    edits = pd.concat(map(pd.read_parquet, home.glob("layer3/edits/*.parquet")))
    assert set(edits["blank"]) == set(model.predict(empty["red"]))


def test_nothing_changed_runs_nothing_and_the_old_name_is_an_alias(checks_run):
    assert planned(checks_run) == planned(checks_run, "checks", "validity") == set()
    assert planned(checks_run, "validity", forcerun=["tabulate_checks"]) == {"tabulate_checks"}
    assert planned(checks_run, config=["parts=[concepts,relevance,validity]"]) == set()


def test_a_changed_threshold_remakes_the_tables_of_its_part_alone(checks_run):
    assert planned(checks_run, "concepts", config=["scores={alpha: 0.1}"]) == {"tabulate_concepts"}
    assert planned(checks_run, "checks", config=["checks={limit: 0.4}"]) == {"tabulate_checks"}


def test_the_report_shows_every_check_with_its_columns(checks_run):
    page = (checks_run / "results/tiny/report.html").read_text(encoding="utf-8")
    for entry in all_tables().values():
        if entry.part == "checks" and "same_videos" not in entry.needs:
            assert f"<h3>{entry.title}</h3>" in page
    assert 'title="place by importance within the class, from 1"' in page


def test_every_stage_keeps_to_its_declared_memory(concept_run, relevance_run, checks_run):
    for folder in (concept_run, relevance_run, checks_run):
        command = [sys.executable, "-m", "benchmarks.scale", "--memory", str(folder)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert {line.split()[0] for line in done.stdout.splitlines()} >= rules_run(folder)


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A copy of the checkout with the table and the check of docs/adding.md, as they stand there."""
    copy = tmp_path_factory.mktemp("extended")
    for name in ("workflow", "src", "config", "envs"):
        shutil.copytree(ROOT / name, copy / name)
    shutil.copy(ROOT / "Snakefile", copy)
    for kind in ("table", "check", "figure"):
        code = re.search(rf"<!-- {kind} -->\n```python\n(.*?)```", PAGE, re.DOTALL).group(1)
        # The last path before the example.
        path = re.findall(r"`(src/voxplain/[\w/]+\.py)`", PAGE.partition(f"<!-- {kind} -->")[0])
        place = copy / (path[-2] if kind == "table" else path[-1])
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(code)
    return copy


def test_a_table_is_one_function(checks_run, extended):
    target = "results/tiny/tables/motion_extremes.parquet"
    assert executed(checks_run, target, "--notemp", root=extended) == {"tabulate_relevance"}
    found = pd.read_csv(checks_run / "results/tiny/tables/motion_extremes.csv")
    scores = pd.concat(
        pd.read_parquet(path)
        for path in checks_run.glob("results/tiny/models/*/seed0/motion_scores/*.parquet")
    )
    own = scores.query("method == 'dtd' and not selective and `class` == 'disk_slide'")
    row = found.query("method == 'dtd' and `class` == 'disk_slide'")
    assert row["precision"].item() == pytest.approx(own["precision"].mean())
    assert row["n_clips"].item() == own["precision"].notna().sum()


def test_a_check_is_one_folder(checks_run, extended):
    arguments = ["--config", "checks={tables: [score_and_effect]}", "--", "checks"]
    assert executed(checks_run, *arguments, root=extended) == {"tabulate_checks"}
    found = pd.read_parquet(checks_run / "results/tiny/tables/score_and_effect.parquet")
    assert found["tau"].dropna().between(-1, 1).all() and len(found) == 2
    with Image.open(checks_run / "results/tiny/figures/score_and_effect.png") as picture:
        assert picture.width > 300


def test_an_unknown_check_says_the_mend(tmp_path):
    for name, wrong, right in (("tables", "stabilty", "stability"), ("variants", "offical", "official")):
        with pytest.raises(WorkflowError, match=f"did you mean '{right}'"):
            planned(tmp_path, config=[f"checks={{{name}: [{wrong}]}}"])
