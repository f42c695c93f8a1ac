"""``KEY=VALUE`` arguments, written as for ``snakemake --config``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from ..errors import ConfigError


def key_values(arguments: Iterable[str]) -> dict[str, Any]:
    """Read ``KEY=VALUE`` arguments; values are YAML.

    Raises
    ------
    ConfigError
        One has no ``=``, or its value is no YAML.
    """
    found = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not (key and equals):
            raise ConfigError(f"{argument!r} is not KEY=VALUE. Write, for example, width=10.")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigError(f"The value of {argument!r} is not YAML. Put it in quotes.") from None
    return found


def merge(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return `config` with `changes` laid over it, section by section."""
    merged = dict(config)
    for key, value in changes.items():
        inside = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if inside else value
    return merged
