"""Activations of supervoxels at a network's layers, and the gradients that score concepts.

Eq. (1) of 3D-ACE asks how the logit changes when a layer's activation moves along a vector. The layer
can be averaged to a coarser grid (by default to a single cell): a vector on that grid then moves all
positions of a cell alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .device import batched
from .models.layers import eager, hooked, uncompiled
from .models.shapes import feature_view
from .patches import supervoxel_inputs

if TYPE_CHECKING:
    from .models.trained import TrainedModel

Grid = tuple[int, int, int]


@contextmanager
def hooked_features(
    model: nn.Module, inputs: torch.Tensor, layers: Sequence[str], hook: Callable
) -> Iterator[None]:
    """Call ``hook(name, output)`` after each layer as `voxplain.models.layers.hooked` does.

    It is given, and gives, outputs (N, C, t, h, w), or (N, d), of clips like `inputs`, however the network
    orders its axes, and also where it keeps tokens beside their grid.
    """
    model = uncompiled(model)
    views = {name: feature_view(model, name, inputs.shape[2:], vectors=True) for name in layers}

    def called(name: str, output: Any) -> Any:
        replaced = hook(name, views[name].features(output))
        return None if replaced is None else views[name].replaced(output, replaced)

    with hooked(model, layers, called), eager():
        yield


def average_to_grid(activation: torch.Tensor, grid: Grid | None) -> torch.Tensor:
    """Average (N, C, t, h, w) to at most `grid` cells and flatten to (N, d); (N, d) stays as it is.

    Every position is in one cell, that of `on_positions`, also where cells do not divide an axis and differ in size. What is
    returned is float32 at least.
    """
    # Before the average, too: findings/torch_adaptive_avg_pool3d_of_ones_is_a_third.sh (PyTorch 2.15).
    activation = activation.to(torch.promote_types(activation.dtype, torch.float32))
    if activation.dim() == 5 and grid is not None:
        cells = _cells(activation, grid)
        if _divide(cells, activation):
            activation = F.adaptive_avg_pool3d(activation, cells)
        else:  # of which that would let windows overlap
            for axis, (n, size) in enumerate(zip(cells, activation.shape[2:], strict=True), start=2):
                bounds = [-(-cell * size // n) for cell in range(n + 1)]
                parts = activation.split(np.diff(bounds).tolist(), dim=axis)
                activation = torch.cat([part.mean(axis, keepdim=True) for part in parts], dim=axis)
    return activation.flatten(1)


def on_positions(vectors: torch.Tensor, activation: torch.Tensor, grid: Grid | None) -> torch.Tensor:
    """Give every position its cell's part of a vector: from (N, d), as of `average_to_grid`, to (N, C, t, h, w).

    Of an activation (., C, t, h, w) that alone the shape counts; vectors of one (., d) stay as they are.
    """
    if activation.dim() != 5:
        return vectors
    counts = _cells(activation, grid)
    cells = vectors.unflatten(1, (activation.shape[1], *counts))
    if _divide(counts, activation):
        return F.interpolate(cells, size=activation.shape[2:])
    for axis, (n, size) in enumerate(zip(counts, activation.shape[2:], strict=True), start=2):
        cells = cells.index_select(axis, torch.arange(size, device=cells.device) * n // size)
    return cells


def _divide(cells: tuple[int, ...], activation: torch.Tensor) -> bool:
    """Whether all cells hold as many positions."""
    return not any(size % n for n, size in zip(cells, activation.shape[2:], strict=True))


def _cells(activation: torch.Tensor, grid: Grid | None) -> tuple[int, ...]:
    """Cells (t, h, w) that an activation (N, C, t, h, w) is averaged to; none of one (N, d)."""
    if grid is None or activation.dim() != 5:
        return tuple(activation.shape[2:])
    return tuple(min(cells, size) for cells, size in zip(grid, activation.shape[2:], strict=True))


@torch.no_grad()
def layer_activations(
    model: nn.Module, inputs: torch.Tensor, layers: Sequence[str], *, grid: Grid | None = (1, 1, 1)
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Activations at several layers in one forward pass.

    Parameters
    ----------
    model : Module in evaluation mode
    inputs : (N, 3, T, H, W) float
    layers : names of modules
    grid : (t, h, w) that each layer is averaged to, or None to keep all positions

    Returns
    -------
    activations : dict of (N, d) float, by layer
    logits : (N, classes) float
    """
    model, found = uncompiled(model), {}

    def record(name: str, output: torch.Tensor) -> None:
        found[name] = average_to_grid(output, grid)

    with hooked_features(model, inputs, layers, record):
        logits = model(inputs)
    return found, logits


