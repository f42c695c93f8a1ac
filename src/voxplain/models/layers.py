"""Layers of a network: found by name, their outputs, its head, and making it fit for hooks."""

from __future__ import annotations

import copy
import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn

from ..errors import ConfigError, nearest


class Add(nn.Module):
    """Sum of two inputs, as a module, so that hooks and propagation rules can find it."""

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return first + second


class AddingBlock(nn.Module):
    """torchvision's basic block of 3 x 3 x 3 convolutions, with its sum in a module, and not in place.

    Of our own, as torchvision takes longer to import than most jobs to compute.
    """

    def __init__(
        self, inputs: int, planes: int, stride: int = 1, downsample: nn.Module | None = None
    ) -> None:
        super().__init__()
        first = nn.Conv3d(inputs, planes, 3, stride=stride, padding=1, bias=False)
        self.conv1 = nn.Sequential(first, nn.BatchNorm3d(planes), nn.ReLU())
        second = nn.Conv3d(planes, planes, 3, padding=1, bias=False)
        self.conv2 = nn.Sequential(second, nn.BatchNorm3d(planes))
        self.relu, self.downsample, self.add = nn.ReLU(), downsample, Add()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        shortcut = inputs if self.downsample is None else self.downsample(inputs)
        return self.relu(self.add(self.conv2(self.conv1(inputs)), shortcut))


_BASIC_BLOCK = ("torchvision.models.video.resnet", "BasicBlock")
# Derives itself, so that it is no operation of torch that explainers could meet; the same values.
_SWISH = ("pytorchvideo.layers.swish", "Swish")


def uncompiled(model: nn.Module) -> nn.Module:
    """Return the network that ``torch.compile`` was given, whose layers can be hooked; others as they are."""
    return getattr(model, "_orig_mod", model)


def eager() -> AbstractContextManager:
    """For the while, let compiled parts of any network run as they were before, so that hooks and rules meet them."""
    if "torch._dynamo" not in sys.modules:  # nothing was compiled; the import would take a second
        return nullcontext()
    return torch.compiler.set_stance("force_eager")


def make_hookable(model: nn.Module) -> nn.Module:
    """Make every activation a module of its own that leaves its input as it is; changes `model`.

    Explainers replace the gradient of each ReLU and each sum, and keep their inputs: operations in place
    and modules used at several positions would mix these up. Compiled parts are taken as they were before. Keys of
    the state dict stay the same.
    """
    model = uncompiled(model)
    for module in list(model.modules()):
        module._compiled_call_impl = None  # of Module.compile, which works in place
        for name, child in list(module.named_children()):
            if uncompiled(child) is not child:
                setattr(module, name, uncompiled(child))
    modules, seen = list(model.modules()), set()
    for module in modules:
        if hasattr(module, "inplace"):
            module.inplace = False
        kind = (type(module).__module__, type(module).__name__)
        if kind == _BASIC_BLOCK:
            module.__class__, module.add = AddingBlock, Add()
        elif kind == _SWISH:
            module.__class__, module.inplace = nn.SiLU, False
    for module in modules:
        for name, child in list(module._modules.items()):
            if child in seen and child is not None and not list(child.parameters()):
                setattr(module, name, copy.deepcopy(child))
            seen.add(child)
    return model


def get_layer(model: nn.Module, name: str) -> nn.Module:
    """Return the layer called `name`.

    Raises
    ------
    ConfigError
        There is none; the text names the nearest.
    """
    return _get_layers(model, [name])[0]


