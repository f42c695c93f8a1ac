"""The part of a network above a layer: run alone on the layer's features, with weights drawn anew."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from .build import build_model
from .layers import get_layer, hooked
from .shapes import calls_in_order


def parts_around(model: nn.Module, layer: str, clip: Sequence[int]) -> tuple[list[str], list[str]]:
    """Parts that have answered before a layer does, and parts that are asked after it.

    Parts are as large as can be: submodules that neither hold the layer nor lie in it, of modules that hold it.

    Parameters
    ----------
    clip : (T, H, W)
        Shape of the clips.

    Returns
    -------
    before, after : lists of names, in the order of the calls

    Raises
    ------
    ConfigError
        There is no such layer, or the network cannot be shown such a clip.
    """
    get_layer(model, layer)
    order = calls_in_order(model, clip)
    names = layer.split(".")
    holders = {".".join(names[:depth]) for depth in range(len(names))}
    parts = [name for name in order if name.rpartition(".")[0] in holders and name not in holders]
    place = parts.index(layer)
    return parts[:place], parts[place + 1 :]


@contextmanager
def answering(model: nn.Module, outputs: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """For the while, let modules of a network give these outputs, whatever they are given, without computing."""
    modules = {name: get_layer(model, name) for name in outputs}
    for name, module in modules.items():
        module.forward = lambda *_, output=outputs[name], **__: output
    try:
        yield
    finally:
        for module in modules.values():
            del module.forward  # the class's own again


class Upper:
    """A network above one of its layers.

    Parameters
    ----------
    model : Module in evaluation mode
        A copy is kept, whose weights above the layer `redraw` changes.
    layer : str
    example : (1, 3, T, H, W) float
        Input of the network.

    Attributes
    ----------
    network : Module
        The copy.
    alone : bool
        Whether the layer's features are all that the rest is given. They are not where the layer lies within
        a residual block; then inputs stand for features, and the whole network runs.
    """

    def __init__(self, model: nn.Module, layer: str, example: torch.Tensor) -> None:
        self.network, self.layer = copy.deepcopy(model), layer
        self._shape = example.shape[1:]
        before, after = parts_around(self.network, layer, example.shape[2:])
        self._redrawn = [name for name in after if any(True for _ in get_layer(model, name).parameters())]
        outputs: dict[str, torch.Tensor] = {}
        with torch.no_grad(), hooked(self.network, [*before, layer], outputs.__setitem__):
            expected = self.network(example)
        self.alone = all(isinstance(output, torch.Tensor) for output in outputs.values())
        if self.alone:
            # Whatever reads anything but the layer's features answers NaN.
            self._silent = {name: outputs[name] * torch.nan for name in before}
            with torch.no_grad(), self.given(outputs[layer]) as inputs:
                self.alone = torch.allclose(self.network(inputs), expected, rtol=1e-4)

    def features(self, inputs: torch.Tensor) -> torch.Tensor:
        """What `given` takes of inputs (N, 3, T, H, W): the layer's output, or the inputs where not `alone`."""
        if not self.alone:
            return inputs
        outputs: dict[str, torch.Tensor] = {}
        with torch.no_grad(), hooked(self.network, [self.layer], outputs.__setitem__):
            self.network(inputs)
        return outputs[self.layer]

    @contextmanager
    def given(self, features: torch.Tensor) -> Iterator[torch.Tensor]:
        """Let the network answer to features; what is yielded is to be given to it as its input."""
        if not self.alone:
            yield features
            return
        count = len(features)
        silent = {name: output.expand(count, *output.shape[1:]) for name, output in self._silent.items()}
        with answering(self.network, silent | {self.layer: features}):
            yield features.new_zeros(1).expand(count, *self._shape)

    def redraw(self, seed: int) -> None:
        """Give all parts above the layer the weights and statistics of an untrained network."""
        redraw(self.network, self._redrawn, seed=seed)


def redraw(network: nn.Module, parts: Sequence[str], *, seed: int) -> None:
    """Give parts of a network the weights and statistics that they have in an untrained one.

    Parameters
    ----------
    network : Module
        Has ``spec``, as `voxplain.build_model` gives it; changed.
    parts : sequence of str
        Names of submodules.
    seed : int
    """
    spec, like = network.spec, next(network.parameters())
    fresh = build_model(spec.name, None, spec.num_classes, seed=seed, **spec.options).to(like.device)
    for part in parts:
        network.get_submodule(part).load_state_dict(fresh.get_submodule(part).state_dict())
