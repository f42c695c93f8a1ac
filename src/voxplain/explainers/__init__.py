"""Explainers: clips and target classes in, relevance on the clips' own grid out.

A plug-in is ``name(model, inputs, targets, *, options) -> relevance`` with `inputs` ``(N, 3, T, H, W)``
float as the network takes them, `targets` ``(N,)`` int64 and relevance ``(N, T, H, W)`` float32, summed
over channels. Its traits: ``conservative`` (relevance sums to the 1 that starts at the target), ``signed``
(relevance can be negative) and ``needs`` (options that `explain` fills in where it can).
"""

from __future__ import annotations

from ..registry import Registry

EXPLAINERS = Registry("explainer", "voxplain.explainers")
BY_SUPERVOXELS = (
    "occlusion",
    "rise",
    "lime",
    "kernel_shap",
)  # those with an option labels; known without importing torch
__all__ = ["BY_SUPERVOXELS", "EXPLAINERS", "explain"]


def __getattr__(name: str):
    if name == "explain":
        from .entry import explain

        return explain
    raise AttributeError(f"module 'voxplain.explainers' has no attribute {name!r}")
