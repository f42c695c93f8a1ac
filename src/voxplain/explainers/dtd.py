"""Deep Taylor decomposition."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from . import EXPLAINERS
from .bounds import z_box
from .propagation import Rules, ZPlus, check_rules, propagate


@EXPLAINERS("dtd", conservative=True, signed=False, needs=("low", "high"), check=check_rules)
def dtd(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    pooling: Literal["proportional", "winner"] = "proportional",
    low: float | list[float] | torch.Tensor | None = None,
    high: float | list[float] | torch.Tensor | None = None,
) -> Tensor:
    """Deep Taylor decomposition: z-box rule at the first layer, z+ without bias above.

    Parameters
    ----------
    pooling : {"proportional", "winner"}
        Whether max pooling shares relevance in proportion to the activations or gives it to the greatest, equally where
        several are.
    low, high : float, list of float or Tensor, optional
        Least and greatest value of a voxel as the network takes it, for all channels or each. `explain`
        fills them in for a network whose normalization it knows; otherwise they are those of each clip.

    References
    ----------
    Montavon et al., Explaining nonlinear classification decisions with deep Taylor decomposition, Pattern
    Recognition 65 (2017). Pooling in proportion: torchexplain, the code beside Hiley et al. (2020).
    """
    first = z_box(model, inputs, low, high)
    z_plus = ZPlus()
    return propagate(model, inputs, targets, Rules(first, z_plus, z_plus, pooling, positive_sums=True))
