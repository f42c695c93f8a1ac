"""RAFT by torchvision."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Literal

import numpy as np

from voxplain.errors import VoxplainError

from .base import FLOWS, check_frames


@FLOWS("raft", source="Teed and Deng 2020, by torchvision", needs="weights")
def raft(
    frames: np.ndarray,
    *,
    size: Literal["small", "large"] = "small",
    weights: str | None = None,
    updates: int = 12,
    batch: int = 4,
    device: str = "cpu",
) -> np.ndarray:
    """Recurrent all-pairs field transforms, a network: the most accurate, the slowest without a GPU.

    Clips smaller than RAFT can take (128 pixels) are enlarged for it and their flow scaled back.

    Parameters
    ----------
    frames : (T, H, W, 3) uint8 array
    size : {"small", "large"}
    weights : str, optional
        A file with torchvision's state dict; by default torchvision's published weights, downloaded once.
    updates : int
        Iterations of the recurrent update.
    batch : int
        Pairs of frames computed at once.
    device : str
        Torch device.

    Returns
    -------
    (T-1, H, W, 2) float32 array
        (dx, dy) in pixels per frame.

    Raises
    ------
    VoxplainError
        The weights cannot be had, or do not fit the network.
    """
    import torch  # here, so that listing the estimators does not wait for it
    import torch.nn.functional as F

    frames = check_frames(frames)
    height, width = frames.shape[1:3]
    network = _load(size, weights, device)
    grid = _network_grid(height, width)
    scale = torch.tensor([width / grid[1], height / grid[0]], device=device).view(1, 2, 1, 1)
    flow = [np.zeros((0, height, width, 2), np.float32)]
    with torch.inference_mode():
        for start in range(0, len(frames) - 1, batch):
            images = torch.tensor(frames[start : start + batch + 1], device=device).permute(0, 3, 1, 2)
            images = F.interpolate(images / 127.5 - 1, grid, mode="bilinear", align_corners=False)
            found = network(images[:-1], images[1:], num_flow_updates=updates)[-1]
            found = scale * F.interpolate(found, (height, width), mode="bilinear", align_corners=False)
            flow.append(found.permute(0, 2, 3, 1).cpu().numpy())
    return np.concatenate(flow)


def _network_grid(height: int, width: int) -> tuple[int, int]:
    """Smallest grid of about the frame's shape that RAFT takes: sides of 128 or more, divisible by 8."""
    enlarge = max(1, 128 / min(height, width))
    return 8 * math.ceil(height * enlarge / 8), 8 * math.ceil(width * enlarge / 8)


@functools.lru_cache(maxsize=1)
def _load(size: str, weights: str | None, device: str):
    """Build the network once per process, not once per clip."""
    import torch
    from torchvision.models import optical_flow

    build = getattr(optical_flow, f"raft_{size}")
    try:
        if weights is None:
            network = build(weights="DEFAULT", progress=False)
        else:
            network = build(weights=None)
            network.load_state_dict(torch.load(Path(weights), map_location="cpu", weights_only=True))
    except Exception as error:  # download, file and pickle errors have no common base
        source = "torchvision's published weights" if weights is None else repr(weights)
        raise VoxplainError(
            f"RAFT ({size}) cannot have its weights from {source} ({str(error).splitlines()[0]}). Give the "
            "option 'weights' a file with torchvision's state dict, or choose another flow estimator "
            "(farneback, dis, tvl1)."
        ) from error
    return network.eval().to(device)
