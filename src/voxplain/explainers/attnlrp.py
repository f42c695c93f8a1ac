"""Relevance through attention: AttnLRP.

Its rules give every input of an operation its value times a coefficient: the epsilon rule, with the epsilon gone, the
derivative; the identity rule for an activation its value over its input's; the uniform rule for a product the
derivative over the number of factors; deep Taylor decomposition of the softmax its derivative; a layer norm the
derivative with its deviation held. So the backward pass carries coefficients, and no share is divided by a sum that may
nearly cancel. Only at the first layer, where the z-box rule takes over, relevance itself is formed.
"""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from zennit.core import Hook, stabilize

from ..errors import VoxplainError
from . import EXPLAINERS
from .backward import Interception, OwnDerivative, at_targets, carries_gradient, frozen, operation_name, steps
from .bounds import z_box
from .propagation import (
    ACTIVATIONS,
    GATES,
    LINEAR,
    RULED,
    TOLERANCE,
    Layer,
    LinearDerivative,
    by_zennit,
    passed,
    refuse_unruled,
    sees_the_clip,
)

PRODUCTS = ("bmm", "einsum", "matmul", "mm", "mul", "multiply", "rmatmul", "rmul")
# Steps that are linear in what depends on the clip, by autograd's names; the first line, where one factor alone does.
FACTORS = {"Addmm", "Baddbmm", "Bmm", "Convolution", "Div", "Linear", "MkldnnLinear", "Mm", "Mul", "Mv"}
LINEAR_STEPS = FACTORS | {
    "AdaptiveAvgPool2D", "AdaptiveAvgPool3D", "Add", "AvgPool2D", "AvgPool3D", "MaskedFill", "Mean",
    "MkldnnAdaptiveAvgPool2D", "Neg", "Rsub", "Sub", "Sum", "UpsampleTrilinear3D", "Where",
}  # fmt: skip
STABILIZER = 1e-9  # of an activation's input


def check_rules(model: nn.Module, inputs: Tensor) -> None:
    """As `voxplain.explainers.propagation.check_rules`, of the rules here."""
    with frozen(model), AttentionPropagation(lambda _: Hook()):
        scores = model(inputs.detach().requires_grad_().clone())
    refuse_unruled(_without_rule(scores))


@EXPLAINERS("attnlrp", conservative=False, signed=True, needs=("low", "high"), check=check_rules)
def attnlrp(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    low: float | list[float] | torch.Tensor | None = None,
    high: float | list[float] | torch.Tensor | None = None,
) -> Tensor:
    """AttnLRP: relevance through attention, layer norms and products; z-box rule at the first layer.

    Relevance starts as the target's score. What it sums to is the score without what constants absorb: biases,
    embeddings of position and class tokens, and the softmaxes' terms of order zero. `attention_relevance` tells them.

    Parameters
    ----------
    low, high
        As in ``dtd``.

    References
    ----------
    Achtibat et al., AttnLRP: attention-aware layer-wise relevance propagation for transformers, ICML (2024),
    arXiv:2402.05602, section 3: propositions 3.1 (softmax), 3.2 and 3.3 (products), 3.4 (normalization), identity
    rule (equation 9).
    """
    return attention_relevance(model, inputs, targets, low=low, high=high)[0]


def attention_relevance(
    model: nn.Module, inputs: Tensor, targets: Tensor, *, low: Any = None, high: Any = None
) -> tuple[Tensor, dict[str, float]]:
    """`attnlrp` with what does not reach the clips.

    Returns
    -------
    relevance : Tensor, (N, T, H, W) float32
    absorbed : dict of str to float
        Relevance that biases, other constants (embeddings, class tokens, masks) and softmaxes took, summed over the
        clips. With that of the clips it sums to their scores.

    Warns
    -----
    UserWarning
        It does not, by more than 1 % of the scores.

    Raises
    ------
    VoxplainError
        The network has operations without a rule, which the text names, or relevance is not finite.
    """
    first = z_box(model, inputs, low, high)
    clips = inputs.detach().requires_grad_()
    propagation = AttentionPropagation(first)
    with frozen(model):
        with propagation:
            scores = model(clips.clone())
        refuse_unruled(_without_rule(scores))
        starts = at_targets(scores, targets)
        found = torch.autograd.grad(
            starts.sum(), [clips, *(constant for _, constant in propagation.constants)], allow_unused=True
        )
    relevance = found[0].sum(1)
    absorbed = propagation.absorbed
    for (kind, constant), coefficient in zip(propagation.constants, found[1:], strict=True):
        if coefficient is not None:
            absorbed[kind] += float((constant.detach() * coefficient).double().sum())
    if not relevance.isfinite().all():
        raise VoxplainError("Relevance is not finite: choose an explainer that is not a propagation.")
    lost = float(starts.detach().double().sum() - relevance.double().sum()) - sum(absorbed.values())
    if abs(lost) > TOLERANCE * float(starts.detach().abs().sum()):
        warnings.warn(
            f"Relevance and what constants absorb sum to {lost:.3g} less than the scores: evidence for and against the "
            "class nearly cancels in some layer.",
            stacklevel=4,
        )
    return relevance, dict(absorbed)


