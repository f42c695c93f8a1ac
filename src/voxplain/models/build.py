"""Build networks by name, with given weights."""

from __future__ import annotations

import json
import logging
import math
import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from ..convolutions import FewClips
from ..errors import ConfigError, nearest
from ..registry import Plugin
from .base import MODELS, ModelSpec
from .external import External, drop_softmax, find_external, find_layers, is_own
from .layers import get_layer, head_classes, replace_head
from .weights import check_state, load_state, load_weights, with_own_names

log = logging.getLogger(__name__)
# More than this is no width, depth or size; a file that asks for it would only fill the memory.
MOST = 10_000
# Options that change nothing but training.
TRAINING_ALONE = re.compile("dropout|drop_?path|stochastic_depth")


def find_network(name: str) -> Plugin | External:
    """Find a registered network or one from elsewhere, named as in `build_model`."""
    return find_external(name) if ":" in name else MODELS[name]


def model_options(
    name: str, options: dict[str, Any] | None = None, weights: str | Path | None = None
) -> dict[str, Any]:
    """Check a network's options without building it, and fill in those that are not given.

    Parameters
    ----------
    name : str
    options : dict, optional
        Those that are given; one that is None is not.
    weights : path, optional
        A file of weights. Where `save_weights` wrote it, it says what is not given; else the network's defaults are.

    Raises
    ------
    ConfigError
        The network or an option is unknown, a value is impossible, or is another than the weights' network has; or the
        file cannot be read, or holds weights of another network.
    """
    given = dict(options or {})
    common = {key: given.pop(key) for key in ("mean", "std", "seed") if key in given}
    saved = {} if weights is None else load_weights(weights)[1]
    return _as_saved(find_network(name), given, saved, weights) | common


def _as_saved(
    network: Plugin | External, given: dict[str, Any], saved: dict[str, Any], weights: str | Path | None
) -> dict[str, Any]:
    """A network's options with those that are not given as they were saved with its weights."""
    if not saved:
        return network.options(given)
    _check_name(saved, network.name, weights)
    if not is_own(network.name):
        with _options_of(weights, network.name, saved["options"]):
            _check_numbers(saved["options"])
    asked = {key: value for key, value in given.items() if value is not None}
    filled = network.options(saved["options"] | asked)
    known = network.defaults | network.options(saved["options"])
    # As JSON has them, which knows no tuples.
    mine, its = (json.loads(json.dumps(some, default=str)) for some in (filled, known))
    for key in asked:
        if (key not in its or its[key] != mine[key]) and not TRAINING_ALONE.search(key):
            own = f"{key}: {json.dumps(its[key])}" if key in its else f"no {key}"
            raise ConfigError(
                f"{weights} holds weights of {network.name} with {own}, and the options say {key}: {json.dumps(mine[key])}: "
                f"leave {key} out{f', or write {own}' if key in its else ''}."
            )
    return filled


def build_model(
    name: str,
    weights: str | Path | None = None,
    num_classes: int | None = None,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    seed: int = 0,
    **options: Any,
) -> nn.Module:
    """Build a network that hooks can be put on, in evaluation mode.

    Parameters
    ----------
    name : str
        A registered network (``c3d``, ``i3d``, ``r3d_18``), ``torchvision:NAME``,
        ``pytorchvideo:NAME``, or ``package.module:function``, which is called with the options and, if it
        has a parameter of that name, ``num_classes``.
    weights : str or path, optional
        A name that the network knows (``kinetics400``, ``default``), or a file (safetensors, or a state
        dict saved by torch). Random from `seed` where not given.
    num_classes : int, optional
        By default as in the weights, or 400. Where the weights have another number, their head is
        replaced by a random one, and the log says so.
    mean, std : (3,) numbers, optional
        Of the input's channels, RGB in 0..255. By default as in the weights' file, or the network's own.
    seed : int
        Of random weights. Leaves torch's global generator as it is.
    **options
        The network's own. One that is not given, or None, is as `save_weights` has put it into the weights' file, or the
        network's default.

    Returns
    -------
    Module
        Maps (N, 3, T, H, W) float32, made by `voxplain.models.normalize`, to logits (N, classes). Its
        attribute ``spec`` is a `voxplain.models.base.ModelSpec`.

    Raises
    ------
    ConfigError
        Name, option or weights are unknown or do not fit, or the weights cannot be downloaded; or an option is another
        than that of the network whose weights the file holds (but those that change nothing but training).
    """
    network, state, saved = find_network(name), None, {}
    facts = network.traits
    if weights in facts["weights"]:
        state, options = facts["weights"][weights](), network.options(options)
        implied = facts.get("weights_options", {})
        options |= {key: value for key, value in implied.items() if options[key] is None}
    elif weights is not None:
        if not Path(weights).is_file() and not Path(weights).suffix:
            known = ", ".join(facts["weights"]) or "none by name"
            raise ConfigError(
                f"{name} has no weights {str(weights)!r}{nearest(str(weights), facts['weights'])} "
                f"Known: {known}; or give a file's path."
            )
        state, saved, _ = load_weights(weights)
        options = _as_saved(network, options, saved, weights)
        if saved and not is_own(name):
            _check_saved(name, options, state, saved, weights)
    else:
        options = network.options(options)

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = network.function(num_classes or saved.get("num_classes") or 400, **options)
        if "head" not in facts:
            facts = facts | find_layers(model, name)
            drop_softmax(model, facts["head"])
        model.spec = ModelSpec(
            name=name,
            num_classes=head_classes(model, facts["head"]),
            options=options,
            mean=_color("mean", mean, saved, facts),
            std=_color("std", std, saved, facts),
            frames=options.get("frames") if not isinstance(network, External) else None,
            size=options.get("size") if not isinstance(network, External) else None,
            concept_layers=facts["concept_layers"],
            last_conv=facts["last_conv"],
            head=facts["head"],
        )
        if state is not None:
            _load(model, state, str(weights))
        if num_classes is not None and num_classes != model.spec.num_classes:
            if state is not None:
                log.warning(
                    "%s: the weights have %d classes; the head for %d classes is new and untrained.",
                    name,
                    model.spec.num_classes,
                    num_classes,
                )
            replace_head(model, num_classes)
    if is_own(name):
        model.register_forward_pre_hook(_in_usual_order)
    return model.eval()


