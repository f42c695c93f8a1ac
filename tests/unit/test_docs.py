"""Pages of docs/ name what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from benchmarks.position_bias import as_markdown

from voxplain.artifacts import KINDS
from voxplain.tables import all_tables

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_every_kind_of_artifact_has_its_entry():
    found = re.findall(r"^### (\w+)$", (DOCS / "artifacts.md").read_text(), re.MULTILINE)
    assert len(found) == len(set(found)) and set(found) == set(KINDS) - set(all_tables())


def test_artifacts_lie_under_the_name_of_their_kind():
    page = (DOCS / "artifacts.md").read_text()
    for kind, path in re.findall(r"^### (\w+)\n`([^`]+)`", page, re.MULTILINE):
        assert re.search(rf"\b{kind}\b", path), (kind, path)


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link


def test_the_table_of_position_bias_is_that_of_its_file():
    table = pd.read_csv(DOCS / "position_bias.csv")
    assert as_markdown(table) in (DOCS / "method.md").read_text()


def test_what_the_papers_own_cells_come_to():
    """top - least over k = 1..5 of 3D-ACE's tables 1 and 2, as README and docs/discrepancies.md say it."""
    gaps = {}
    for experiment in ("addition", "removal"):
        table = pd.read_csv(DOCS.parent / f"config/published/concept_{experiment}.csv")
        cells = table.pivot_table(index=["model", "k"], columns="strategy", values="published")
        difference = 100 * (cells["top"] - cells["least"])
        assert (difference.groupby("model").size() == 5).all()
        gaps |= {
            (experiment, model): f"{value:+.1f}".replace("-", "\u2212")
            for model, value in difference.groupby("model").mean().items()
        }
    adding, removing = (
        [gaps[experiment, model] for model in ("r3d", "i3d")] for experiment in ("addition", "removal")
    )
    page = (DOCS / "discrepancies.md").read_text()
    assert (
        f"adding r3d {adding[0]} points, i3d {adding[1]}; removing r3d {removing[0]}, i3d {removing[1]};"
        in page
    )
    readme = (DOCS.parent / "README.md").read_text()
    assert (
        f"averages {adding[0]} (r3d) and {adding[1]} points (i3d) adding, {removing[0]} and {removing[1]} removing"
        in readme
    )


def test_numbers_of_the_readmes_further_findings_stand_on_the_pages_that_they_link_to():
    readme = (DOCS.parent / "README.md").read_text()
    section = readme.partition("\nFurther, on the demo's videos")[2].partition("\n## ")[0]
    bullets = re.split(r"\n- ", section)[1:]
    linked = [set(re.findall(r"\]\((docs/[\w.]+)", bullet)) for bullet in bullets]
    assert sum(map(bool, linked)) >= 3
    for bullet, pages in zip(bullets, linked, strict=True):
        if not pages:
            assert not re.search(r"\d\.\d", bullet), bullet  # no figure without a page
            continue
        text = "".join((DOCS.parent / page).read_text() for page in pages)
        known = set(re.findall(r"[+\u2212-]?\d+(?:\.\d+)?", text))
        known |= {number.lstrip("+-\u2212") for number in known}
        said = re.sub(r"\([^)]*\.md[^)]*\)|`[^`]*`", " ", bullet)
        numbers = re.findall(r"(?<![\w.])[+\u2212-]?\d+(?:\.\d+)?(?![\w.]*\w)", said)
        missing = [number for number in numbers if number not in known]
        assert not missing, (missing, bullet[:60])
