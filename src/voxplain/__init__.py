"""Explain what 3D ConvNets look at in videos, and how much of it is motion.

The names below are loaded when first used, so that ``import voxplain`` stays fast.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_HOMES = {
    "segment_supervoxels": "supervoxels",
    "distinct_supervoxels": "supervoxels",
    "build_model": "models.build",
    "explain": "explainers",
    "selective_relevance": "motion.selective",
    "motion_precision": "motion.precision",
    "train_cavs": "concepts.cavs",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module 'voxplain' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
