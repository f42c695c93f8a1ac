"""What is recorded of what made an artifact."""

from __future__ import annotations

import importlib.metadata
import subprocess
import tomllib
from pathlib import Path

from voxplain import provenance

ROOT = Path(__file__).resolve().parents[2]


def test_a_hash_names_the_libraries_that_are_used(monkeypatch):
    installed = {"python": "3.11", "torch": "2.7.1+cu126", "zennit": "0.5.1", "scikit-image": "0.25.2"}
    monkeypatch.setattr(provenance, "versions", lambda: installed)
    provenance.library_versions.cache_clear()
    try:
        stages = ROOT / "src/stages"
        explain = provenance.code_hash(stages / "explain_clips.py", plugins={"explainers": ["dtd"]})
        code, *used = explain.split()
        assert len(code) == 16 and used == ["torch-2.7", "zennit-0.5"]
        # Segmenting explainers use scikit-image, and gradients no zennit.
        gradient = provenance.code_hash(stages / "explain_clips.py", plugins={"explainers": ["gradient"]})
        assert gradient.split()[1:] == ["torch-2.7"] and gradient.split()[0] != code
        occlusion = provenance.code_hash(
            stages / "explain_clips.py", plugins={"explainers": ["occlusion"], "segmenters": ["slic"]}
        )
        assert occlusion.split()[1:] == ["torch-2.7", "scikit-image-0.25"]
        assert provenance.code_hash(stages / "find_concepts.py").split()[1:] == ["scikit-learn-none"]
        assert len(provenance.code_hash(stages / "score_concepts.py")) == 16
        accepted = provenance.code_hash(
            stages / "explain_clips.py",
            plugins={"explainers": ["dtd"]},
            accepted={"torch": "2.4", "av": "1.0"},
        )
        assert accepted == f"{code} torch-2.4 zennit-0.5"
    finally:
        provenance.library_versions.cache_clear()


def test_versions_cover_every_dependency():
    with open(ROOT / "pyproject.toml", "rb") as file:
        declared = tomllib.load(file)["project"]["dependencies"]
    names = {name.partition(">")[0].partition("=")[0].strip() for name in declared}
    assert names <= set(provenance.PACKAGES)
    found = provenance.versions()
    assert set(found) == {"python", *provenance.PACKAGES}
    assert found["torch"] == importlib.metadata.version("torch")


def test_record_finds_seeds_at_any_depth():
    made = provenance.record(
        rule="r", params={"seed": 1, "training": {"seed": 2, "lr": 0.1}, "k": 3}, code="c", device="cuda"
    )
    assert made["seeds"] == {"seed": 1, "training.seed": 2}
    assert (made["rule"], made["code"], made["device"]) == ("r", "c", "cuda")


def test_git_revision(tmp_path):
    assert provenance.git_revision(tmp_path) is None

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    git("init")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "first")
    commit = git("rev-parse", "HEAD").strip()
    assert provenance.git_revision(tmp_path) == commit
    (tmp_path / "a").write_text("2")
    assert provenance.git_revision(tmp_path) == f"{commit}-dirty"
