"""``list``: plug-ins with their options, and layers of a network."""

from __future__ import annotations

import argparse
import importlib
import json
import typing
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..registry import Plugin, Registry
from .values import key_values

if TYPE_CHECKING:
    from ..models.shapes import Layer

REGISTRIES = {
    "models": "voxplain.models.base:MODELS",
    "explainers": "voxplain.explainers:EXPLAINERS",
    "segmenters": "voxplain.segmenters:SEGMENTERS",
    "flows": "voxplain.motion.flow.base:FLOWS",
    "classifiers": "voxplain.concepts.classifiers:CLASSIFIERS",
    "datasets": "voxplain.videos.adapters:DATASETS",
}


def main(arguments: argparse.Namespace) -> int:
    if arguments.kind == "layers":
        if arguments.network is None:
            raise ConfigError("Say which network's layers: python -m voxplain list layers NETWORK.")
        lines = layer_lines(
            arguments.network, key_values(arguments.options), arguments.frames, arguments.size
        )
    elif arguments.network is not None:
        raise ConfigError(
            f"Only layers are listed by network; write: python -m voxplain list {arguments.kind}."
        )
    else:
        lines = plugin_lines(registry(arguments.kind))
    print("\n".join(lines))
    return 0


def registry(kind: str) -> Registry:
    """The registry of a kind of plug-in."""
    module, _, name = REGISTRIES[kind].partition(":")
    return getattr(importlib.import_module(module), name)


def plugin_lines(plugins: Iterable[Plugin]) -> list[str]:
    """A line for each plug-in, and below it one for each of its options."""
    lines = []
    for plugin in plugins:
        lines.append(f"{plugin.name}: {plugin.summary}")
        for name, field in plugin.schema.model_fields.items():
            default = (
                "required" if field.is_required() else f"default {json.dumps(field.default, default=str)}"
            )
            lines.append(f"    {name}: {type_words(field.annotation, field.metadata)} ({default})")
    return lines


def layer_lines(network: str, options: dict[str, Any], frames: int, size: int) -> list[str]:
    """A line for each layer of a network: name, type, and shape of its output."""
    from ..models.build import build_model
    from ..models.shapes import layer_names

    model = build_model(network, **options)
    layers = layer_names(model, frames=frames, size=size)
    width = max(len(layer.name) for layer in layers)
    kind = max(len(layer.type) for layer in layers)
    usual = dict.fromkeys(model.spec.concept_layers, "  usual for concepts")
    usual[model.spec.concept_layers[0]] = "  default for concepts"
    return [
        f"{layer.name:<{width}}  {layer.type:<{kind}}  "
        f"{' x '.join(map(str, layer.shape))}{_axes_words(layer)}{usual.get(layer.name, '')}"
        for layer in layers
    ]


def _axes_words(layer: Layer) -> str:
    """What is unusual in a layer's axes: the usual ones are C x T x H x W, or a vector."""
    if layer.extra is not None:
        return "  as tokens"
    if layer.axes == "CTHW" or len(layer.shape) == 1:
        return ""
    return f"  {' x '.join(layer.axes)}" if layer.axes else "  not explained: no axes of time and space"


def type_words(annotation: Any, bounds: Iterable[Any] = ()) -> str:
    """Say a type in words, such as ``int, at least 1`` or ``"center" or "squash"``."""
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        inner, *more = arguments
        return type_words(inner, [*more, *bounds])
    if origin is typing.Literal:
        words = " or ".join(f'"{value}"' if isinstance(value, str) else str(value) for value in arguments)
    elif origin is list:
        words = f"list of {type_words(arguments[0])}"
    elif origin is tuple:
        words = "list of " + (
            type_words(arguments[0]) if arguments[-1] is ... else f"{len(arguments)} {_same(arguments)}"
        )
    elif origin is dict:
        words = "mapping"
    elif arguments:  # a union
        words = " or ".join(map(type_words, arguments))
    else:
        name = getattr(annotation, "__name__", str(annotation))
        words = {
            "str": "text",
            "bool": "true or false",
            "int": "integer",
            "float": "number",
            "NoneType": "null",
        }.get(name, name)
    return ", ".join([words, *_bounds(bounds)])


def _same(arguments: tuple[Any, ...]) -> str:
    return type_words(arguments[0]) if len(set(arguments)) == 1 else " and ".join(map(type_words, arguments))


def _bounds(bounds: Iterable[Any]) -> list[str]:
    """Bounds of a value in words, from pydantic's and annotated_types' metadata."""
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "multiple_of": "a multiple of"}
    found = []
    for bound in bounds:
        for part in getattr(bound, "metadata", None) or [bound]:
            found += [
                f"{word} {getattr(part, key)}"
                for key, word in words.items()
                if getattr(part, key, None) is not None
            ]
            if getattr(part, "min_length", None):
                found.append("not empty")
    return found
