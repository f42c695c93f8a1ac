"""Selective relevance: the part of an explanation that changes in time.

Hiley et al., "Explaining motion relevance for activity recognition in video deep learning models", Section 3.
A Sobel filter gives the relevance's derivative in time, and only relevance where that derivative exceeds
`sigma` of its standard deviations is kept.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal, TypeVar, get_args, get_type_hints

import numpy as np
import torch
import torch.nn.functional as F

from voxplain.errors import ConfigError, VoxplainError, nearest

Array = TypeVar("Array", np.ndarray, torch.Tensor)


@dataclasses.dataclass(frozen=True)
class Selection:
    """How the derivative is taken and compared.

    Parameters
    ----------
    padding : {"zero", "replicate"}
        What lies beyond the clip. With zeros, every relevant voxel of the first and last frame seems to
        change.
    sign : {"absolute", "decreasing", "increasing"}
        Which change counts. A convolution as deep-learning libraries compute it does not flip the kernel, so
        it measures R(t-1) - R(t+1): what the paper's code selects is decreasing relevance.
    deviation_of : {"compared", "derivative"}
        Whose standard deviation scales the threshold: that of the values compared with it (after the sign is
        dropped), or that of the signed derivative. Only the latter means the same `sigma` for every `sign`.
    centre : bool
        Measure the derivative from its mean over the clip, as a standard deviation does. The mean is not 0
        where the clip's total relevance drifts.
    normalize : {"none", "range"}
        Shift and scale maps with negative values to [0, 1] before the derivative. The threshold follows any
        scaling, so this matters only with zero padding, where voxels without relevance then seem to change.
    """

    padding: Literal["zero", "replicate"]
    sign: Literal["absolute", "decreasing", "increasing"]
    deviation_of: Literal["compared", "derivative"]
    centre: bool
    normalize: Literal["none", "range"] = "none"

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value, known = getattr(self, field.name), get_args(hints[field.name]) or (True, False)
            if value not in known:
                raise ConfigError(
                    f"Selective relevance: {field.name!r} cannot be {value!r}. "
                    f"Known: {', '.join(str(word) for word in known)}."
                )


PRESETS = {
    "official": Selection(padding="zero", sign="absolute", deviation_of="compared", centre=False),
    "paper": Selection(padding="zero", sign="decreasing", deviation_of="compared", centre=False),
    "corrected": Selection(padding="replicate", sign="absolute", deviation_of="derivative", centre=True),
}
_TOGETHER = 2  # clips worked on at once, so that what is between the steps fits a processor's cache
_SIGNS = {"absolute": torch.abs, "decreasing": torch.positive, "increasing": torch.neg}


def selective_relevance(
    relevance: Array,
    sigma: float,
    preset: Literal["official", "paper", "corrected"] = "official",
    **options: Any,
) -> Array:
    """Keep the relevance that changes in time (Section 3).

    Parameters
    ----------
    relevance : (..., T, H, W) array or tensor
        Relevance of one clip or of many; each clip has a threshold of its own.
    sigma : float
        Standard deviations of the derivative that a voxel's must exceed. The paper names 4 and 2, its code 3;
        the presets' values are not comparable (see `Selection`).
    preset : {"official", "paper", "corrected"}
        ``official``: what the newest released code computes. ``paper``: what the code of the paper's time
        computes (signed), but for ``normalize: range``, which it did too. ``corrected``: no artefacts at the
        clip's ends, and both directions of change measured in standard deviations of the derivative from
        its mean.
    **options
        Fields of `Selection` that override the preset's.

    Returns
    -------
    same type, shape and dtype as `relevance`
        The relevance where it is selected, 0 elsewhere.

    Raises
    ------
    ConfigError
        An option is unknown or impossible.
    VoxplainError
        The relevance is not finite, or the clip has a single frame and so no derivative in time.
    """
    return selective_sweep(relevance, (sigma,), preset, **options)[0]


def selective_sweep(
    relevance: Array,
    sigmas: Sequence[float],
    preset: Literal["official", "paper", "corrected"] = "official",
    **options: Any,
) -> Array:
    """Selective relevance at several thresholds, with the derivative computed once.

    Parameters and errors are those of `selective_relevance`, but for `sigmas`, a sequence.

    Returns
    -------
    same type and dtype as `relevance`, shape (len(sigmas), ..., T, H, W)
    """
    selection = _selection(preset, options)
    if not all(0 <= sigma < math.inf for sigma in sigmas):
        raise ConfigError(f"Selective relevance: sigma must be 0 or more, not {list(sigmas)}.")
    clips = _as_clips(relevance)
    selective = clips.new_empty((len(sigmas), *clips.shape))
    parts = zip(clips.split(_TOGETHER), selective.split(_TOGETHER, dim=1), strict=True)
    _check_finite(torch.cat([_select(part, sigmas, selection, out) for part, out in parts]))
    return _like(relevance, selective.reshape(len(sigmas), *relevance.shape))


def temporal_derivative(relevance: Array, *, padding: Literal["zero", "replicate"] = "replicate") -> Array:
    """Sobel derivative of a relevance map in time (Section 3, G_t).

    The 3 x 3 x 3 kernel is the outer product of (1, 0, -1) in time with (1, 2, 1) in height and width, not
    normalized and not flipped: a voxel's value is its smoothed relevance one frame before, less one frame
    after.

    Parameters
    ----------
    relevance : (..., T, H, W) array or tensor
    padding : {"zero", "replicate"}
        What lies beyond the clip.

    Returns
    -------
    same type, shape and dtype as `relevance`
    """
    derivative = _sobel_in_time(_as_clips(relevance), padding)
    return _like(relevance, derivative.reshape(relevance.shape))


def _selection(preset: str, options: dict[str, Any]) -> Selection:
    if preset not in PRESETS:
        raise ConfigError(
            f"Selective relevance has no preset {preset!r}{nearest(preset, PRESETS)} "
            f"Known: {', '.join(PRESETS)}."
        )
    known = [field.name for field in dataclasses.fields(Selection)]
    for name in options:
        if name not in known:
            raise ConfigError(
                f"Selective relevance has no option {name!r}{nearest(name, known)} Known: {', '.join(known)}."
            )
    return dataclasses.replace(PRESETS[preset], **options)


def _select(
    clips: torch.Tensor, sigmas: Sequence[float], selection: Selection, out: torch.Tensor
) -> torch.Tensor:
    """Write the selective maps to `out` (len(sigmas), N, T, H, W) and return the clips' deviations."""
    change = _sobel_in_time(_normalize(clips, selection.normalize), selection.padding)
    if selection.centre:
        change -= change.mean((1, 2, 3), keepdim=True)
    compared = _SIGNS[selection.sign](change)
    deviation = _deviation(change if selection.deviation_of == "derivative" else compared)
    for sigma, selected in zip(sigmas, out, strict=True):
        torch.gt(compared, sigma * deviation, out=selected).mul_(clips)
    return deviation


