"""Supervoxel occlusion: what the score loses when a supervoxel is painted over."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from ..device import batched
from ..errors import ConfigError
from ..supervoxels import segment_supervoxels
from . import EXPLAINERS
from .backward import at_targets, frozen


@EXPLAINERS("occlusion", conservative=False, signed=True, needs=("clips",))
def occlusion(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    labels: np.ndarray | torch.Tensor | None = None,
    clips: np.ndarray | torch.Tensor | None = None,
    n_segments: tuple[int, ...] | None = None,
    compactness: float | None = None,
    sigma: float | None = None,
    segmenter: str | None = None,
    segmenter_options: dict[str, Any] | None = None,
    fill: float = 0.0,
    batch: Annotated[int, Field(ge=1)] = 8,
) -> Tensor:
    """Supervoxel occlusion: the fall of the score when a supervoxel is filled, mean over levels.

    Parameters
    ----------
    labels : (N, levels, T, H, W) int, optional
        Supervoxels of each clip, from 1; what is labeled 0 gets no relevance.
    clips : (N, T, H, W, 3) uint8, optional
        Clips to segment where there are no labels; `explain` fills them in.
    n_segments, compactness, sigma, segmenter, segmenter_options
        How to segment; by default as `voxplain.segment_supervoxels` does, where the last two are method and
        options, or as a run's supervoxels were made.
    fill : float
        Value after normalization to paint with; 0 is the data's mean color.
    batch : int
        Occluded clips per forward pass.

    References
    ----------
    Zeiler and Fergus, Visualizing and understanding convolutional networks, ECCV (2014), section 4.2.
    """
    labels = supervoxels_of(
        inputs, labels, clips, n_segments, compactness, sigma, segmenter, segmenter_options
    )
    relevance = torch.zeros_like(inputs[:, 0])
    with frozen(model), torch.no_grad():
        scores = at_targets(model(inputs), targets)
        before = None
        for clip, target, score, levels, voxels in zip(
            inputs, targets, scores, labels, relevance, strict=True
        ):
            # A clip that is asked about for one class after the other has the same logits for all of them.
            if before is None or not (torch.equal(before[0], clip) and torch.equal(before[1], levels)):
                before, occluded = (
                    (clip, levels),
                    [_occluded(model, clip, level, fill, batch) for level in levels],
                )
            for level, (logits, index) in zip(levels, occluded, strict=True):
                voxels += (score - at_targets(logits, target.expand(len(logits))))[index] * (level > 0)
    return relevance / labels.shape[1]


def _occluded(
    model: nn.Module, clip: Tensor, level: Tensor, fill: float, batch: int
) -> tuple[Tensor, Tensor]:
    """Logits (supervoxels, classes) without each supervoxel of a level, and the row of every voxel's, (T, H, W)."""
    present, index = level.unique(return_inverse=True)
    return batched(lambda some: model(_painted(clip, level, some, fill)), present, batch), index


def supervoxels_of(
    inputs: Tensor,
    labels: np.ndarray | torch.Tensor | None,
    clips: np.ndarray | torch.Tensor | None,
    n_segments: tuple[int, ...] | None,
    compactness: float | None,
    sigma: float | None,
    segmenter: str | None,
    segmenter_options: dict[str, Any] | None,
) -> Tensor:
    """Supervoxels of clips, as given or as segmented; parameters as for `occlusion`.

    Returns
    -------
    (N, levels, T, H, W) int64, on the device of `inputs`

    Raises
    ------
    ConfigError
        There is nothing to segment, or the supervoxels are of other clips.
    """
    if labels is None:
        if clips is None:
            raise ConfigError("It needs uint8 clips to segment, or their supervoxels as option 'labels'.")
        clips = np.asarray(torch.as_tensor(clips).cpu())
        given = {"n_segments": n_segments, "compactness": compactness, "sigma": sigma}
        given |= {"method": segmenter, "options": segmenter_options}
        given = {name: value for name, value in given.items() if value is not None}
        found: list[np.ndarray] = []
        for number, clip in enumerate(clips):
            again = number and np.array_equal(clip, clips[number - 1])
            found.append(found[-1] if again else segment_supervoxels(clip, **given))
        labels = np.stack(found)
    labels = torch.as_tensor(np.asarray(labels).astype(np.int64), device=inputs.device)
    if labels.dim() != 5 or len(labels) != len(inputs) or labels.shape[2:] != inputs.shape[2:]:
        raise ConfigError(
            f"Supervoxels are {tuple(labels.shape)} for clips of {tuple(inputs.shape)}: "
            "give (N, levels, T, H, W)."
        )
    return labels


def _painted(clip: Tensor, level: Tensor, present: Tensor, fill: float) -> Tensor:
    """Copies of `clip` ``(3, T, H, W)``, each with one of the supervoxels `present` filled."""
    inside = level == present.reshape(-1, 1, 1, 1)
    return torch.where(inside[:, None], fill, clip)
