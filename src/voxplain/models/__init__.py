"""Networks: built by name, with given weights, ready for hooks. Names load when first used."""

from __future__ import annotations

import importlib

_HOMES = {
    "MODELS": "base",
    "ModelSpec": "base",
    "build_model": "build",
    "load_model": "build",
    "model_options": "build",
    "normalize": "inputs",
    "head_features": "layers",
    "layer_names": "shapes",
    "record_layers": "layers",
    "replace_head": "layers",
    "load_weights": "weights",
    "save_weights": "weights",
}
__all__ = list(_HOMES)


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module 'voxplain.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
