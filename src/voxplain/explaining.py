"""Explain clips by several methods, in batches that fit the memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from .device import batched
from .explainers import EXPLAINERS
from .explainers.entry import explain
from .models.trained import TrainedModel


def explain_by_all(
    model: TrainedModel,
    clips: np.ndarray,
    targets: torch.Tensor,
    explainers: Mapping[str, Mapping[str, Any]],
    *,
    labels: np.ndarray | None = None,
    segmentation: Mapping[str, Any] | None = None,
    batch: int = 8,
) -> dict[str, np.ndarray]:
    """Explain clips by every method.

    Parameters
    ----------
    model : TrainedModel
    clips : (N, T, H, W, 3) uint8
    targets : (N,) int64
        Class to explain.
    explainers : mapping of str to mapping
        method (by default the name) and options, by name.
    labels : (N, levels, T, H, W) uint16, optional
        Supervoxels of the clips, for methods that want them.
    segmentation : mapping, optional
        How `labels` were made: n_segments (one per level), compactness, sigma.
    batch : int
        Clips at once.

    Returns
    -------
    dict of str to (N, T, H, W) float32
    """
    maps = {}
    for name, settings in explainers.items():
        method, options = settings.get("method") or name, dict(settings.get("options", {}))
        levels = None if labels is None else _levels(method, options, segmentation or {})

        def some(rows: np.ndarray) -> np.ndarray:
            known = {} if levels is None else {"labels": labels[rows][:, levels]}
            return explain(model.network, clips[rows], targets[rows], method, **options, **known).cpu().numpy()

        maps[name] = batched(some, np.arange(len(clips)), batch)
    return maps


def _levels(method: str, options: Mapping[str, Any], segmentation: Mapping[str, Any]) -> list[int] | None:
    """Levels of the labels that a method would make itself with its options; None where it would make others."""
    plugin = EXPLAINERS[method]
    if "labels" not in plugin.schema.model_fields or "labels" in options:
        return None
    wanted = plugin.options(options)
    made = list(segmentation.get("n_segments", ()))
    same = all(wanted[key] == segmentation.get(key) for key in ("compactness", "sigma"))
    if not same or not set(wanted["n_segments"]) <= set(made):
        return None
    return [made.index(n) for n in wanted["n_segments"]]
