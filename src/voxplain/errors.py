"""Errors that a user can mend: each says what is wrong, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VoxplainError(Exception):
    """Something the user can mend. Stages print its text without a traceback."""


class ConfigError(VoxplainError):
    """The config, or a table it names, has an unknown key or an impossible value."""


class VideoError(VoxplainError):
    """A video file cannot be used; the text is the reason listed in the report."""


class ArtifactError(VoxplainError):
    """An artifact is missing, cut short, or of another schema version."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """End a sentence: ``"; did you mean 'x'?"`` with the closest of `choices`, or ``"."`` if none is close."""
    close = difflib.get_close_matches(str(word), [str(c) for c in choices], n=1)
    return f"; did you mean {close[0]!r}?" if close else "."
