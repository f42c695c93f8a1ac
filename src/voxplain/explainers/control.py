"""A control that explains nothing: any metric of an explanation should beat it."""

from __future__ import annotations

import zlib

import torch
from torch import Tensor, nn

from . import EXPLAINERS


@EXPLAINERS("random", conservative=False, signed=False, needs=())
def random(model: nn.Module, inputs: Tensor, targets: Tensor, *, seed: int = 0) -> Tensor:
    """Uniform noise in [0, 1): a control without regard to the network.

    Parameters
    ----------
    seed : int
        Of the noise, together with the clip itself, so that results do not depend on the batch.
    """
    maps = []
    for clip in inputs.cpu():
        generator = torch.Generator().manual_seed(seed + zlib.crc32(clip.numpy().tobytes()))
        maps.append(torch.rand(clip.shape[1:], generator=generator))
    return torch.stack(maps).to(inputs)