def _as_clips(relevance: np.ndarray | torch.Tensor) -> torch.Tensor:
    """View `relevance` as a floating tensor of clips (N, T, H, W)."""
    if relevance.ndim < 3 or relevance.shape[-3] < 2:
        raise VoxplainError(
            f"Selective relevance needs maps of shape (..., T, H, W) with two frames or more, not "
            f"{tuple(relevance.shape)}: a single frame has no derivative in time."
        )
    if isinstance(relevance, np.ndarray):
        relevance = np.require(relevance, requirements=["C", "W"])  # what a tensor can share
    clips = torch.as_tensor(relevance).detach()
    if clips.dtype not in (torch.float32, torch.float64):
        clips = clips.float()
    return clips.reshape(-1, *relevance.shape[-3:])


def _like(relevance: Array, result: torch.Tensor) -> Array:
    """Return `result` as the type and dtype of `relevance`."""
    if isinstance(relevance, np.ndarray):
        return result.numpy().astype(relevance.dtype, copy=False)
    return result.to(relevance.dtype)


def _normalize(clips: torch.Tensor, mode: str) -> torch.Tensor:
    if mode == "none":
        return clips
    low, high = clips.amin((1, 2, 3), keepdim=True), clips.amax((1, 2, 3), keepdim=True)
    # What is the same everywhere is 0 everywhere.
    return torch.where(low < 0, (clips - low) / torch.where(high > low, high - low, 1), clips)


def _sobel_in_time(clips: torch.Tensor, padding: str) -> torch.Tensor:
    """Apply the kernel as its separable parts; (1, 2, 1) is (1, 1) twice."""
    padded = F.pad(clips, (1,) * 6, mode="replicate" if padding == "replicate" else "constant")
    # Differences come first: what is constant in time is then exactly 0, whatever its size.
    change = padded[:, :-2] - padded[:, 2:]
    for axis in (-2, -2, -1, -1):
        length = change.shape[axis] - 1
        change = change.narrow(axis, 0, length) + change.narrow(axis, 1, length)
    return change


def _deviation(values: torch.Tensor) -> torch.Tensor:
    """Sample standard deviation of each clip, (N, 1, 1, 1); by norms, 10 times faster than ``torch.std``."""
    centred = (values - values.mean((1, 2, 3), keepdim=True)).flatten(1)
    # In double precision (which MPS lacks) squares of tiny relevance do not vanish and sums stay exact.
    precision = values.dtype if values.device.type == "mps" else torch.float64
    norm = torch.linalg.vector_norm(centred, dim=1, dtype=precision) / (centred.shape[1] - 1) ** 0.5
    return norm.to(values.dtype).view(-1, 1, 1, 1)


def _check_finite(deviation: torch.Tensor) -> None:
    """Every voxel has a part in its clip's deviation, so that alone shows values that are not finite."""
    broken = (~deviation.flatten().isfinite()).nonzero().flatten().tolist()
    if broken:
        raise VoxplainError(
            f"Relevance of clip {', '.join(map(str, broken[:5]))} (of {len(deviation)}) holds NaN or infinite"
            " values. Look at the explainer and the network's input for that clip."
        )
