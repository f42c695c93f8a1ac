"""What a network's layers give for clips of a size: shapes, and which axis is time, height, width or channels."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules import batchnorm, conv, pooling

from ..errors import ConfigError
from .layers import evaluation, get_layer

Clip = tuple[int, int, int]  # frames, height, width
# Longer, taller and wider clips: by more than the strides of any layer pass over.
LARGER: tuple[Clip, ...] = ((32, 0, 0), (0, 64, 0), (0, 0, 64))
# Layers that work on given axes, if what they give has five.
KINDS: dict[tuple[type[nn.Module], ...], str] = {
    (conv._ConvNd, batchnorm._NormBase, nn.GroupNorm): "CTHW",
    (pooling._MaxPoolNd, pooling._AvgPoolNd, pooling._AdaptiveMaxPoolNd, pooling._AdaptiveAvgPoolNd): "CTHW",
    (nn.Linear, nn.LayerNorm): "THWC",
}


class Layer(NamedTuple):
    """A layer's name and type, the shape of its output without the batch, and the axes of that.

    ``axes`` is a word of the letters C, T, H and W, such as ``THWC`` where channels are last; it is empty
    where the output is no tensor of channels, time, height and width. Of a layer that gives tokens together with
    their grid, ``shape`` is (C, T, H, W), and ``extra`` is the number of tokens that stand before those of the grid.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    axes: str
    extra: int | None = None


class FeatureView(NamedTuple):
    """How a layer's output is seen as features (N, C, T, H, W), or (N, d), and features are put back into it.

    ``order`` is that of the output's axes, as for ``Tensor.permute``, or None where the output is tokens (N, L, C)
    beside their grid (T, H, W), as in multiscale vision transformers; tokens before the grid's stay what they are.
    """

    order: tuple[int, ...] | None

    def features(self, output: Any) -> Tensor:
        """What the layer gave, as features."""
        if self.order is not None:
            return output.permute(self.order)
        tokens, grid = output
        return tokens[:, -math.prod(grid) :].mT.unflatten(2, tuple(grid))

    def replaced(self, output: Any, features: Tensor) -> Any:
        """What the layer gave, with other features."""
        if self.order is not None:
            return features.permute([self.order.index(axis) for axis in range(len(self.order))])
        tokens, grid = output
        return type(output)([torch.cat([tokens[:, : -math.prod(grid)], features.flatten(2).mT], 1), grid])

    def check_effect(self, name: str | None, gradient: Tensor) -> None:
        """See that the score's gradient at a layer's features tells something.

        Raises
        ------
        ConfigError
            It is zero, as what follows the layer reads nothing but a class token.
        """
        if self.order is None and not gradient.any():
            raise ConfigError(
                f"The score does not depend on what layer {name!r} gives at any position: what follows reads its class "
                "token alone. Choose the block before it."
            )


_SEEN: WeakKeyDictionary[nn.Module, dict[Clip, dict[str, Layer | str]]] = WeakKeyDictionary()


def layer_names(model: nn.Module, *, frames: int = 16, size: int = 112) -> list[Layer]:
    """List a network's layers that give a tensor, in the order in which they are computed.

    Parameters
    ----------
    model : Module
        As built by `voxplain.build_model` or `voxplain.models.build.build_shapes`.
    frames, size : int
        Length, and height and width, of the clip that output shapes are given for. A network that takes
        only one size is shown that.

    Raises
    ------
    ConfigError
        The network cannot be shown such a clip, or answers with something else than logits.
    """
    size = model.spec.size or size
    layers = _layers(model, (model.spec.frames or frames, size, size))
    return [layer for layer in layers.values() if isinstance(layer, Layer)]


def calls_in_order(model: nn.Module, clip: Sequence[int]) -> list[str]:
    """Names of all submodules that a clip of shape (T, H, W) calls, in the order in which they answer (the last time)."""
    return list(_layers(model, tuple(clip)))


