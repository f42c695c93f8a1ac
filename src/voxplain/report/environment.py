"""How pages are written from templates."""

from __future__ import annotations

from pathlib import Path

import jinja2

from . import TEMPLATES


def page_environment(templates: Path = TEMPLATES) -> jinja2.Environment:
    """Templates of a folder, with everything escaped, and what is not given an error."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
