"""Layer-wise relevance propagation through a whole network, one rule per kind of operation.

Zennit's rules do the arithmetic. They are applied to operations as they run (see `Interception`), on a
canonical form that is made on the way: a batch norm is merged into the convolution before it, a bias takes
no relevance, a residual sum and every average share it between their terms, an activation passes it on.
Zennit's own canonizers know the residual blocks of 2D networks only, and rewrite a network's parameters
meanwhile.

A neuron can be active by its bias alone, with nothing in its inputs to credit. Its relevance would be lost;
here it is shared as if each input were active, and each weight positive, by a hair.
"""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.utils import _triple
from zennit.core import BasicHook, Hook, stabilize
from zennit.rules import Gamma as GeneralGamma
from zennit.rules import Norm

from ..errors import VoxplainError
from .backward import (
    REARRANGEMENTS,
    Interception,
    OwnDerivative,
    at_targets,
    carries_gradient,
    frozen,
    operation_name,
    steps,
)  # fmt: skip

ACTIVATIONS = (
    "celu", "elu", "gelu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "mish", "prelu", "relu",
    "relu6", "selu", "sigmoid", "silu", "softplus", "tanh",
)  # fmt: skip
AVERAGES = (
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "avg_pool1d", "avg_pool2d",
    "avg_pool3d", "mean", "sum",
)  # fmt: skip
GATES = ("hardsigmoid", "sigmoid")
LINEAR = ("conv1d", "conv2d", "conv3d", "linear")
HAIR = 1e-12  # of an activation; too little to be seen beside any real one
HAIR_OF_WEIGHT = 1e-9
STABILIZER = 1e-30  # as good as none, so that relevance is shared exactly
TOLERANCE = 0.01
LEAST_GAMMA = 0.01  # below it float32 loses more than 1e-5 of the map


@dataclass(frozen=True)
class Rules:
    """Which rule each kind of operation gets.

    Attributes
    ----------
    first : callable
        Gives the rule of a linear operation that sees the clip itself, by its number: 0 for the first, and there are
        more where pathways begin side by side.
    convolution, dense : zennit.core.Hook
        Rules of the other convolutions and of the fully connected layers.
    pooling : {"proportional", "winner"}
        Whether max pooling shares relevance in proportion to the activations or gives it to the greatest, equally where
        several are.
    positive_sums : bool
        Whether a sum's terms share by their positive parts, so that relevance stays positive.
    """

    first: Callable[[int], Hook]
    convolution: Hook
    dense: Hook
    pooling: Literal["proportional", "winner"] = "proportional"
    positive_sums: bool = False


def propagate(model: nn.Module, inputs: Tensor, targets: Tensor, rules: Rules) -> Tensor:
    """Relevance of every voxel where each clip's target class starts with relevance 1.

    Returns
    -------
    Tensor, (N, T, H, W) float32
        Summed over channels. The sum over a clip is 1 where every rule conserves relevance.

    Warns
    -----
    UserWarning
        Relevance was lost or gained.

    Raises
    ------
    VoxplainError
        The network has operations without a rule, which the text names, or relevance is not finite.
    """
    inputs = inputs.detach().requires_grad_()
    with frozen(model):
        with Propagation(rules):
            scores = model(inputs)
        refuse_unruled(name for name, _ in steps(scores) if name not in RULED)
        relevance = torch.autograd.grad(at_targets(scores, targets).sum(), inputs)[0].sum(1)
    check_sums(
        relevance.flatten(1).sum(1), "Evidence for and against the class nearly cancels in some layer."
    )
    return relevance


def check_rules(model: nn.Module, inputs: Tensor) -> None:
    """See that all operations of a network have a rule, without explaining.

    Parameters
    ----------
    inputs : (N, 3, T, H, W) float
        Any that the network takes; network and inputs need no values (torch's meta device).

    Raises
    ------
    VoxplainError
        Some have none; the text names them.
    """
    none = Rules(lambda _: Hook(), Hook(), Hook())
    with frozen(model), Propagation(none):
        scores = model(inputs.detach().requires_grad_())
    refuse_unruled(name for name, _ in steps(scores) if name not in RULED)


def refuse_unruled(names: Iterable[str]) -> None:
    """See that the steps of a backward pass that have no rule, by autograd's names, are none.

    Raises
    ------
    VoxplainError
        There are some.
    """
    words = sorted({re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower() for name in names})
    if words:
        raise VoxplainError(
            f"Relevance has no rule for operations of this network: {', '.join(words)}. Choose attnlrp, which has rules "
            "for attention, layer norms and products, or an explainer that is no propagation, such as "
            "integrated_gradients or gradcam; or build the network from layers of torch.nn."
        )


