"""Explain clips by several methods, in batches that fit the memory."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from .convolutions import FewClips
from .device import batched
from .errors import ConfigError
from .explainers import EXPLAINERS
from .explainers.entry import explain
from .explainers.gradcam import activation_norm
from .explainers.occlusion import supervoxels_of
from .explanation_store import ACTIVATION
from .models.layers import eager, uncompiled
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
        How the run's supervoxels, and `labels`, are made: what `voxplain.segment_supervoxels` is given, n_segments (one per level)
        at least. Without labels, methods that explain by supervoxels make them in this way.
    batch : int
        Clips at once.

    Returns
    -------
    dict of str to (N, T, H, W) float32
    """
    maps = {}
    for name, settings in explainers.items():
        method, options = settings.get("method") or name, dict(settings.get("options", {}))
        supervoxels = wanted_labels(method, options, labels, segmentation or {})
        if supervoxels is None and segmentation:
            options = segmented_by(method, options, segmentation)

        def some(rows: np.ndarray) -> np.ndarray:
            known = {} if supervoxels is None else {"labels": supervoxels[rows]}
            return (
                explain(model.network, clips[rows], targets[rows], method, **options, **known).cpu().numpy()
            )

        maps[name] = batched(some, np.arange(len(clips)), batch)
    return maps


def activation_control(model: TrainedModel, clips: np.ndarray, *, batch: int = 8) -> dict[str, np.ndarray]:
    """Norm of the network's last activation that still sees space, whatever the class: see `activation_norm`.

    Parameters
    ----------
    model : TrainedModel
    clips : (N, T, H, W, 3) uint8
    batch : int
        Clips at once.

    Returns
    -------
    dict
        control_activation: (N, T, H, W) float32. Nothing for a network that has no such layer, as Grad-CAM says of it.
    """
    network = uncompiled(model.network)

    def some(clips: np.ndarray) -> np.ndarray:
        with torch.autocast(model.device.type, enabled=False), eager(), FewClips():
            return activation_norm(network, model.inputs(clips)).float().cpu().numpy()

    try:
        return {ACTIVATION: batched(some, clips, batch)}
    except ConfigError:
        return {}


def mean_over_supervoxels(
    maps: np.ndarray,
    clips: np.ndarray,
    method: str,
    options: Mapping[str, Any],
    segmentation: Mapping[str, Any] | None = None,
) -> np.ndarray | None:
    """Maps averaged over the supervoxels that a method explains by, so that they are as fine as its own maps, and no finer.

    Parameters
    ----------
    maps : (N, T, H, W) float
    clips : (N, T, H, W, 3) uint8
    method, options
        The explainer, and its options.
    segmentation
        As for `explain_by_all`.

    Returns
    -------
    (N, T, H, W) float64 or None
        Mean over levels; what is in no supervoxel counts 0. None where the method does not explain by supervoxels.
    """
    if "labels" not in EXPLAINERS[method].schema.model_fields:
        return None
    own = segmented_by(method, options, segmentation) if segmentation else dict(options)
    names = ("n_segments", "compactness", "sigma", "segmenter", "segmenter_options")
    shown = torch.as_tensor(clips).movedim(-1, 1)
    labels = supervoxels_of(shown, own.get("labels"), clips, *(own.get(name) for name in names)).numpy()
    means = np.zeros(maps.shape)
    for values, levels, mean in zip(maps, labels, means, strict=True):
        for level in levels:
            total = np.bincount(level.ravel(), weights=values.ravel())
            mean += (total / np.maximum(np.bincount(level.ravel()), 1))[level] * (level > 0)
    return means / labels.shape[1]


def other_classes(names: Sequence[str], classes: Sequence[str], videos: Sequence[str]) -> list[str]:
    """For every clip a class that it is not explained by: of the others the one that its video's name decides.

    Parameters
    ----------
    names, videos : (N,) str
        Class that is explained, and video, of every clip.
    classes : sequence of str
        All, two or more.
    """
    return [
        classes[(classes.index(name) + 1 + zlib.crc32(video.encode()) % (len(classes) - 1)) % len(classes)]
        for name, video in zip(names, videos, strict=True)
    ]


def segmented_by(method: str, options: Mapping[str, Any], segmentation: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a method with those of a segmentation where it explains by supervoxels and is told no others."""
    fields = EXPLAINERS[method].schema.model_fields
    if "labels" not in fields or "labels" in options:
        return dict(options)
    given = {key: value for key, value in options.items() if value is not None}
    own = _segmenter_options(segmentation)
    if given.get("segmenter", own["segmenter"]) != own["segmenter"]:
        return dict(options)
    return {name: value for name, value in own.items() if value is not None} | given


def _segmenter_options(segmentation: Mapping[str, Any]) -> dict[str, Any]:
    """A segmentation by the names that explainers' options have."""
    return {
        "n_segments": list(segmentation["n_segments"]),
        "compactness": segmentation.get("compactness"),
        "sigma": segmentation.get("sigma"),
        "segmenter": segmentation.get("method", "slic"),
        "segmenter_options": segmentation.get("options", {}),
    }


def wanted_labels(
    method: str, options: Mapping[str, Any], labels: np.ndarray | None, segmentation: Mapping[str, Any]
) -> np.ndarray | None:
    """Supervoxels for a method that explains by them, so that it need not segment.

    Parameters
    ----------
    method, options
        The explainer, and its options: n_segments chooses levels of the labels; all by default. Labels that
        its other options of segmentation would not make are not wanted.
    labels, segmentation
        As for `explain_by_all`.

    Returns
    -------
    (N, levels, T, H, W) array or None
        None where the method wants none, or others than these.
    """
    if labels is None or "labels" not in EXPLAINERS[method].schema.model_fields or "labels" in options:
        return None
    asked = {key: value for key, value in options.items() if value is not None}
    known = _segmenter_options(segmentation)
    made = known.pop("n_segments")
    wanted = list(asked.get("n_segments", made))
    others = any(asked.get(key, value) != value for key, value in known.items())
    return None if others or not set(wanted) <= set(made) else labels[:, [made.index(n) for n in wanted]]
