"""Layer-wise relevance propagation with the composite rules of later papers."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from zennit.rules import Epsilon

from . import EXPLAINERS
from .bounds import z_box
from .propagation import Gamma, Rules, ZPlus, check_rules, propagate


@EXPLAINERS("lrp_epsilon_plus", conservative=True, signed=True, needs=(), check=check_rules)
def lrp_epsilon_plus(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    epsilon: Annotated[float, Field(gt=0)] = 1e-9,
    pooling: Literal["proportional", "winner"] = "winner",
) -> Tensor:
    """LRP: epsilon rule in fully connected layers, z+ in convolutions.

    Biases take no relevance, so that it is conserved.

    Parameters
    ----------
    epsilon : float
        Added to a fully connected neuron's total before dividing by it; absorbs what it outweighs.
    pooling : {"proportional", "winner"}
        As in ``dtd``.

    References
    ----------
    Bach et al., On pixel-wise explanations ... by layer-wise relevance propagation, PLOS ONE 10 (2015);
    Kohlbrenner et al., Towards best practice in explaining neural network decisions with LRP, IJCNN (2020).
    """
    z_plus, dense = ZPlus(), Epsilon(epsilon)
    return propagate(model, inputs, targets, Rules(lambda _: z_plus, z_plus, dense, pooling))


@EXPLAINERS("lrp_gamma", conservative=True, signed=True, needs=("low", "high"), check=check_rules)
def lrp_gamma(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    gamma: Annotated[float, Field(ge=0)] = 0.25,
    epsilon: Annotated[float, Field(gt=0)] = 1e-9,
    pooling: Literal["proportional", "winner"] = "winner",
    low: float | list[float] | torch.Tensor | None = None,
    high: float | list[float] | torch.Tensor | None = None,
) -> Tensor:
    """LRP: z-box rule at the first layer, gamma in convolutions, epsilon in fully connected layers.

    Biases take no relevance, so that it is conserved.

    Parameters
    ----------
    gamma : float
        Weight given to positive contributions beyond the 1 that all have; z+ is the limit of large `gamma`.
    epsilon, pooling, low, high
        As in ``lrp_epsilon_plus`` and ``dtd``.

    References
    ----------
    Montavon et al., Layer-wise relevance propagation: an overview, in: Explainable AI (2019).
    """
    first = z_box(model, inputs, low, high)
    convolution, dense = Gamma(gamma), Epsilon(epsilon)
    return propagate(model, inputs, targets, Rules(first, convolution, dense, pooling))