def check_sums(sums: Tensor, cause: str) -> None:
    """See that relevance is finite and sums to 1.

    Parameters
    ----------
    sums : (N,) float
    cause : str
        Of what is lost or gained, as a sentence.

    Warns
    -----
    UserWarning
        It sums to something else.

    Raises
    ------
    VoxplainError
        It is not finite.
    """
    if not sums.isfinite().all():
        raise VoxplainError(
            f"Relevance is not finite. {cause} Choose an explainer that is not a propagation."
        )
    if (sums - 1).abs().max() > TOLERANCE:
        warnings.warn(
            f"Relevance sums to {sums.min():.3g} to {sums.max():.3g} over a clip, not 1. {cause}",
            stacklevel=5,
        )


class LinearDerivative(OwnDerivative):
    """`OwnDerivative` of a linear operation with weights."""


def sees_the_clip(input: Tensor) -> bool:
    """Whether no linear operation lies between the clip and a tensor."""
    return all(name != LinearDerivative.__name__ for name, _ in steps(input))


RULED = {*REARRANGEMENTS, OwnDerivative.__name__, LinearDerivative.__name__}


class Layer(nn.Module):
    """A linear operation in the form that zennit's rules take: a module with a weight, here without bias."""

    def __init__(self, operation: Callable[..., Tensor], weight: Tensor | None = None) -> None:
        super().__init__()
        self.operation = operation
        self.weight = weight if weight is None else nn.Parameter(weight, requires_grad=False)

    def forward(self, input: Tensor) -> Tensor:
        return self.operation(input) if self.weight is None else self.operation(input, self.weight)

    def scaled(self, scale: Tensor) -> Layer:
        """Return this layer with each output channel multiplied by `scale`."""
        return Layer(self.operation, self.weight * scale.reshape(-1, *[1] * (self.weight.dim() - 1)))


