"""What explainers that look inside a network share: freezing it, gradients, own derivatives."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.autograd.graph import Node
from torch.overrides import TorchFunctionMode

from ..convolutions import of_few_clips
from ..errors import ConfigError


@contextmanager
def frozen(model: nn.Module) -> Iterator[nn.Module]:
    """Put `model` in evaluation mode, without parameter gradients, and set everything back afterwards."""
    training = {module: module.training for module in model.modules()}
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in trainable:
            parameter.requires_grad_(False)
        with torch.enable_grad():
            yield model.eval()
    finally:
        for module, mode in training.items():
            module.training = mode
        for parameter in trainable:
            parameter.requires_grad_()


def at_targets(scores: Tensor, targets: Tensor) -> Tensor:
    """Score of each clip's target class, ``(N,)`` from ``(N, classes)``.

    Raises
    ------
    ConfigError
        There is no such class.
    """
    if not 0 <= targets.min() <= targets.max() < scores.shape[1]:
        raise ConfigError(
            f"Targets {targets.unique().tolist()}: the network has classes 0 to {scores.shape[1] - 1}."
        )
    return scores.gather(1, targets[:, None])[:, 0]


def input_gradient(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """Gradient of the target's score with respect to `inputs`, of their shape."""
    with frozen(model):
        inputs = inputs.detach().requires_grad_()
        return torch.autograd.grad(at_targets(model(inputs), targets).sum(), inputs)[0]


class OwnDerivative(torch.autograd.Function):
    """An operation's value with a rule in place of its derivative.

    ``apply(operation, rule, *inputs)`` gives ``operation(*inputs)``; backwards,
    ``rule(upper, *inputs)`` gives what each of `inputs` receives.
    """

    @staticmethod
    def forward(ctx: Any, operation: Callable, rule: Callable, *inputs: Tensor) -> Tensor:
        ctx.rule = rule
        ctx.save_for_backward(*inputs)
        output = operation(*inputs)
        # A network may change in place what it is given, which autograd forbids of views that are made here.
        return output.clone() if output._is_view() else output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upper: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *ctx.rule(upper, *ctx.saved_tensors)


class Interception(TorchFunctionMode):
    """Within this context, operations on tensors that carry gradient go through handlers.

    PyTorch hands over every operation, whether a module or a function of `torch.nn.functional` asked for
    it, so no block of a network has to be rewritten and the network itself is never changed.

    Parameters
    ----------
    handlers : mapping of str to callable
        ``handler(function, *args, **kwargs)`` by the operation's name without underscores: ``relu`` stands
        for ``F.relu``, ``torch.relu_`` and ``nn.ReLU``, ``add`` for ``+``. Handlers return new tensors;
        where the caller asked for an operation in place, the result is copied into place.
    """

    def __init__(self, handlers: Mapping[str, Callable[..., Tensor]]) -> None:
        super().__init__()
        self.handlers = handlers

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        function = of_few_clips(function)  # handlers ask for it backwards as well, outside of any context
        name = getattr(function, "__name__", "")
        handler = self.handlers.get(operation_name(name))
        if handler is None or not any(map(carries_gradient, (*args, *kwargs.values()))):
            return function(*args, **kwargs)
        if kwargs.pop("inplace", False) or name.startswith("__i") or name.endswith("_") > name.endswith("__"):
            # Rules need the operation's inputs as they were: the handler works on copies.
            def on_copy(first: Tensor, *others: Any, **options: Any) -> Tensor:
                return function(first.clone(), *others, **options)

            on_copy.__name__ = name
            return args[0].copy_(handler(on_copy, args[0].clone(), *args[1:], **kwargs))
        return handler(function, *args, **kwargs)


# Steps of a backward pass that move values and change none, by autograd's names: a rule for them is their derivative.
REARRANGEMENTS = {
    "AccumulateGrad", "Alias", "AsStrided", "Cat", "Clone", "ConstantPadNd", "Copy", "CopySlices", "Expand", "Flip",
    "Index", "IndexPut", "IndexSelect", "MaxPool2DWithIndices", "MaxPool3DWithIndices", "Permute", "ReflectionPad2D",
    "ReflectionPad3D", "Repeat", "ReplicationPad2D", "ReplicationPad3D", "ReshapeAlias", "Roll", "Select", "Slice", "Split", "SplitWithSizes", "Squeeze", "Stack", "T", "ToCopy",
    "Transpose", "Unbind", "UnsafeSplit", "UnsafeView", "Unsqueeze", "View",
}  # fmt: skip


def steps(output: Tensor) -> Iterator[tuple[str, Node]]:
    """Name and node of every step of the backward pass from a tensor, nearest first; names as in `REARRANGEMENTS`.

    They are all that autograd does, whatever in the network asked for it: operations, functions with derivatives of
    their own, and compiled or scripted parts.
    """
    waiting, seen = deque([output.grad_fn]), set()
    while waiting:
        node = waiting.popleft()
        if node is not None and node not in seen:
            seen.add(node)
            yield re.sub(r"Backwards?\d*$", "", node.name().rpartition("::")[2]), node
            waiting.extend(after for after, _ in node.next_functions)


def operation_name(name: str) -> str:
    """Name of an operation, in place or not: ``add`` for ``add_`` and ``__iadd__`` as well."""
    return name.strip("_").removeprefix("i" if name.startswith("__i") else "")


def carries_gradient(value: Any) -> bool:
    """Whether `value` is a tensor that depends on the explained clip, or a list with one."""
    if isinstance(value, list | tuple):
        return any(map(carries_gradient, value))
    return isinstance(value, Tensor) and value.requires_grad
