"""Show supervoxels to a network in a chosen way, and keep what several layers answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import nn

from ..activations import average_to_grid, hooked_features, logit_gradients
from ..models.trained import TrainedModel
from ..patches import supervoxel_inputs
from ..videos.store import ClipStore, SupervoxelStore
from .presets.variants import View

Place = tuple[str, tuple[int, int, int]]  # a layer, and the grid that it is averaged to


def answers(model: TrainedModel, clips: np.ndarray, places: Sequence[Place]) -> dict[Place, np.ndarray]:
    """Activations (N, d) at several layers and grids of uint8 clips (N, T, H, W, 3), in one forward pass."""
    found: dict[Place, np.ndarray] = {}

    def note(layer: str, output: torch.Tensor) -> None:
        for place in places:
            if place[0] == layer:
                found[place] = average_to_grid(output, place[1]).float().cpu().numpy()

    inputs, layers = model.inputs(clips), list(dict.fromkeys(layer for layer, _ in places))
    with torch.no_grad(), hooked_features(model.network, inputs, layers, note):
        model.network(inputs)
    return found


def same_activations(model: TrainedModel, other: TrainedModel, clips: np.ndarray, place: Place) -> bool:
    """Whether two networks answer clips (N, T, H, W, 3) alike at a place, to the last bit."""
    return np.array_equal(answers(model, clips, [place])[place], answers(other, clips, [place])[place])


def look_at_supervoxels(
    model: TrainedModel,
    clips: ClipStore,
    supervoxels: SupervoxelStore,
    rows: pd.DataFrame,
    places: Sequence[Place],
    *,
    view: View = View(),
    batch: int = 16,
) -> dict[Place, np.ndarray]:
    """Activations of supervoxels.

    Parameters
    ----------
    model : TrainedModel
    clips, supervoxels
        Of all videos in `rows`.
    rows : DataFrame
        video, clip, level, supervoxel.
    places : sequence of (layer, grid)
    view : View
    batch : int
        Clips per forward pass.

    Returns
    -------
    dict of (rows, d) float32, in the order of `rows`
    """
    if rows.empty:
        return {place: np.empty((0, 1), np.float32) for place in places}
    parts, order = [], []
    fill = model.fill(view.fill)
    for (video, number), group in rows.groupby(["video", "clip"], sort=False):
        order.append(group.index.to_numpy())
        shown = supervoxel_inputs(
            clips.clip(video, number),
            supervoxels.labels(video, number),
            group[["level", "supervoxel"]].to_numpy(),
            form=view.form,
            fill=fill,
            preset=view.box,
            batch=batch,
        )
        parts += [answers(model, patches, places) for patches in shown]
    place_of = np.argsort(rows.index.get_indexer(np.concatenate(order)))
    return {place: np.concatenate([part[place] for part in parts])[place_of] for place in places}


class _LogProbability(nn.Module):
    """A network that answers with log probabilities, whose gradient is that of the loss with the sign turned."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.network(inputs).log_softmax(dim=1)


def clip_gradients(
    model: TrainedModel,
    clips: np.ndarray,
    targets: Sequence[str],
    places: Sequence[Place],
    *,
    of: Literal["logit", "loss"] = "logit",
    batch: int = 16,
) -> dict[Place, np.ndarray]:
    """Gradients of equation (1) at uint8 clips (N, T, H, W, 3), of the logit or of the loss.

    Parameters
    ----------
    targets : (N,) str
        Classes.
    of : {"logit", "loss"}
        ``loss``: of the cross-entropy (the authors' code) with the sign turned, so that a positive
        derivative still speaks for the class.

    Returns
    -------
    dict of (N, d) float32, by place
    """
    network = model.network if of == "logit" else _LogProbability(model.network)
    prefix = "" if of == "logit" else "network."
    found: dict[Place, list[np.ndarray]] = {place: [] for place in places}
    for first in range(0, len(clips), batch):
        inputs = model.inputs(clips[first : first + batch])
        classes = model.targets(list(targets[first : first + batch]))
        for layer, grid in places:
            gradients = logit_gradients(network, inputs, classes, [prefix + layer], grid=grid)
            found[layer, grid].append(gradients[prefix + layer].cpu().numpy())
    return {place: np.concatenate(parts) for place, parts in found.items()}
