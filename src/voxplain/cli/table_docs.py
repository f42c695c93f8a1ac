"""What the docs say of final tables, from their entries."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..tables import PARTS, USUAL, Table, all_tables

HEADINGS = {
    "networks": "Networks and data",
    "concepts": "Concepts (3D-ACE)",
    "relevance": "Relevance (Selective Relevance)",
    "checks": "Checks (what they ask and found: checks.md)",
    "claims": "Claims (what all of it comes to)",
}
NEEDS = {
    "ground_truth": "embedded data, or videos with masks or boxes",
    "exact_flow": "embedded data, or videos with exact flow",
    "same_videos": "where another run has the same videos with other labels",
    "chosen_precision": "where device.precision is not float32",
    "given_concepts": "where the config gives concepts",
    "common_clips": "where concepts and relevance have networks and clips in common",
}


def with_block(page: str, name: str, text: str) -> str:
    """A page whose block ``<!-- name: ... -->`` to ``<!-- end -->`` is this text."""
    return re.sub(
        rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end -->)",
        lambda match: f"{match[1]}\n{text}\n{match[2]}",
        page,
        flags=re.DOTALL,
    )


def artifacts_block() -> str:
    """Every final table with its columns, for docs/artifacts.md."""
    usual = "; ".join(f"`{name}`: {meaning}" for name, meaning in USUAL.items())
    sections = [f"Columns that many tables have: {usual}.\n"]
    for part in PARTS:
        sections.append(f"### {HEADINGS[part]}\n")
        sections += [_entry(entry) for entry in all_tables().values() if entry.part == part]
    return "\n".join(sections)


def checks_block() -> str:
    """The list of checks for docs/checks.md."""
    lines = ["| table | tells | figure | from |", "|---|---|---|---|"]
    for entry in all_tables().values():
        if entry.part == "checks":
            kinds = ", ".join(f"`{kind}`" for kind in dict.fromkeys(entry.inputs.values()))
            needs = "".join(f" ({NEEDS[need]})" for need in sorted(entry.needs))
            figure = "yes" if entry.figure else "no"
            lines.append(f"| `{entry.name}` | {entry.meaning}{needs} | {figure} | {kinds} |")
    return "\n".join(lines) + "\n"


def _entry(entry: Table) -> str:
    kinds = ", ".join(f"`{kind}`" for kind in dict.fromkeys(entry.inputs.values()))
    needs = "".join(f", {NEEDS[need]}" for need in sorted(entry.needs))
    return (
        f"#### {entry.name}\n{entry.title}{needs}. {entry.meaning} From {kinds}.\n\n{_columns(entry.columns)}"
    )


def _columns(columns: Mapping[str, str]) -> str:
    usual = ", ".join(f"`{name}`" for name, meaning in columns.items() if USUAL.get(name) == meaning)
    rows = [f"| `{name}` | {meaning} |" for name, meaning in columns.items() if USUAL.get(name) != meaning]
    table = "\n".join(["| column | meaning |", "|---|---|", *rows]) + "\n"
    return table + (f"\nAnd {usual}.\n" if usual else "")
