"""The workflow as a module of another one, planned from another folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
SNAKEFILE = """
configfile: "settings.yaml"

module voxplain:
    snakefile: {snakefile!r}
    config: config["voxplain"]

use rule * from voxplain as voxplain_*

rule done:
    default_target: True
    input: rules.voxplain_concepts.input
"""


def test_another_workflow_can_use_all_rules(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(snakefile=str(ROOT / "workflow/Snakefile")))
    tiny = yaml.safe_load((ROOT / "tests/workflow/tiny.yaml").read_text())
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump({"other": 1, "voxplain": tiny}))
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--directory", str(tmp_path)]
    done = subprocess.run(
        [*command, "--snakefile", str(tmp_path / "Snakefile")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert (
        "voxplain_train_model" in done.stdout and "results/tiny/tables/concept_scores.parquet" in done.stdout
    )
    # What the module needs of its own lies beside it, not in the other workflow's folder.
    assert str(ROOT / "config/published") in done.stdout


def test_the_catalogue_finds_what_it_asks_for():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"] == {"conda": True} and usage["report"] is True
    assert (ROOT / "workflow/Snakefile").is_file() and (ROOT / "config/README.md").is_file()
    assert (ROOT / "LICENSE").is_file() and (ROOT / "config/config.yaml").is_file()
