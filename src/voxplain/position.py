"""Whether relevance leans to one side of the frame, whatever is shown."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import nn

OUTER = 8  # an eighth of the frame at each side


def side_shares(relevance: np.ndarray, axis: str) -> np.ndarray:
    """Share of each clip's relevance in the first half of the frame, and in its first and last eighth.

    Parameters
    ----------
    relevance : (N, T, H, W) float
        Negative relevance does not count.
    axis : {"width", "height"}
        First is left, or up.

    Returns
    -------
    (N, 3) float : half, first, last; NaN where a clip has no relevance
    """
    maps = np.clip(np.asarray(relevance, dtype=np.float64), 0, None)
    profiles = maps.sum((1, 2) if axis == "width" else (1, 3))
    # Shares up to any place, which may lie within a pixel.
    edges = np.arange(profiles.shape[1] + 1) / profiles.shape[1]
    total = np.where(profiles.sum(1) > 0, profiles.sum(1), np.nan)
    found = []
    for profile in profiles / total[:, None]:
        half, first, last = np.interp(
            [1 / 2, 1 / OUTER, 1 - 1 / OUTER], edges, np.append(0, profile.cumsum())
        )
        found.append((half, first, 1 - last))
    return np.array(found).reshape(-1, 3)


def position_bias(relevance: np.ndarray, mirrored: np.ndarray, axis: str) -> dict[str, float]:
    """Compare the two sides of the frame over clips and their mirror images, in which content balances out.

    Parameters
    ----------
    relevance, mirrored : (N, T, H, W) float
        Of clips, and of their mirror images as these lie, for the same classes. Negative relevance does not
        count, and each clip counts alike.
    axis : {"width", "height"}
        Of which the two sides are compared. Content balances out along the axis that was mirrored.

    Returns
    -------
    dict
        ``halves``: relevance of the left (upper) half over that of the right (lower) one, 1 without bias.
        ``first``, ``last``: share of the outermost eighth on each side over its share of the area.
    """
    both = np.concatenate([side_shares(relevance, axis), side_shares(mirrored, axis)])
    half, first, last = np.nanmean(both, axis=0)
    return {"halves": odds(half), "first": OUTER * first, "last": OUTER * last}


def odds(share: float) -> float:
    """One part over the other."""
    return share / (1 - share) if share < 1 else np.inf


def mirrored_network(model: nn.Module, frames: int, size: int) -> nn.Module:
    """The network that does to mirrored clips what `model` does to clips: all its filters are mirrored left to right.

    Of random weights both are as likely. Over a network on clips and its mirror image on mirrored ones, what the
    filters happen to prefer balances out, and what is left is where the windows lie. Where padding comes
    out even in width (`voxplain.models.padding.even_size`) nothing is left: both give mirrored maps.

    Parameters
    ----------
    model : Module
        Of convolutions, batch norms, poolings and linear layers; maps (N, 3, T, H, W) to logits.
    frames, size : int
        Length, and height and width, of the clips.
    """
    import torch  # which the planning, that reads what tables take from here, can do without
    from torch import nn

    grids: list[torch.Size] = []
    flat: dict[str, torch.Size] = {}  # what each linear layer's features were before they were flattened

    def remember(module: nn.Module, given: tuple, output: torch.Tensor) -> None:
        if isinstance(output, torch.Tensor) and output.dim() == 5:
            grids.append(output.shape[1:])

    def look_back(module: nn.Module, given: tuple) -> None:
        flat[names[module]] = grids[-1]

    shapes = copy.deepcopy(model).to("meta")
    names = {module: name for name, module in shapes.named_modules()}
    for module in names:
        if isinstance(module, nn.Linear):
            module.register_forward_pre_hook(look_back)
        else:
            module.register_forward_hook(remember)
    with torch.no_grad():
        shapes(torch.empty(1, 3, frames, size, size, device="meta"))
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for name, module in twin.named_modules():
            if isinstance(module, nn.Conv3d):
                module.weight.copy_(module.weight.flip(-1))
            elif isinstance(module, nn.Linear) and module.in_features == flat[name].numel():
                # The features of a grid, one position after the other.
                module.weight.copy_(module.weight.unflatten(1, flat[name]).flip(-1).flatten(1))
    return twin
