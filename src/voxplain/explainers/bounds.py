"""The z-box rule, for a first layer whose input has bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from zennit.core import Hook

from ..errors import VoxplainError
from .backward import Interception, frozen
from .propagation import LINEAR, LinearDerivative, positive_shares, sees_the_clip


def z_box(model: nn.Module, inputs: Tensor, low: Any, high: Any) -> Callable[[int], Hook]:
    """Make the z-box rule: contributions ``(x - low) w+`` and ``(x - high) w-``, none of which is negative.

    The bounds are carried to a first layer through whatever comes before it, so that padding, which has
    the value 0 whatever the clip, gets no relevance.

    Parameters
    ----------
    low, high : float, list of float (one per channel), Tensor or None
        Least and greatest value of a voxel; where None, those of each clip itself.

    Returns
    -------
    callable
        The rule by the number of the linear operation that sees the clip itself, for `voxplain.explainers.propagation.Rules`.

    Raises
    ------
    VoxplainError
        A clip leaves the bounds, or `model` has no such operation.
    """
    low = inputs.amin((1, 2, 3, 4), keepdim=True) if low is None else _per_channel(low, inputs)
    high = inputs.amax((1, 2, 3, 4), keepdim=True) if high is None else _per_channel(high, inputs)
    slack = 1e-4 * (high - low)
    if ((inputs < low - slack) | (inputs > high + slack)).any():
        raise VoxplainError(
            f"The clips' values reach from {inputs.min():.4g} to {inputs.max():.4g} and leave the bounds "
            "low and high. Give the bounds of clips as the network takes them, that is, after normalization."
        )

    def rule(number: int) -> Hook:
        least, most = (_at_first_layer(model, bound.expand_as(inputs), number) for bound in (low, high))
        return positive_shares(lambda x: (x - least).clamp(min=0), lambda x: (most - x).clamp(min=0))

    first = rule(0)
    return lambda number: rule(number) if number else first


def _per_channel(bound: float | list[float] | Tensor, inputs: Tensor) -> Tensor:
    bound = torch.as_tensor(bound, dtype=inputs.dtype, device=inputs.device)
    return bound.reshape(-1, 1, 1, 1) if bound.dim() == 1 else bound


class _Arrived(Exception):
    """Ends a forward pass at a linear operation, whose input it carries."""


def _at_first_layer(model: nn.Module, inputs: Tensor, number: int) -> Tensor:
    met = 0

    def stop(function: Callable, input: Tensor, *args, **kwargs) -> Tensor:
        nonlocal met
        if sees_the_clip(input):
            if met == number:
                raise _Arrived(input.detach())
            met += 1
        return LinearDerivative.apply(lambda x: function(x, *args, **kwargs), None, input)

    try:
        with frozen(model), Interception(dict.fromkeys(LINEAR, stop)):
            model(inputs.detach().requires_grad_())
    except _Arrived as arrived:
        return arrived.args[0]
    raise VoxplainError("The network has no convolution or linear layer to propagate relevance through.")
