"""Networks from elsewhere: torchvision's, pytorchvideo's, and the user's own functions."""

from __future__ import annotations

import functools
import importlib
import inspect
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..errors import ConfigError, nearest
from .layers import make_hookable
from .pathways import with_pathways
from .shapes import called_by
from .weights import State, cannot_download, torchvision_weights

# Functions of pytorchvideo that build whole networks; others build their parts.
PYTORCHVIDEO = {
    "csn": "create_csn",
    "r2plus1d": "create_r2plus1d",
    "resnet": "create_resnet",
    "slowfast": "create_slowfast",
    "vision_transformers": "create_multiscale_vision_transformers",
    "x3d": "create_x3d",
}
# Parameters of libraries' functions that are no options: they load weights.
NO_OPTIONS = ("weights", "weights_backbone", "pretrained")
# Shapes of clips that networks take whose layers are not known yet.
USUAL_CLIPS = ((16, 112, 112), (16, 224, 224), (32, 224, 224), (64, 224, 224), (8, 64, 64), (8, 32, 32))


@dataclass(frozen=True)
class External:
    """A function that builds a network, to be used like a registered one."""

    name: str
    builder: Callable[..., nn.Module]
    traits: dict[str, Any]

    @property
    def defaults(self) -> dict[str, Any]:
        """Options that have a default, with it."""
        parameters = inspect.signature(self.builder).parameters.values()
        return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}

    def options(self, given: dict[str, Any]) -> dict[str, Any]:
        """Check the names of options against the function's parameters."""
        parameters = inspect.signature(self.builder).parameters
        for key in given:
            if key in NO_OPTIONS and not is_own(self.name):
                raise ConfigError(f"{self.name} has no option {key!r}: write weights, beside the options.")
        if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
            return dict(given)
        for key in given:
            if key not in parameters:
                raise ConfigError(
                    f"{self.name} has no option {key!r}{nearest(key, parameters)} "
                    f"Known options: {', '.join(parameters) or 'none'}."
                )
        return dict(given)

    def function(self, num_classes: int, **options: Any) -> nn.Module:
        """Build the network; one whose function takes no ``num_classes`` gets its head replaced later."""
        if "num_classes" in inspect.signature(self.builder).parameters:
            options = {"num_classes": num_classes, **options}
        try:
            model = self.builder(**options)
        except Exception as error:  # anybody's code
            raise ConfigError(
                f"{self.name} cannot be built with the options {options} ({type(error).__name__}: {error})."
            ) from error
        if not isinstance(model, nn.Module):
            raise ConfigError(f"{self.name} returned a {type(model).__name__}, not a torch.nn.Module.")
        return make_hookable(with_pathways(model))


def is_own(name: str) -> bool:
    """Whether a network is the user's own function, ``package.module:function``, and not a library's."""
    place, colon, _ = name.partition(":")
    return bool(colon) and place not in ("torchvision", "pytorchvideo")


def library_networks() -> list[str]:
    """Names of all networks of torchvision and pytorchvideo that `find_external` finds."""
    from torchvision import models

    torchvision = sorted(models.list_models(module=models.video))
    return [f"torchvision:{name}" for name in torchvision] + [
        f"pytorchvideo:{name}" for name in sorted(_pytorchvideo())
    ]


def find_external(name: str) -> External:
    """Find ``torchvision:NAME``, ``pytorchvideo:NAME`` or ``package.module:function``.

    Raises
    ------
    ConfigError
        There is no such module or function.
    """
    place, _, function = name.partition(":")
    if place == "torchvision":
        return _torchvision(name, function)
    if place == "pytorchvideo":
        builder = _named(name, function, _pytorchvideo())
        hub = "pretrained" in inspect.signature(builder).parameters
        weights = {"default": functools.partial(_pytorchvideo_weights, builder)} if hub else {}
        # The library's own preparation of its Kinetics networks.
        return External(name, builder, {"mean": (114.75,) * 3, "std": (57.375,) * 3, "weights": weights})
    traits = {"mean": (127.5,) * 3, "std": (127.5,) * 3, "weights": {}}
    return External(name, _imported(name, place, function), traits)


def _torchvision(name: str, function: str) -> External:
    from torchvision import models

    known = models.list_models(module=models.video)
    if function not in known:
        raise ConfigError(
            f"torchvision has no video model {function!r}{nearest(function, known)} "
            f"Known: {', '.join(known)}."
        )
    weights = models.get_model_weights(function).DEFAULT
    prepare = weights.transforms()
    traits = {
        "mean": tuple(255 * value for value in prepare.mean),
        "std": tuple(255 * value for value in prepare.std),
        "weights": dict.fromkeys(("default", "kinetics400"), functools.partial(torchvision_weights, weights)),
        "published_size": min(prepare.crop_size),
    }
    return External(name, models.get_model_builder(function), traits)


def _pytorchvideo_weights(builder: Callable[..., nn.Module]) -> State:
    try:
        return builder(pretrained=True, progress=False).state_dict()
    except (OSError, RuntimeError) as error:
        raise cannot_download(f"of pytorchvideo's {builder.__name__}", error) from None


