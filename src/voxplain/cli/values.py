"""``KEY=VALUE`` arguments, written as for ``snakemake --config``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from ..config import Config
from ..errors import ConfigError


class _Once(yaml.SafeLoader):
    """YAML that notes keys that stand twice: all but the last are dropped."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.twice: list[str] = []

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        # Before values are made, which writes merged keys (``<<``) among a mapping's own.
        node = super().compose_mapping_node(anchor)
        seen: dict[Any, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    self.twice.append(
                        f"the key {key.value!r} stands twice, in lines {seen[key.value]} and {line}, and the first would be "
                        "dropped: put both into one."
                    )
                seen[key.value] = line
        return node


class _Loader(yaml.SafeLoader):
    """YAML whose keys are text, as they are to snakemake: a class or network may be called ``1`` or ``no``."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        return {
            self.construct_scalar(key): self.construct_object(value, deep=True) for key, value in node.value
        }


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a config file.

    Raises
    ------
    ConfigError
        It is missing, is no YAML, holds no keys, or one of them twice.
    """
    try:
        loader = _Once(Path(path).read_text(encoding="utf-8-sig"))
        config = loader.get_single_data()
    except OSError as error:
        raise ConfigError(f"The config {path} cannot be read ({error.strerror}). Correct its path.") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(f"The config {path} is not YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(config, dict):
        raise ConfigError(f"The config {path} holds no keys. Start from config/config.yaml.")
    if loader.twice:
        # What else is wrong with its keys, so that it is mended in one go.
        unknown = ", ".join(repr(key) for key in config if key not in Config.model_fields)
        more = f" Unknown keys besides: {unknown}." if unknown else ""
        raise ConfigError(f"The config {path}: {' Further, '.join(loader.twice)}{more}")
    return config


def key_values(arguments: Iterable[str]) -> dict[str, Any]:
    """Read ``KEY=VALUE`` arguments; values are YAML, and a key's later mappings are laid over its earlier ones.

    Raises
    ------
    ConfigError
        One has no ``=``, or its value is no YAML.
    """
    found: dict[str, Any] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not (key and equals):
            raise ConfigError(f"{argument!r} is not KEY=VALUE. Write, for example, width=10.")
        try:
            found = merge(found, {key: yaml.load(value, _Loader)})
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


def with_types(config: dict[str, Any], arguments: Iterable[str]) -> dict[str, Any]:
    """Return snakemake's `config` with the values of its ``--config`` as YAML has them.

    Snakemake reads what is nested there as text: ``options: {batch_norm: false}`` as the text ``false``, which
    counts as true. Only what `arguments` name is changed: files keep what they put in quotes.

    Parameters
    ----------
    config : dict
        As snakemake has it, with `arguments` laid over its files.
    arguments : iterable of str
        ``KEY=VALUE``, as given to snakemake.
    """
    given = key_values(arguments)
    return {key: _typed(value, given[key]) if key in given else value for key, value in config.items()}


def _typed(value: Any, given: Any) -> Any:
    if isinstance(value, dict) and isinstance(given, dict):
        return {key: _typed(inner, given[key]) if key in given else inner for key, inner in value.items()}
    if isinstance(value, list) and isinstance(given, list):
        return [_typed(*pair) for pair in zip(value, given, strict=True)]
    return given if isinstance(value, str) else value
