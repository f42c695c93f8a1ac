"""From cached clips to a network's input."""

from __future__ import annotations

import numpy as np
import torch

from .base import ModelSpec


def normalize(clips: torch.Tensor | np.ndarray, spec: ModelSpec) -> torch.Tensor:
    """Scale clips as the network expects them.

    Parameters
    ----------
    clips : (N, T, H, W, 3) uint8, or float in 0..255, RGB
    spec : ModelSpec
        The network's ``spec``; its mean and std are used.

    Returns
    -------
    (N, 3, T, H, W) float32, on the device of `clips`
    """
    clips = torch.as_tensor(clips).permute(0, 4, 1, 2, 3)
    # Clips keep channels last in memory, with which the CPU's convolutions are up to twice as fast.
    layout = torch.preserve_format if clips.device.type == "cpu" else torch.contiguous_format
    inputs = clips.to(torch.float32, memory_format=layout, copy=True)
    mean, std = (inputs.new_tensor(values).view(3, 1, 1, 1) for values in (spec.mean, spec.std))
    return inputs.sub_(mean).div_(std)