def logit_gradients(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    layers: Sequence[str],
    *,
    grid: Grid | None = (1, 1, 1),
) -> dict[str, torch.Tensor]:
    """Gradient of each clip's target logit along shifts of each layer's activation (equation 1).

    A zero shift on the grid is added to every layer's activation, and one backward pass gives the
    derivative with respect to all shifts: its product with a CAV is the limit in equation (1).

    Parameters
    ----------
    targets : (N,) int
        Class whose logit is differentiated, per clip.
    others as in `layer_activations`

    Returns
    -------
    dict of (N, d) float, by layer
    """
    model, shifts = uncompiled(model), {}

    def shift(name: str, output: torch.Tensor) -> torch.Tensor:
        size = output.shape[1] * math.prod(_cells(output, grid))
        shifts[name] = torch.zeros(len(output), size, device=output.device, requires_grad=True)
        return output + on_positions(shifts[name], output, grid)

    with torch.enable_grad(), hooked_features(model, inputs, layers, shift):
        logits = model(inputs)
        chosen = logits.gather(1, targets[:, None]).sum()
        gradients = torch.autograd.grad(chosen, [shifts[name] for name in layers])
    for name, gradient in zip(layers, gradients, strict=True):
        feature_view(model, name, inputs.shape[2:], vectors=True).check_effect(name, gradient)
    return dict(zip(layers, gradients, strict=True))


def supervoxel_activations(
    model: TrainedModel,
    clip: np.ndarray,
    labels: np.ndarray,
    kept: np.ndarray,
    layers: Sequence[str],
    *,
    form: Literal["crop", "in_place"] = "in_place",
    fill: str | tuple[int, int, int] = "mean",
    pooling: Sequence[int] | None = (1, 1, 1),
    batch: int = 16,
    preset: Literal["official", "corrected"] = "corrected",
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Activations and logits of supervoxels, each shown to a network alone, at the network's precision.

    Parameters
    ----------
    model : TrainedModel
    clip : (T, H, W, 3) uint8
    labels : (levels, T, H, W) uint16
    kept : (n, 2) int
        (level, label) of each; at least one.
    layers : names of modules
    form, fill, preset
        How they are shown: as for `voxplain.patches.supervoxel_inputs`; the fill may be ``"mean"``, the input mean.
    pooling : (t, h, w) or None
        Grid that each layer is averaged to.
    batch : int
        Clips per forward pass.

    Returns
    -------
    activations : dict of (n, d) float32, by layer
    logits : (n, classes) float32
    """
    grid = pooling and tuple(pooling)

    def shown(clips: np.ndarray) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        inputs = model.inputs(clips)
        with model.passes():
            return layer_activations(model.network, inputs, layers, grid=grid)

    patches = supervoxel_inputs(
        clip, labels, kept, form=form, fill=model.fill(fill), preset=preset, batch=batch
    )
    parts = [batched(shown, some, batch) for some in patches]
    found = {layer: np.concatenate([part[layer].cpu().numpy() for part, _ in parts]) for layer in layers}
    return found, np.concatenate([logits.float().cpu().numpy() for _, logits in parts])