def called_by(model: nn.Module, clip: Sequence[int]) -> dict[str, str]:
    """As `calls_in_order`, of any module, with what each gives; empty where it cannot be shown such a clip.

    What is given is ``one`` tensor, ``several``, or ``class_token`` where one of the tokens is no position.

    Raises
    ------
    ConfigError
        It answers one clip with several tensors, or with a tensor without the axis of clips.
    """
    calls, error = _run(model, tuple(clip))
    if error is None and len(calls[""].shape) < 2:
        raise ConfigError(
            f"it answers with {_given(calls[''])}, not with logits (N, classes): return them alone, and keep the axis of "
            "clips where there is one clip (flatten(1) in place of squeeze())"
        )
    kinds = {
        name: ("class_token" if call.tokens[1] else "one") if call.tokens
        else "one" if call.shape else "several"
        for name, call in calls.items() if name
    }  # fmt: skip
    return {} if error else kinds


def feature_view(model: nn.Module, name: str, clip: Sequence[int], *, vectors: bool = False) -> FeatureView:
    """How a layer's output is seen as features (N, C, T, H, W).

    Parameters
    ----------
    model : Module
        Maps (N, 3, T, H, W) to logits (N, classes).
    name : str
        Of the layer.
    clip : (T, H, W)
        Shape of the clips to come.
    vectors : bool
        Whether an output (N, d) will do, too; its axes stay as they are.

    Raises
    ------
    ConfigError
        There is no such layer, the network cannot be shown such a clip, or the layer's output has no axes of
        time, height and width, such as tokens without their grid or a list of pathways. The text names a layer that
        will do.
    """
    get_layer(model, name)
    layers = _layers(model, tuple(clip))
    layer = layers.get(name, "nothing")
    if isinstance(layer, Layer):
        if layer.extra is not None:
            return FeatureView(None)
        if layer.axes:
            return FeatureView((0, *(1 + layer.axes.index(axis) for axis in "CTHW")))
        if vectors and len(layer.shape) == 1:
            return FeatureView((0, 1))
    given = layer if isinstance(layer, str) else f"(N, {', '.join(map(str, layer.shape))})"
    good = [found.name for found in layers.values() if _has_space(found)]
    if not good:
        raise ConfigError(f"Layer {name!r} gives no features (N, C, T, H, W), but {given}; no layer does.")
    usual = getattr(getattr(model, "spec", None), "last_conv", None)
    outer = min(good[::-1], key=lambda other: other.count("."))
    raise ConfigError(
        f"Layer {name!r} gives no features (N, C, T, H, W), but {given}: choose another, such as "
        f"{usual if usual in good else outer!r}."
    )


def _has_space(layer: Layer | str) -> bool:
    """Whether a layer has several positions."""
    return isinstance(layer, Layer) and any(
        length > 1 for axis, length in zip(layer.axes, layer.shape, strict=False) if axis in "HW"
    )


class _Call(NamedTuple):
    """What a module was given, and what it gave."""

    inputs: tuple[Any, ...]
    output: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.output.shape) if isinstance(self.output, Tensor) else ()

    @property
    def tokens(self) -> tuple[tuple[int, ...], int] | None:
        """Shape (N, C, T, H, W) of tokens that come with their grid, and the number of others before them."""
        match self.output:
            case [Tensor() as tokens, [int(t), int(h), int(w)]] if tokens.dim() == 3:
                extra = tokens.shape[1] - t * h * w
                if extra in (0, 1):
                    return (tokens.shape[0], tokens.shape[2], t, h, w), extra
        return None


def _layers(model: nn.Module, clip: Clip) -> dict[str, Layer | str]:
    """Layers by name, for clips of a shape; those that give no tensor as what they give. Looked at once."""
    known = _SEEN.setdefault(model, {})
    if clip not in known:
        calls, error = _run(model, clip)
        if error is None and len(calls[""].shape) != 2:
            error = f"it answers with {_given(calls[''])}, not with logits (N, classes)"
        if error is not None:
            name = getattr(getattr(model, "spec", None), "name", type(model).__name__)
            raise ConfigError(
                f"{name} cannot be shown clips of {' x '.join(map(str, clip))} ({error}). Choose another length or "
                "size of clips, or another network."
            )
        larger = [_run(model, tuple(map(operator.add, clip, more)))[0] for more in LARGER]
        known[clip] = _named(dict(model.named_modules()), calls, larger)
    return known[clip]