def _without_rule(scores: Tensor) -> list[str]:
    """Steps of the backward pass that are neither linear nor have a rule."""
    names = []
    for name, node in steps(scores):
        after = [each.name() for each, _ in node.next_functions if each is not None]
        factors = sum("AccumulateGrad" not in each for each in after)
        divides = name == "Div" and len(node.next_functions) > 1 and node.next_functions[1][0] is not None
        if name not in RULED | LINEAR_STEPS or (name in FACTORS and factors > 1) or divides:
            names.append(name)
    return names


class AttentionPropagation(Interception):
    """A forward pass whose backward pass carries AttnLRP's coefficients, and relevance below the first layer.

    Attributes
    ----------
    constants : list of (str, Tensor)
        What was added to or put beside activations, by kind: their coefficients are gradients.
    absorbed : dict of str to float
        What softmaxes have absorbed; complete after the backward pass.
    """

    def __init__(self, first: Callable[[int], Hook]) -> None:
        super().__init__(
            dict.fromkeys((*ACTIVATIONS, *GATES), _activation)
            | dict.fromkeys(LINEAR, self.linear)
            | dict.fromkeys(PRODUCTS, self.product)
            | dict.fromkeys(("add", "radd", "sub"), self.sum)
            | dict.fromkeys(("div", "truediv"), self.quotient)
            | dict.fromkeys(("cat", "concat", "concatenate"), self.joined)
            | {
                "batch_norm": self.batch_norm,
                "layer_norm": self.layer_norm,
                "scaled_dot_product_attention": self.attention,
                "softmax": self.softmax,
            }
        )
        self.first, self.first_layers = first, 0
        self.constants: list[tuple[str, Tensor]] = []
        self.absorbed: defaultdict[str, float] = defaultdict(float)

    def constant(self, value: Any, like: Tensor, kind: str = "constants") -> Any:
        """A constant of which it is kept what it absorbs; activations and nothing stay as they are."""
        if value is None or carries_gradient(value):
            return value
        kept = torch.as_tensor(value, dtype=like.dtype, device=like.device).detach().requires_grad_()
        self.constants.append((kind, kept))
        return kept

    def linear(
        self, function: Callable, input: Tensor, weight: Tensor, bias: Any = None, *args, **kwargs
    ) -> Tensor:
        """Epsilon rule; the z-box rule where the clip is seen."""
        if carries_gradient(weight):
            return function(input, weight, bias, *args, **kwargs)  # a step without a rule
        if not sees_the_clip(input):
            return function(input, weight, self.constant(bias, input, "biases"), *args, **kwargs)
        rule = by_zennit(
            self.first(self.first_layers), Layer(lambda x, w: function(x, w, None, *args, **kwargs), weight)
        )
        self.first_layers += 1

        def operation(x: Tensor) -> Tensor:
            return function(x, weight, bias, *args, **kwargs)

        return LinearDerivative.apply(operation, lambda upper, x: rule(upper * operation(x), x), input)

    def product(self, function: Callable, *args, **kwargs) -> Tensor:
        """Uniform rule: each of several factors that depend on the clip takes an equal part."""
        places = [place for place, value in enumerate(args) if carries_gradient(value)]
        if len(places) == 1 and not kwargs and sees_the_clip(args[places[0]]):
            return passed(
                lambda x: function(*(x if i in places else arg for i, arg in enumerate(args))),
                args[places[0]],
            )
        if len(places) < 2:
            return function(*args, **kwargs)

        def operation(*factors: Tensor) -> Tensor:
            given = dict(zip(places, factors, strict=True))
            return function(*(given.get(place, value) for place, value in enumerate(args)), **kwargs)

        def rule(upper: Tensor, *factors: Tensor) -> tuple[Tensor, ...]:
            with torch.enable_grad():
                factors = [factor.detach().requires_grad_() for factor in factors]
                whole = torch.autograd.grad(operation(*factors), factors, upper)
            return tuple(each / len(places) for each in whole)

        return OwnDerivative.apply(operation, rule, *(args[place] for place in places))

    def sum(self, function: Callable, a: Any, b: Any, **kwargs) -> Tensor:
        """Epsilon rule; a constant takes its part, except before the first layer."""
        one = a if carries_gradient(a) else b
        if carries_gradient(a) and carries_gradient(b) or kwargs:
            return function(a, b, **kwargs)
        if sees_the_clip(one):
            return passed(lambda x: function(x, b) if one is a else function(a, x), one)
        if one is a and operation_name(function.__name__) == "sub":
            return a + self.constant(-torch.as_tensor(b), a)
        return function(self.constant(a, one), self.constant(b, one))

    def quotient(self, function: Callable, a: Any, b: Any, **kwargs) -> Tensor:
        """Epsilon rule for a quotient by a constant."""
        if carries_gradient(b) or kwargs or not sees_the_clip(a):
            return function(a, b, **kwargs)
        return passed(lambda x: function(x, b), a)

    def joined(self, function: Callable, tensors: Any, *args, **kwargs) -> Tensor:
        """Put constants beside activations: they take what is theirs."""
        like = next(tensor for tensor in tensors if carries_gradient(tensor))
        return function([self.constant(tensor, like) for tensor in tensors], *args, **kwargs)

    def batch_norm(
        self, function: Callable, input: Tensor, mean: Tensor, variance: Tensor, weight: Any = None,
        bias: Any = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
    ) -> Tensor:  # fmt: skip
        """Scale and shift by constants."""
        if training:  # by the statistics of its input: not linear, a step without a rule
            return function(input, mean, variance, weight, bias, training, momentum, eps)
        shape = (1, -1, *[1] * (input.dim() - 2))
        scale = (variance + eps).rsqrt() * (1 if weight is None else weight)
        shift = (0 if bias is None else bias) - mean * scale
        if sees_the_clip(input):
            return passed(lambda x: x * scale.view(shape) + shift.view(shape), input)
        return input * scale.view(shape) + self.constant(shift.view(shape), input, "biases")

    def layer_norm(
        self, function: Callable, input: Tensor, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
    ) -> Tensor:  # fmt: skip
        """Linear, with the deviation held."""
        axes = tuple(range(-len(shape), 0))
        centered = input - input.mean(axes, keepdim=True)
        deviation = (centered.detach().square().mean(axes, keepdim=True) + eps).sqrt()
        scaled = centered / deviation * (1 if weight is None else weight)
        return scaled if bias is None else scaled + self.constant(bias, input, "biases")

    def softmax(self, function: Callable, input: Tensor, *args, **kwargs) -> Tensor:
        """Deep Taylor decomposition, whose term of order zero absorbs."""
        axis = kwargs.get("dim", args[0] if args else -1)

        def rule(upper: Tensor, x: Tensor) -> tuple[Tensor]:
            shares = function(x, *args, **kwargs)
            arrived = shares * upper
            lower = arrived - shares * arrived.sum(axis, keepdim=True)
            passed_on = torch.where(lower == 0, 0, x * lower)  # masks are infinite where nothing arrives
            self.absorbed["softmaxes"] += float((arrived.double() - passed_on.double()).sum())
            return (lower,)

        return OwnDerivative.apply(lambda x: function(x, *args, **kwargs), rule, input)

    def attention(
        self, function: Callable, query: Tensor, key: Tensor, value: Tensor, attn_mask: Any = None,
        dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
    ) -> Tensor:  # fmt: skip
        """Products and a softmax."""
        if is_causal or enable_gqa or (attn_mask is not None and attn_mask.dtype == torch.bool):
            return function(
                query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
            )  # a step without a rule
        scores = self.product(torch.matmul, query, key.mT) * (scale or 1 / math.sqrt(query.shape[-1]))
        if attn_mask is not None:
            scores = self.sum(torch.add, scores, attn_mask)
        return self.product(torch.matmul, self.softmax(F.softmax, scores, dim=-1), value)


def _activation(function: Callable, input: Tensor, *args, **kwargs) -> Tensor:
    """Identity rule."""

    def rule(upper: Tensor, x: Tensor) -> tuple[Tensor]:
        return (upper * function(x, *args, **kwargs) / stabilize(x, STABILIZER),)

    return OwnDerivative.apply(lambda x: function(x, *args, **kwargs), rule, input)