class Propagation(Interception):
    """A forward pass whose backward pass propagates relevance."""

    def __init__(self, rules: Rules) -> None:
        handlers: dict[str, Callable[..., Tensor]] = {name: passed for name in ACTIVATIONS}
        handlers |= {name: _gate for name in GATES}
        handlers |= {name: _average for name in AVERAGES}
        handlers |= {name: self.linear for name in LINEAR}
        handlers |= {"add": self.sum, "radd": self.sum, "sub": self.sum}
        handlers |= {"mul": self.product, "rmul": self.product}
        handlers |= {"div": self.quotient, "truediv": self.quotient}
        handlers["batch_norm"] = self.batch_norm
        proportional = rules.pooling == "proportional"
        handlers["max_pool3d"] = _proportional_pooling if proportional else _winner_pooling
        super().__init__(handlers)
        self.rules = rules
        self.first_layers = 0

    def linear(
        self, function: Callable, input: Tensor, weight: Tensor, bias: Any = None, *args, **kwargs
    ) -> Tensor:
        """Propagate through a convolution or fully connected layer by the rule of its kind."""
        layer = Layer(lambda x, w: function(x, w, None, *args, **kwargs), weight)
        if sees_the_clip(input):
            rule = self.rules.first(self.first_layers)
            self.first_layers += 1
        else:
            rule = self.rules.dense if weight.dim() == 2 else self.rules.convolution
        output = LinearDerivative.apply(
            lambda x: function(x, weight, bias, *args, **kwargs), by_zennit(rule, layer), input
        )
        output.made_by = input, layer, rule  # for a batch norm that may follow
        return output

    def batch_norm(
        self, function: Callable, input: Tensor, mean: Tensor, variance: Tensor, weight: Any = None,
        bias: Any = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
    ) -> Tensor:  # fmt: skip
        """Take a batch norm as part of the linear operation before it; without one, pass relevance on."""
        if training:  # by the statistics of its input: not linear, a step without a rule
            return function(input, mean, variance, weight, bias, training, momentum, eps)
        normalized = function(input.detach(), mean, variance, weight, bias, training, momentum, eps)
        if not hasattr(input, "made_by") or input._version:
            return OwnDerivative.apply(lambda _: normalized, lambda upper, _: (upper,), input)
        source, layer, rule = input.made_by
        layer = layer.scaled((variance + eps).rsqrt() * (1 if weight is None else weight))
        return LinearDerivative.apply(lambda _: normalized, by_zennit(rule, layer), source)

    def sum(self, function: Callable, a: Any, b: Any, **kwargs) -> Tensor:
        """Share the relevance of a sum or difference between its terms; a constant takes none."""
        if kwargs or not isinstance(b, Tensor | float | int):
            return function(a, b, **kwargs)  # a step without a rule
        if not (carries_gradient(a) and carries_gradient(b)):
            return passed(function, a, b) if carries_gradient(a) else passed(lambda y: function(a, y), b)
        sharing = share_positive if self.rules.positive_sums else share
        minus = operation_name(function.__name__) == "sub"

        def rule(upper: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
            return sharing(upper, a, -b if minus else b)

        return OwnDerivative.apply(function, rule, *torch.broadcast_tensors(a, b))

    def product(self, function: Callable, a: Any, b: Any, **kwargs) -> Tensor:
        """Pass relevance through a product with a constant or a gate, which takes none.

        For a gate: Arras et al., Explaining recurrent neural network predictions in sentiment analysis, WASSA (2017),
        section 3.2. For two other activations there is no rule.
        """
        if carries_gradient(a) and carries_gradient(b):
            if is_gate(a) == is_gate(b):
                return function(a, b, **kwargs)  # a step without a rule
            a, b = (b.detach(), a) if is_gate(a) else (a, b.detach())
        return passed(function, *((a, b) if carries_gradient(a) else (b, a)), **kwargs)

    def quotient(self, function: Callable, a: Any, b: Any, **kwargs) -> Tensor:
        """Pass relevance through a quotient by a constant."""
        if carries_gradient(b):
            return function(a, b, **kwargs)  # a step without a rule
        return passed(function, a, b, **kwargs)


def by_zennit(hook: Hook, layer: Layer) -> Callable[[Tensor, Tensor], tuple[Tensor]]:
    """Turn a rule of zennit into a rule of `OwnDerivative`."""

    def rule(upper: Tensor, input: Tensor) -> tuple[Tensor]:
        mine = hook.copy()
        # What a hook keeps of a forward pass; zennit 1.0 keeps keyword arguments, too, and 0.5 does not look at them.
        mine.stored_tensors.update(input=(_not_zero(input),), kwargs={})
        return mine.backward(layer, (input,), (upper,))

    return rule


def share(upper: Tensor, *terms: Tensor) -> tuple[Tensor, ...]:
    """Share relevance in proportion to the terms of a sum."""
    terms = tuple(map(_not_zero, terms))
    ratio = upper / stabilize(sum(terms), STABILIZER)
    return tuple(term * ratio for term in terms)


def share_positive(upper: Tensor, *terms: Tensor) -> tuple[Tensor, ...]:
    """Share relevance by the terms' positive parts (z+ with weights 1), or by the terms where none is."""
    positive = [term.clamp(min=0) for term in terms]
    none = sum(positive) == 0
    return share(upper, *(torch.where(none, term, part) for term, part in zip(terms, positive, strict=True)))


def _not_zero(values: Tensor) -> Tensor:
    return torch.where(values == 0, HAIR, values)


def passed(function: Callable, input: Tensor, *args, **kwargs) -> Tensor:
    """Pass relevance on as it is."""
    output = OwnDerivative.apply(lambda x: function(x, *args, **kwargs), lambda upper, _: (upper,), input)
    if output.shape == input.shape:
        return output
    # A constant that is larger: each of its positions passes what it is given.
    return OwnDerivative.apply(
        lambda x: function(x, *args, **kwargs), lambda upper, _: (upper,), input.expand(output.shape)
    )


def _gate(function: Callable, input: Tensor, *args, **kwargs) -> Tensor:
    output = passed(function, input, *args, **kwargs)
    output.gate = True
    return output


def is_gate(value: Tensor) -> bool:
    """Whether a tensor of shares in 0 to 1 was made by a sigmoid, to let through more or less of another."""
    return hasattr(value, "gate")


def _average(function: Callable, input: Tensor, *args, **kwargs) -> Tensor:
    layer = Layer(lambda x: function(x, *args, **kwargs))
    return OwnDerivative.apply(layer, by_zennit(Norm(STABILIZER), layer), input)


def _proportional_pooling(
    function: Callable, input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    dilation: Any = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """Share each window's relevance in proportion to its positive activations, as if it were their sum."""
    if return_indices or _triple(dilation) != (1, 1, 1):
        raise VoxplainError("Max pooling with dilation or indices: choose the option pooling='winner'.")
    size, step, before = (
        _triple(kernel_size),
        _triple(kernel_size if stride is None else stride),
        _triple(padding),
    )

    def rule(upper: Tensor, input: Tensor) -> tuple[Tensor]:
        edges = _edges(upper, input, size, step, before)
        sums = Layer(lambda x: F.avg_pool3d(F.pad(x, edges), size, step, divisor_override=1))
        return by_zennit(positive_shares(lambda x: x.clamp(min=HAIR)), sums)(upper, input)

    return OwnDerivative.apply(lambda x: function(x, size, step, before, ceil_mode=ceil_mode), rule, input)


def _winner_pooling(
    function: Callable, input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    dilation: Any = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """Give each window's relevance to its greatest activations in equal parts; autograd gives it to the first of them."""
    if return_indices:
        return function(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    size, apart, before = _triple(kernel_size), _triple(dilation), _triple(padding)
    step = _triple(kernel_size if stride is None else stride)
    spans = [(k - 1) * d + 1 for k, d in zip(size, apart, strict=True)]

    def rule(upper: Tensor, input: Tensor) -> tuple[Tensor]:
        edges = _edges(upper, input, spans, step, before)
        padded = F.pad(input, edges, value=-torch.inf)
        lower, offsets = torch.zeros_like(padded), list(itertools.product(*map(range, size)))

        def seen(values: Tensor, offset: tuple[int, ...]) -> Tensor:
            """What stands at one place of every window."""
            return values[(..., *[
                slice(o * d, o * d + (n - 1) * s + 1, s)
                for o, d, n, s in zip(offset, apart, upper.shape[-3:], step, strict=True)
            ])]  # fmt: skip

        most = function(input, size, step, before, apart, ceil_mode)
        winners = sum((seen(padded, offset) == most).to(upper.dtype) for offset in offsets)
        part = upper / winners
        for offset in offsets:
            seen(lower, offset).add_(torch.where(seen(padded, offset) == most, part, 0))
        return (F.pad(lower, [-edge for edge in edges]),)

    return OwnDerivative.apply(lambda x: function(x, size, step, before, apart, ceil_mode), rule, input)


def _edges(
    upper: Tensor, input: Tensor, size: Sequence[int], step: Sequence[int], before: Sequence[int]
) -> list[int]:
    """What the windows of a pooling take beyond its input, as for ``F.pad``; it depends on how its output was rounded."""
    after = [
        (windows - 1) * s + k - length - b
        for windows, s, k, length, b in zip(
            upper.shape[-3:], step, size, input.shape[-3:], before, strict=True
        )
    ]
    return [edge for pair in zip(before[::-1], after[::-1], strict=True) for edge in pair]


def positive_shares(*parts: Callable[[Tensor], Tensor]) -> BasicHook:
    """Rule that shares relevance in proportion to contributions none of which is negative.

    Parameters
    ----------
    *parts : callable
        Of the input: what contributes by positive weights and, if given, what does by negative ones.
    """
    weights = [
        lambda weight, _: weight.clamp(min=HAIR_OF_WEIGHT),
        lambda weight, _: -weight.clamp(max=-HAIR_OF_WEIGHT),
    ]
    return BasicHook(
        input_modifiers=parts,
        param_modifiers=weights[: len(parts)],
        output_modifiers=[lambda output: output] * len(parts),
        gradient_mapper=lambda upper, contributions: (
            [upper / stabilize(sum(contributions), STABILIZER)] * len(parts)
        ),
    )


class ZPlus(Hook):
    """The z+ rule, ``x+ w+`` and ``x- w-``, without its second half where, as after a ReLU, there is none."""

    after_relu = positive_shares(lambda x: x)
    both_halves = positive_shares(lambda x: x.clamp(min=0), lambda x: -x.clamp(max=0))

    def backward(self, module: nn.Module, grad_input: tuple, grad_output: tuple) -> tuple:
        input = self.stored_tensors["input"][0]
        rule = self.both_halves if (input < 0).any() else self.after_relu
        return by_zennit(rule, module)(grad_output[0], input)


class Gamma(Hook):
    """Zennit's gamma rule; where, as after a ReLU, no input is negative, with two passes each way instead of five and four.

    The output's sign and both of its denominators are sums of what the positive and what the negative weights give,
    and so is what goes back. Where gamma is next to nothing, these sums would be rounding.

    Parameters
    ----------
    gamma : float
        Multiplier of what is added: the positive part of the weights for outputs above 0, the negative for those below.
    """

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma
        self.both_halves = GeneralGamma(gamma, STABILIZER)

    def copy(self) -> Gamma:
        return Gamma(self.gamma)

    def backward(self, module: Layer, grad_input: tuple, grad_output: tuple) -> tuple:
        input, upper = self.stored_tensors["input"][0].detach(), grad_output[0]
        if self.gamma < LEAST_GAMMA or (input < 0).any():
            return by_zennit(self.both_halves, module)(upper, input)
        with torch.enable_grad():
            input.requires_grad_()
            for_, against = (
                Layer(module.operation, half)(input)
                for half in (module.weight.clamp(min=0), module.weight.clamp(max=0))
            )
        with torch.no_grad():
            output, more = for_ + against, 1 + self.gamma
            above = torch.where(output > 0, upper / stabilize(output + self.gamma * for_, STABILIZER), 0)
            below = torch.where(output < 0, upper / stabilize(output + self.gamma * against, STABILIZER), 0)
            back = more * above + below, above + more * below
        (gradient,) = torch.autograd.grad((for_, against), input, back)
        return (input.detach() * gradient,)
