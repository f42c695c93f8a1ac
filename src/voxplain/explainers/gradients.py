"""Explainers that need nothing but gradients of the score with respect to the clip."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from . import EXPLAINERS
from .backward import input_gradient


@EXPLAINERS("gradient", conservative=False, signed=True, needs=())
def gradient(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """Gradient of the target's score.

    References
    ----------
    Simonyan et al., Deep inside convolutional networks, arXiv:1312.6034 (2013).
    """
    return input_gradient(model, inputs, targets).sum(1)


@EXPLAINERS("input_x_gradient", conservative=False, signed=True, needs=())
def input_x_gradient(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """Gradient times the voxel's value after normalization.

    References
    ----------
    Shrikumar et al., Not just a black box, arXiv:1605.01713 (2016).
    """
    return (inputs * input_gradient(model, inputs, targets)).sum(1)


@EXPLAINERS("integrated_gradients", conservative=False, signed=True, needs=())
def integrated_gradients(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    steps: Annotated[int, Field(ge=1)] = 32,
    baseline: float = 0.0,
) -> Tensor:
    """Mean gradient on the straight path from a uniform clip, times the difference.

    Relevance sums to the score's difference between the clip and the baseline, up to the quadrature.

    Parameters
    ----------
    steps : int
        Points of the Gauss-Legendre quadrature; each costs a forward and a backward pass.
    baseline : float
        Value of the uniform clip after normalization; 0 is the data's mean color.

    References
    ----------
    Sundararajan et al., Axiomatic attribution for deep networks, ICML (2017), equation (1).
    """
    points, weights = np.polynomial.legendre.leggauss(steps)
    difference = inputs - baseline
    total = torch.zeros_like(inputs)
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        total += weight * input_gradient(model, baseline + point * difference, targets)
    return (difference * total).sum(1)


@EXPLAINERS("smoothgrad", conservative=False, signed=True, needs=())
def smoothgrad(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    samples: Annotated[int, Field(ge=1)] = 16,
    noise: Annotated[float, Field(ge=0)] = 0.15,
    seed: int = 0,
) -> Tensor:
    """Mean gradient over noisy copies of the clip.

    Parameters
    ----------
    samples : int
        Noisy copies; each costs a forward and a backward pass.
    noise : float
        Standard deviation of the noise, as a share of the clip's range of values.
    seed : int
        Of the noise, which is the same for every clip, so that results do not depend on the batch.

    References
    ----------
    Smilkov et al., SmoothGrad: removing noise by adding noise, arXiv:1706.03825 (2017).
    """
    generator = torch.Generator().manual_seed(seed)
    deviation = noise * (inputs.amax((1, 2, 3, 4), keepdim=True) - inputs.amin((1, 2, 3, 4), keepdim=True))
    total = torch.zeros_like(inputs)
    for _ in range(samples):
        sample = torch.randn(inputs.shape[1:], generator=generator).to(inputs)
        total += input_gradient(model, inputs + deviation * sample, targets)
    return total.sum(1) / samples
