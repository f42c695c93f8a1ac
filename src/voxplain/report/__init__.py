"""The report: one HTML file that says and shows what a run found.

A section is one template in ``templates/sections``; its file name gives its place, and it writes nothing
where the run lacks what it shows. `voxplain.report.builder.build_report` says what a section is given.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

TEMPLATES = Path(__file__).resolve().parent / "templates"


def templates_hash() -> str:
    """Hash of all templates, which `voxplain.provenance.code_hash` does not see, as they are no modules."""
    files = sorted(path for path in TEMPLATES.rglob("*") if path.suffix in (".j2", ".css", ".js"))
    texts = [str(path.relative_to(TEMPLATES)).encode() + b"\0" + path.read_bytes() for path in files]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]