def _given(call: _Call) -> str:
    return str(call.shape) if call.shape else f"a {type(call.output).__name__}"


def _run(model: nn.Module, clip: Clip) -> tuple[dict[str, _Call], str | None]:
    """Every module's call ("" is the whole network's), and the error that ended the pass, if one did."""
    calls: dict[str, _Call] = {}

    def note(name: str, call: _Call) -> None:
        calls.pop(name, None)  # of several calls, the last counts, and in its place
        calls[name] = call

    handles = [
        module.register_forward_hook(
            lambda _module, inputs, output, name=name: note(name, _Call(inputs, output))
        )
        for name, module in model.named_modules()
    ]
    weights = dict(itertools.chain(model.named_parameters(), model.named_buffers()))
    like = next(model.parameters())
    device = "cpu" if like.is_meta else like.device.type  # autocast knows no meta
    try:
        with torch.no_grad(), evaluation(model), torch.autocast(device, enabled=False):
            try:  # without values, and so without computing
                without = {name: torch.empty_like(weight, device="meta") for name, weight in weights.items()}
                functional_call(model, without, (torch.empty(1, 3, *clip, dtype=like.dtype, device="meta"),))
            except Exception as error:
                if like.is_meta or "meta" not in str(error).lower():
                    raise
                calls.clear()  # something in the network reads values
                model(like.new_zeros(1, 3, *clip))
    except Exception as error:  # of anybody's code
        return calls, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    finally:
        for handle in handles:
            handle.remove()
    return calls, None


def _named(
    modules: dict[str, nn.Module], calls: dict[str, _Call], larger: Sequence[dict[str, _Call]]
) -> dict[str, Layer | str]:
    """Layers from their calls for a clip, and for longer, taller and wider ones."""
    layers: dict[str, Layer | str] = {}
    axes_of: dict[int, str] = {}
    for name, call in calls.items():
        if call.tokens:
            shape, extra = call.tokens
            layers[name] = Layer(name, type(modules[name]).__name__, shape[1:], "CTHW", extra)
            continue
        if not call.shape:
            layers[name] = f"a {type(call.output).__name__}"
            continue
        axes = _axes(call.shape, [other[name].shape if name in other else () for other in larger])
        if axes is None:
            # No other clip got there, or tells: networks that take one size only, and what is pooled.
            given = [x for x in call.inputs if isinstance(x, Tensor) and x.shape == call.shape]
            same = [axes_of[id(x)] for x in (call.output, *given) if id(x) in axes_of]
            axes = next((word for kinds, word in KINDS.items() if isinstance(modules[name], kinds)), None)
            axes = axes or next(iter(same), "CTHW" if call.shape[2:] == (1, 1, 1) else "")
        axes_of[id(call.output)] = axes
        layers[name] = Layer(name, type(modules[name]).__name__, call.shape[1:], axes)
    layers.pop("", None)
    return layers


def _axes(shape: tuple[int, ...], larger: Sequence[tuple[int, ...]]) -> str | None:
    """Axes of an output after the batch, from its shapes for larger clips; None where these do not tell.

    Parameters
    ----------
    shape : tuple of int
        Of the output for one clip.
    larger : three tuples of int
        For a longer, a taller and a wider one; empty where the network failed before.
    """
    if len(shape) != 5 or shape[0] != 1:
        return ""
    places: dict[str, int] = {}
    for axis, other in zip("THW", larger, strict=True):
        changed = [i for i in range(5) if len(other) == 5 and other[i] != shape[i]]
        if len(changed) > 1 or 0 in changed:
            return ""
        if changed:
            places[axis] = changed[0]
    if not places:
        return None
    if len(places) == 3 and len(set(places.values())) == 3:
        return "".join(sorted("CTHW", key=lambda axis: places.get(axis, 10 - sum(places.values()))))
    usual = [word for word in ("CTHW", "THWC") if all(word[i - 1] == axis for axis, i in places.items())]
    return usual[0] if usual else ""