def _get_layers(model: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    known, spec = dict(model.named_modules()), getattr(model, "spec", None)
    usual = spec and (
        f" Its usual ones: {', '.join(spec.concept_layers)}; all: python -m voxplain list layers {spec.name}."
    )
    for name in names:
        if name not in known or not name:
            raise ConfigError(f"The network has no layer {name!r}{nearest(name, known)}{usual or ''}")
    return [known[name] for name in names]


@contextmanager
def hooked(
    model: nn.Module, names: Sequence[str], hook: Callable[[str, torch.Tensor], torch.Tensor | None]
) -> Iterator[None]:
    """Call ``hook(name, output)`` after each of the named layers; what it returns, if anything, replaces the output.

    Raises
    ------
    ConfigError
        There is no layer of such a name.

    Examples
    --------
    >>> with hooked(model, ["layer3"], lambda name, output: output * 0):  # doctest: +SKIP
    ...     logits = model(inputs)  # as if layer3 were silent
    """
    handles = [
        module.register_forward_hook(lambda _module, _inputs, output, name=name: hook(name, output))
        for name, module in zip(names, _get_layers(model, names), strict=True)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def layers_before(model: nn.Module, name: str, inputs: torch.Tensor) -> list[nn.Module]:
    """Modules that have worked when the layer called `name` starts, in the order of a forward pass.

    What holds the layer, such as the block that it is part of, is not among them.

    Parameters
    ----------
    inputs : (N, 3, T, H, W) float
        Any that the network takes.

    Raises
    ------
    ConfigError
        There is no layer of that name; the text names the nearest.
    """
    layer, done = get_layer(model, name), []

    def note(module: nn.Module, _inputs: object, _output: object) -> None:
        if not started and module not in done:
            done.append(module)

    started: list[bool] = []
    handles = [module.register_forward_hook(note) for module in model.modules()]
    handles.append(layer.register_forward_pre_hook(lambda *_: started.append(True)))
    try:
        with evaluation(model):
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return done


def head_features(model: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Pooled features: what the head is given.

    A head applied at several positions, whose logits the network then averages, gets the average of its
    inputs, which comes to the same.

    Parameters
    ----------
    inputs : (N, 3, T, H, W) float

    Returns
    -------
    (N, d) float
    """
    head, given = get_layer(model, model.spec.head), []
    handle = head.register_forward_pre_hook(lambda _module, arguments: given.append(arguments[0]))
    try:
        model(inputs)
    finally:
        handle.remove()
    channels_last = given[0] if isinstance(head, nn.Linear) else given[0].movedim(1, -1)
    return channels_last.flatten(1, -2).mean(dim=1) if channels_last.dim() > 2 else channels_last


def head_classes(model: nn.Module, head: str) -> int:
    """Number of outputs of the layer called `head`."""
    module = model.get_submodule(head)
    return module.out_features if isinstance(module, nn.Linear) else module.out_channels


def replace_head(
    model: nn.Module,
    num_classes: int,
    *,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
) -> nn.Module:
    """Put a new linear head on `model`, which is changed and returned.

    Parameters
    ----------
    weight : (num_classes, d) array, optional
        Drawn at random from torch's generator where not given.
    bias : (num_classes,) array, optional
        Zeros where not given, or none where the old head has none.
    """
    old = get_layer(model, model.spec.head)
    like = {"device": old.weight.device, "dtype": old.weight.dtype}
    like["bias"] = old.bias is not None or bias is not None
    if isinstance(old, nn.Linear):
        new: nn.Module = nn.Linear(old.in_features, num_classes, **like)
    else:
        new = nn.Conv3d(old.in_channels, num_classes, 1, **like)
    with torch.no_grad():
        if weight is None:
            new.weight.normal_(std=0.01)
        else:
            new.weight.copy_(torch.as_tensor(weight).view_as(new.weight))
        if new.bias is not None:
            new.bias.copy_(torch.as_tensor(0.0 if bias is None else bias))
    parent, _, name = model.spec.head.rpartition(".")
    setattr(model.get_submodule(parent), name, new)
    model.spec = dataclasses.replace(model.spec, num_classes=num_classes)
    return model


@contextmanager
def evaluation(model: nn.Module) -> Iterator[None]:
    """Switch to evaluation mode, and each part back to its own."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
