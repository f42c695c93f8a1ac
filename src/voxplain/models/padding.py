"""Whether a network's windows lie evenly over a clip.

A strided layer whose padding does not come out even leaves its windows off the clip's center: of 112 pixels, the
7-wide windows of stride 2 in r3d_18 start 3 pixels before the left border and end 2 after the right one. Stage
by stage this adds up, and maps lean to the side that more windows see (Alsallakh et al., Mind the pad: CNNs can
develop blind spots, ICLR 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.utils import _triple
from torch.overrides import TorchFunctionMode

from ..errors import ConfigError
from .build import build_shapes

WINDOWS = {"conv3d", "max_pool3d", "avg_pool3d"}


class _Grid(NamedTuple):
    """Positions of a layer's output: their center off the clip's, and their distance, (t, h, w) in voxels."""

    center: np.ndarray
    step: np.ndarray


def grid_offset(model: nn.Module, frames: int, size: int) -> tuple[float, float, float]:
    """How far the center of what the last layer's positions see lies off the clip's center.

    Parameters
    ----------
    model : Module
        Maps (N, 3, T, H, W) to logits, on torch's meta device (`voxplain.models.build.build_shapes`, or
        ``copy.deepcopy(model).to("meta")``): weights play no part.
    frames, size : int
        Length, and height and width, of the clip.

    Returns
    -------
    (3,) float
        Frames, pixels down and pixels to the right; 0 where all padding comes out even.
    """
    follow = _Follow()
    clip = torch.empty(1, 3, frames, size, size, device="meta")
    clip.grid = _Grid(np.zeros(3), np.ones(3))
    with torch.no_grad(), follow:
        model(clip)
    return tuple(follow.last.center.tolist())


def even_size(network: str, frames: int, size: int, /, *, reach: int = 16, **options: Any) -> int | None:
    """The size nearest to `size`, at most `reach` pixels away, of which all padding comes out even in space.

    Parameters
    ----------
    network, **options
        As of `voxplain.models.build.build_shapes`; one that takes clips of one size only is built for each.
    frames, size : int
        Length, and height and width, of the clips.

    Returns
    -------
    int or None
        None where no size is even.
    """
    shapes = build_shapes(network, 2, **options)
    near = sorted(range(max(size - reach, 8), size + reach + 1), key=lambda other: abs(other - size))
    for other in near:
        try:
            if shapes.spec.size not in (None, other):
                shapes = build_shapes(network, 2, **options | {"size": other})
            if not any(grid_offset(shapes, frames, other)[1:]):
                return other
        except (RuntimeError, ValueError, ConfigError):  # a size that the network does not take
            continue
    return None


class _Follow(TorchFunctionMode):
    """Carries grids through a forward pass, as an attribute of tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.last = _Grid(np.zeros(3), np.ones(3))

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        grid = next((found for found in map(_grid_of, args) if found), None)
        output = function(*args, **kwargs)
        if grid and isinstance(output, Tensor) and output.dim() == 5:
            name = getattr(function, "__name__", "")
            if name in WINDOWS:
                grid = self.last = _through_windows(grid, function, args, kwargs, output)
            elif function is F.pad and len(args[1]) <= 6:  # more are of channels that come last
                grid = _padded(grid, *args, **kwargs)
            output.grid = grid
        return output


def _grid_of(value: Any) -> _Grid | None:
    values = value if isinstance(value, list | tuple) else [value]
    return next(
        (found.grid for found in values if isinstance(found, Tensor) and hasattr(found, "grid")), None
    )


def _through_windows(
    grid: _Grid, function: Callable, args: tuple, kwargs: dict[str, Any], output: Tensor
) -> _Grid:
    """The grid of the windows of a convolution or pooling."""
    if "conv" in function.__name__:
        names = ("input", "weight", "bias", "stride", "padding", "dilation")
        given = {"stride": 1, "padding": 0, "dilation": 1} | dict(zip(names, args, strict=False)) | kwargs
        kernel = given["weight"].shape[2:]
    else:
        names = ("input", "kernel_size", "stride", "padding", "dilation")
        given = {"stride": None, "padding": 0} | dict(zip(names, args, strict=False)) | kwargs
        kernel = _triple(given["kernel_size"])
        given["stride"] = given["stride"] or kernel
        if "max" not in function.__name__:
            given["dilation"] = 1  # of avg_pool3d, the fifth argument is another
    if given["padding"] == "same":
        return grid
    stride, before, dilation = (
        np.array(_triple(0 if given.get(key) == "valid" else given.get(key, 1)))
        for key in ("stride", "padding", "dilation")
    )
    width = dilation * (np.array(kernel) - 1)
    last = (np.array(output.shape[2:]) - 1) * stride
    center = (last + width) / 2 - before - (np.array(given["input"].shape[2:]) - 1) / 2
    return _Grid(grid.center + center * grid.step, grid.step * stride)


def _padded(grid: _Grid, input: Tensor, pad: Sequence[int], *_: Any, **__: Any) -> _Grid:
    edges = np.array([*pad, *[0] * (6 - len(pad))]).reshape(3, 2)[::-1]
    return _Grid(grid.center + (edges[:, 1] - edges[:, 0]) / 2 * grid.step, grid.step)
