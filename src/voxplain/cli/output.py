"""What commands write where the user says."""

from __future__ import annotations

from pathlib import Path

from ..artifacts import atomic_path
from ..errors import ConfigError


def write_output(path: Path, text: str) -> None:
    """Write a text file, whole or not at all.

    Raises
    ------
    ConfigError
        Where it cannot be written, with the option that names another place.
    """
    try:
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}): give another place by --output."
        ) from None
    print(f"wrote {path}")
