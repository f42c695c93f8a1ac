"""`explain`: one entry point for every explainer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..convolutions import FewClips
from ..errors import ConfigError, VoxplainError
from ..models.inputs import normalize
from ..models.layers import eager, uncompiled
from . import EXPLAINERS


def explain(
    model: nn.Module, clips: np.ndarray | Tensor, targets: Any, method: str = "dtd", **options: Any
) -> Tensor:
    """Explain why `model` gives each clip's target class its score.

    Parameters
    ----------
    model : Module
        Maps ``(N, 3, T, H, W)`` float32 to scores ``(N, classes)``. It is left as it was.
    clips : array or Tensor
        ``(N, T, H, W, 3)`` uint8 RGB, which are normalized as ``model.spec`` says, or ``(N, 3, T, H, W)``
        float as the network takes them.
    targets : (N,) int, or one int for all clips
        Class to explain.
    method : str
        Name of a registered explainer; ``python -m voxplain list explainers`` lists them.
    **options
        The explainer's own.

    Returns
    -------
    Tensor, (N, T, H, W) float32
        Relevance of every voxel, summed over channels, on the model's device. Computed in float32 whatever
        the precision around it.

    Raises
    ------
    ConfigError
        Method, option or target is unknown.
    VoxplainError
        Clips have another shape or type, or the model does not say how it normalizes them.

    Examples
    --------
    >>> relevance = explain(model, clips, targets=[3, 5], method="gradcam")  # doctest: +SKIP
    """
    explainer, model = EXPLAINERS[method], uncompiled(model)
    device = next(model.parameters()).device
    clips = torch.as_tensor(clips)
    spec = getattr(model, "spec", None)
    known: dict[str, Any] = {}
    if clips.dtype == torch.uint8 and clips.dim() == 5 and clips.shape[-1] == 3:
        if spec is None:
            raise VoxplainError(
                "The network does not say how its clips are normalized: build it with "
                "voxplain.build_model, or give clips as it takes them, (N, 3, T, H, W) float."
            )
        inputs = normalize(clips.to(device), spec)
        known["clips"] = clips
    elif clips.is_floating_point() and clips.dim() == 5 and clips.shape[1] == 3:
        inputs = clips.to(device, torch.float32)
    else:
        raise VoxplainError(
            f"Clips are {str(clips.dtype).removeprefix('torch.')} {tuple(clips.shape)}: give "
            "(N, T, H, W, 3) uint8, or (N, 3, T, H, W) float as the network takes them."
        )
    if spec is not None:
        known |= {
            name: [(value - mean) / std for mean, std in zip(spec.mean, spec.std, strict=True)]
            for name, value in (("low", 0), ("high", 255))
        }
    defaults = {name: known[name] for name in explainer.traits["needs"] if name in known}
    options = explainer.options(defaults | options)
    with torch.autocast(device.type, enabled=False), eager(), FewClips():
        return explainer.function(model, inputs, _targets(targets, len(inputs), device), **options).detach()


def _targets(targets: Any, count: int, device: torch.device) -> Tensor:
    targets = torch.as_tensor(targets, device=device).reshape(-1)
    if targets.is_floating_point() or len(targets) not in (1, count):
        raise ConfigError(
            f"Targets are {targets.tolist()}: give one class number, or one for each of {count} clips."
        )
    return targets.long().expand(count)