def _in_usual_order(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Inputs as most people's networks are written for: one may `view` clips, or what convolutions make of them, in other shapes."""
    return tuple(one.contiguous() if isinstance(one, torch.Tensor) else one for one in inputs)


def in_fastest_order(model: nn.Module, shape: Sequence[int] | None) -> nn.Module:
    """Put a network's weights into the order in memory in which its convolutions are fastest (channels last); changes `model`.

    What these give is in that order, too, and the user's own network may want it in the usual one: ``view`` of it stops.
    So such a network is tried, and left in the usual order where it does not run in the other.

    Parameters
    ----------
    model : Module
        As built by `build_model`.
    shape : (T, H, W) int, optional
        Of the clips that it will be shown. Where that is not known the user's own network is left as it is.
    """
    model.to(memory_format=torch.channels_last_3d)
    if is_own(model.spec.name) and (shape is None or not _runs(model, shape)):
        model.to(memory_format=torch.contiguous_format)
    return model


def _runs(model: nn.Module, shape: Sequence[int]) -> bool:
    like, training = next(model.parameters()), model.training
    # By itself PyTorch takes another kernel, and another order, of few clips; within the context it is of two as of many
    # (findings/torch_channels_last_views_of_15_clips_and_not_of_16.sh).
    try:
        with torch.no_grad(), torch.random.fork_rng(), FewClips():
            model.eval()(torch.zeros(2, 3, *shape, dtype=like.dtype, device=like.device))
    except Exception:  # whoever shows it clips tells what else is wrong
        return False
    finally:
        model.train(training)
    return True


def check_weights(model: nn.Module, weights: str | Path) -> None:
    """See that a file of weights can be read and fits a network, which need not have values; its head is made to fit.

    Raises
    ------
    ConfigError
        As of `build_model`.
    """
    state, saved, _ = load_weights(weights)
    _check_name(saved, model.spec.name, weights)
    state = with_own_names(model, state)
    _fit_head(model, state)
    check_state(model, state, str(weights))


def check_classes(model: nn.Module, weights: str | Path, classes: Sequence[str]) -> None:
    """See that a network with given weights answers in these classes, as far as they say so.

    Parameters
    ----------
    model : Module
        As built by `build_model` with `weights`, without `num_classes`.
    weights : str or path
    classes : sequence of str
        In the order that its logits should have.

    Raises
    ------
    ConfigError
        The number differs, or the file names others; the text says what to do.
    """
    named = load_weights(weights)[2].get("classes") if Path(weights).is_file() else None
    if model.spec.num_classes == len(classes) and named in (None, list(classes)):
        return
    own = f"{model.spec.num_classes} classes"
    if isinstance(named, list):
        own += f" ({', '.join(map(str, named[:3]))}{', ...' if len(named) > 3 else ''})"
    raise ConfigError(
        f"The weights {weights} answer in {own}, and the data has {len(classes)} ({', '.join(classes[:3])}"
        f"{', ...' if len(classes) > 3 else ''}). Write head: new, which fits a linear head for the data's classes, or "
        "training: {}, which fine-tunes the network."
    )


class _WithoutValues(TorchFunctionMode):
    """Make tensors that wait for values on torch's meta device: layers' weights, and not what a constructor reads."""

    def __torch_function__(self, function: Any, _types: Any, given: Any = (), named: Any = None) -> Any:
        named = dict(named or {})
        if function is torch.empty and named.get("device") is None:
            named["device"] = "meta"
        return function(*given, **named)


def build_shapes(name: str, num_classes: int, **options: Any) -> nn.Module:
    """Build a network on torch's meta device: its tensors have shapes and no values, so that it costs no memory.

    Parameters
    ----------
    name, num_classes, **options
        As for `build_model`, and so are the errors.
    """
    with _WithoutValues():
        return build_model(name, None, num_classes, **options).to("meta")


def load_model(path: str | Path, *, trust: Collection[str] = ()) -> nn.Module:
    """Rebuild a network from a file of `voxplain.models.save_weights` alone.

    Parameters
    ----------
    path : path
        Only the project's own, torchvision's and pytorchvideo's networks are built because a file says so.
    trust : collection of str
        Other networks, as ``package.module:function``, that the file may name: the function is imported and called
        with the file's options. Those of a run's config, or what the user typed.

    Raises
    ------
    ConfigError
        The file cannot be read, was not written by `save_weights`, names a function that is not trusted, or does
        not fit its network.
    """
    _, spec, _ = load_weights(path)
    if not spec:
        raise ConfigError(
            f"{path} does not say which network its weights are of: give build_model the name and this file."
        )
    name, options = spec["name"], spec["options"]
    if is_own(name) and name not in trust:
        raise ConfigError(
            f"{path} says that its network is made by {name!r}, which would be imported and called. If you trust the "
            f"file and that function, name it yourself: --network {shlex.quote(name)}, or load_model(path, trust=[{name!r}])."
        )
    with _options_of(path, name, options):
        return build_model(name, path)


def _check_saved(
    name: str,
    options: dict[str, Any],
    state: dict[str, torch.Tensor],
    saved: dict[str, Any],
    path: str | Path,
) -> None:
    """See, without memory, that the options that a file of weights gives ask for no more than the weights fill."""
    with _options_of(path, name, options):
        shapes = build_shapes(name, saved["num_classes"], **options)
        _fit_head(shapes, state)
        check_state(shapes, state, str(path))


def _check_numbers(value: Any) -> None:
    """See that no number in nested lists and mappings is larger than `MOST`."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            _check_numbers(inner)
    elif isinstance(value, int | float) and not abs(value) <= MOST:
        raise ValueError(f"{value!r} is no width, depth or size")


@contextmanager
def _options_of(path: str | Path, name: str, options: dict[str, Any]) -> Iterator[None]:
    """Tell whatever goes wrong with a file's options as the file's fault."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:  # libraries' networks raise nearly anything
        raise ConfigError(
            f"{path} asks for a network {name} with the options {str(options)[:200]}, which cannot be built "
            f"({error}). Copy the file again, or train the network again."
        ) from error


def _load(model: nn.Module, state: dict[str, torch.Tensor], source: str) -> None:
    """Load weights, whatever number of classes they have, and whatever a wrapper put before their names."""
    state = with_own_names(model, state)
    _fit_head(model, state)
    load_state(model, state, source)


def _fit_head(model: nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Give the network a head of the weights' number of classes, with a bias where they have one that was fitted."""
    weight, bias = (state.get(f"{model.spec.head}.{name}") for name in ("weight", "bias"))
    old = get_layer(model, model.spec.head)
    if weight is not None and (
        len(weight) != model.spec.num_classes or (bias is not None and old.bias is None)
    ):
        replace_head(model, len(weight), bias=bias)


def _check_name(saved: dict[str, Any], name: str, weights: str | Path) -> None:
    if saved and _canonical(saved["name"]) != _canonical(name):
        raise ConfigError(f"{weights} holds weights of {saved['name']}, not of {name}.")


def _canonical(name: str) -> str:
    """One name for a network that has several."""
    return name if ":" in name else MODELS[name].function.__name__


def _color(
    key: str, given: Sequence[float] | None, saved: dict[str, Any], facts: dict[str, Any]
) -> tuple[float, float, float]:
    """The mean or std of the channels: as given, else as saved with the weights, else the network's."""
    values = given if given is not None else saved.get(key, facts[key])
    numbers = tuple(float(value) for value in values)
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)) or (key == "std" and min(numbers) <= 0):
        raise ConfigError(f"{key} must be three numbers for red, green and blue in 0..255, not {values}.")
    return numbers
