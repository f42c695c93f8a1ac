"""Fixtures for every test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest

# A busy machine takes longer, and finds no fault by it.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parents[1]


# Fixtures that take minutes, and are made once.
RUNS = ("concept_run", "concept_report", "relevance_run", "relevance_report", "checks_run")


def shares_runs(path: Path) -> bool:
    """Whether a file's tests want whole runs; by its text, since some fixtures ask for another by its name."""
    text = path.read_text(encoding="utf-8")
    return any(name in text for name in RUNS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins."""
    sharing = {path for path in {item.path for item in items} if shares_runs(path)}
    items.sort(key=lambda item: item.path not in sharing)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Where several workers test (`make test`), each has whole files, and one of them all that share whole runs.

    pytest-xdist 3.8 has groups for this, but with pytest 9.2 they do nothing (findings/).
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return "runs" if shares_runs(ROOT / path) else path

    return ByFile(config, log)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real clips and golden arrays, which lies beside the checkout."""
    folder = ROOT.parent / "shared"
    if not (folder / "golden").is_dir():
        pytest.skip(f"needs the golden arrays and real clips in {folder}, which is missing")
    return folder


def run_workflow(folder: Path, name: str, *arguments: str) -> None:
    """Run Snakemake in a folder with the config tests/workflow/NAME.yaml; stages note what they run in ran/."""
    command = [sys.executable, "-m", "snakemake", "--configfile", ROOT / f"tests/workflow/{name}.yaml"]
    command += ["--cores", "2", "--directory", folder, "--snakefile", ROOT / "workflow/Snakefile", *arguments]
    path = os.pathsep.join(filter(None, [str(ROOT / "tests/workflow/traced"), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path, "RAN": str(folder / "ran")}
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]


@pytest.fixture(scope="session")
def run_named():
    """`run_workflow`, for tests that make what it runs on."""
    return run_workflow


@pytest.fixture(scope="session")
def concept_run(tmp_path_factory) -> Path:
    """Folder of a finished run of the first paper on tiny videos."""
    folder = tmp_path_factory.mktemp("concepts")
    run_workflow(folder, "tiny", "concepts")
    return folder


@pytest.fixture(scope="session")
def relevance_run(tmp_path_factory) -> Path:
    """Folder of a finished run of the second paper on tiny videos."""
    folder = tmp_path_factory.mktemp("relevance")
    run_workflow(folder, "tiny_relevance", "relevance")
    return folder


@pytest.fixture(scope="session")
def checks_run(tmp_path_factory) -> Path:
    """Folder of a finished run of everything on tiny videos, of a network with given weights and a new head."""
    from voxplain.models.build import build_model
    from voxplain.models.weights import save_weights

    folder = tmp_path_factory.mktemp("checks")
    network = build_model("r3d_18", None, 5, seed=0, width=4, depth=[1, 1, 1, 1])
    save_weights(network, folder / "weights.safetensors", {"classes": list("abcde")})
    run_workflow(folder, "tiny_checks")
    return folder


@pytest.fixture(scope="session")
def concept_report(concept_run) -> Path:
    """Report of the first paper's part alone."""
    run_workflow(concept_run, "tiny", "report", "--config", "parts=[concepts]")
    return concept_run / "results/tiny/report.html"


@pytest.fixture(scope="session")
def relevance_report(relevance_run) -> Path:
    """Report of the second paper's part alone."""
    run_workflow(relevance_run, "tiny_relevance", "report", "--config", "parts=[relevance]")
    return relevance_run / "results/tiny/report.html"