def _pytorchvideo() -> dict[str, Callable[..., nn.Module]]:
    """Functions that build pytorchvideo's networks, by name: with random weights, and those of its hub."""
    models = "pytorchvideo.models"
    found = {
        name: getattr(importlib.import_module(f"{models}.{home}"), name)
        for home, name in PYTORCHVIDEO.items()
    }
    hub = inspect.getmembers(importlib.import_module(f"{models}.hub"), inspect.isfunction)
    return found | {
        name: function
        for name, function in hub
        if function.__module__.startswith(f"{models}.hub.") and not name.startswith("_")
    }


def _imported(name: str, module: str, function: str) -> Callable[..., nn.Module]:
    try:
        found: types.ModuleType = importlib.import_module(module)
    except Exception as error:  # of the module's own code, too
        raise ConfigError(
            f"The network {name!r} cannot be imported: {error}. A name is a registered network, or "
            f"package.module:function with the package on the Python path."
        ) from error
    if callable(getattr(found, function, None)):
        return getattr(found, function)
    return _named(name, function, dict(inspect.getmembers(found, inspect.isfunction)))


def _named(name: str, function: str, known: dict[str, Callable[..., nn.Module]]) -> Callable[..., nn.Module]:
    if function in known:
        return known[function]
    names = [key for key in known if not key.startswith("_")]
    raise ConfigError(
        f"The network {name!r} has no such function{nearest(function, names)} Known: {', '.join(names)}."
    )


def find_layers(model: nn.Module, name: str) -> dict[str, Any]:
    """Guess a network's head, last block and concept layers from the modules that a clip calls, in their order.

    The head is the last linear layer, or without one the last convolution of a single position. Blocks
    are the parts that hold weights; the last before the head is Grad-CAM's, the one before that the
    default for concepts. Parts that serve training alone are none of these. Of a block that gives several pathways,
    the one with the most weights stands for it. Where a class token is what the head reads, the last block is none of
    these, either: its other tokens have no effect.
    """
    modules = dict(model.named_modules())
    if not _ends(modules, modules):
        raise ConfigError(f"{name} has no linear layer at its end to explain: wrap it so that it has.")
    try:
        called = next(
            filter(None, (called_by(model, clip) for clip in USUAL_CLIPS)), dict.fromkeys(modules, "")
        )
    except ConfigError as error:
        raise ConfigError(f"{name} cannot be explained: {error}.") from None
    ends = _ends(modules, called)
    if not ends:
        raise ConfigError(f"{name} calls no linear layer as a module: wrap it so that it does.")
    head = ends[-1]
    blocks = [key for key in weighted_parts(model) if key != head and not head.startswith(f"{key}.")]
    blocks = [key for key in blocks if any(f"{inner}.".startswith(f"{key}.") for inner in called)]
    blocks = [_pathway(modules, key, called) for key in blocks]
    if len(blocks) > 1 and called.get(blocks[-1]) == "class_token":
        blocks.pop()
    if not blocks:
        raise ConfigError(f"{name} has no layers before its head {head!r} to explain.")
    return {"head": head, "last_conv": blocks[-1], "concept_layers": (*blocks[-3:-1][::-1], blocks[-1])}


def _pathway(modules: dict[str, nn.Module], block: str, called: dict[str, str]) -> str:
    """The block, or where it gives several tensors the largest part of it that gives one, if there is one."""
    if called.get(block) != "several":
        return block
    inner = [f"{block}.{name}" for name in weighted_parts(modules[block])]
    return max(
        (key for key in inner if called.get(key) == "one"),
        key=lambda key: _weights(modules[key]),
        default=block,
    )


def _ends(modules: dict[str, nn.Module], names: Iterable[str]) -> list[str]:
    """Those of the named modules that can be a head."""
    linear = [key for key in names if isinstance(modules[key], nn.Linear)]
    pointwise = [
        key for key in names if isinstance(modules[key], nn.Conv3d) and set(modules[key].kernel_size) == {1}
    ]
    return linear or pointwise


def weighted_parts(model: nn.Module, prefix: str = "", *, opened: str = "") -> list[str]:
    """Names of the parts with weights; lists and a sequence with nearly all of them are opened.

    With `opened`, what holds that part is opened as well, and parts that have vectors alone, such as norms, count.
    """
    total = _weights(model)
    names: list[str] = []
    for key, child in model.named_children():
        name, size = prefix + key, _weights(child)
        sequence = isinstance(child, nn.Sequential) and size > 0.9 * total
        if isinstance(child, nn.ModuleList) or sequence or opened.startswith(f"{name}."):
            names += weighted_parts(child, f"{name}.", opened=opened)
        elif any(True for _ in child.parameters()) if opened else size:
            names.append(name)
    return names


def _weights(module: nn.Module) -> int:
    """Number of weights, without the vectors of normalization layers and biases."""
    return sum(p.numel() for p in module.parameters() if p.dim() > 1)


def drop_softmax(model: nn.Module, head: str) -> None:
    """Remove a softmax beside the head: training, scores and explanations need the logits."""
    parent = model.get_submodule(head.rpartition(".")[0])
    for key, child in parent.named_children():
        if isinstance(child, nn.Softmax):
            setattr(parent, key, nn.Identity())
