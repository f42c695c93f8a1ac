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
