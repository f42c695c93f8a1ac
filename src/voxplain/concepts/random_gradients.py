"""Gradients of networks that are random above a layer: what effects are where nothing was learned there."""

from __future__ import annotations

import numpy as np
import torch
from tqdm import tqdm

from ..activations import Grid, logit_gradients
from ..models.trained import TrainedModel
from ..models.upper import Upper
from ..streams import seed_of
from ..videos.store import ClipStore

MEMORY = 1 << 30  # bytes of features that are held at once


def random_gradients(
    model: TrainedModel,
    clips: ClipStore,
    rows: np.ndarray,
    layer: str,
    *,
    grid: Grid | None = (1, 1, 1),
    draws: int,
    seed: int = 0,
    batch: int = 16,
) -> dict[str, np.ndarray]:
    """Mean gradient over each class's clips, with all weights above a layer drawn anew.

    The cascade of Adebayo and others, "Sanity checks for saliency maps" (2018), section 3, down to the layer.
    What the layer gives stays as it is, and so do concepts and their CAVs; what the network makes of it is
    forgotten. Effects are linear in the mean gradient over clips, so that these means are all that a test needs.

    Parameters
    ----------
    model : TrainedModel
    clips : ClipStore
    rows : (n,) int
        Numbers of the clips.
    layer : str
    grid : (t, h, w) or None
        As for `voxplain.activations.logit_gradients`.
    draws : int
        Random networks.
    seed : int
        Of their weights, which are the same for any number of clips or classes.
    batch : int
        Clips per pass.

    Returns
    -------
    dict of (draws, d) float32, by class
    """
    classes = clips.table.loc[rows, "class"].to_numpy()
    upper = Upper(model.network, layer, model.inputs(clips.fetch(rows[:1])))
    batches = [rows[first : first + batch] for first in range(0, len(rows), batch)]
    held = max(1, MEMORY // upper.features(model.inputs(clips.fetch(batches[0]))).nbytes)  # batches
    names = sorted(set(classes))
    sums = None
    with tqdm(total=draws * len(batches), unit="batch", mininterval=10) as progress:
        for first in range(0, len(batches), held):
            some = batches[first : first + held]
            features = [upper.features(model.inputs(clips.fetch(part))) for part in some]
            for draw in range(draws):
                upper.redraw(seed_of(seed, draw))
                for part, given in zip(some, features, strict=True):
                    own = clips.table.loc[part, "class"]
                    with upper.given(given) as inputs:
                        found = logit_gradients(
                            upper.network, inputs, model.targets(own.tolist()), [layer], grid=grid
                        )[layer]
                    if sums is None:
                        sums = torch.zeros(len(names), draws, found.shape[1], dtype=torch.float64)
                    places = torch.tensor([names.index(name) for name in own])
                    sums[:, draw].index_add_(0, places, found.double().cpu())
                    progress.update()
    return {
        name: (sums[number] / np.count_nonzero(classes == name)).float().numpy()
        for number, name in enumerate(names)
    }
