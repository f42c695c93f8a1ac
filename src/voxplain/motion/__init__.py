"""Motion: selective relevance, optical flow, and how much of an explanation is motion.

The names below are loaded when first used, so that importing this package stays fast.
"""

from __future__ import annotations

import importlib

_HOMES = {
    "selective_relevance": "selective",
    "selective_sweep": "selective",
    "temporal_derivative": "selective",
    "FLOWS": "flow.base",
    "estimate_flow": "flow.base",
    "compensate_camera": "flow.camera",
    "read_flo": "flow.endpoint",
    "endpoint_error": "flow.endpoint",
    "agreement": "precision",
    "base_rate": "precision",
    "ground_truth_scores": "precision",
    "lift": "precision",
    "motion_precision": "precision",
    "moving_mask": "precision",
    "precision_curve": "precision",
    "render_flow": "precision",
    "render_relevance": "precision",
    "selectivity": "precision",
    "summarize": "precision",
}
__all__ = list(_HOMES)


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
