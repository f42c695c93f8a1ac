"""A new clip explained by concepts that were found: where it has them, and what they do to a class's logit there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..activations import logit_gradients, supervoxel_activations
from ..editing import first_position
from ..models.trained import TrainedModel
from .clustering import nearest_concepts
from .scores import Cavs, rank_concepts


def explain_by_concepts(
    model: TrainedModel,
    clip: np.ndarray,
    class_name: str,
    layer: str,
    labels: np.ndarray,
    kept: np.ndarray,
    places: tuple[np.ndarray, np.ndarray],
    cavs: Cavs,
    **shown: Any,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Find a class's concepts in a clip, and the effect of each on the class's logit at this clip.

    A supervoxel belongs to the concept with the nearest centre, within its cut-off; the effect is that of
    `voxplain.concepts.scores.effects` with the clip's own gradient.

    Parameters
    ----------
    model : TrainedModel
    clip : (T, H, W, 3) uint8
    class_name : str
        Whose concepts, and logit.
    layer : str
    labels : (levels, T, H, W) uint16
    kept : (n, 2) int
        (level, label) of its distinct supervoxels; at least one.
    places : (concepts, d) and (concepts,) float
        Centres and cut-off distances.
    cavs : (concepts, sets, d) and (concepts, sets) float
        CAVs, and distances along them.
    **shown
        Options of `voxplain.activations.supervoxel_activations`.

    Returns
    -------
    table : DataFrame, one row per concept, by its number
        concept, effect (in logits, at this clip), n_supervoxels, volume_share (of the clip's voxels).
    effect : (T, H, W) float32
        At each voxel that of the concepts there which is the greatest in magnitude; 0 where there is none.
    """
    found = supervoxel_activations(model, clip, labels, kept, [layer], **shown)[0][layer]
    nearest = nearest_concepts(found.astype(np.float32), *places)
    gradient = logit_gradients(
        model.network,
        model.inputs(clip[None]),
        model.targets([class_name]),
        [layer],
        grid=shown["pooling"] and tuple(shown["pooling"]),
    )[layer]
    table = rank_concepts(gradient.float().cpu().numpy(), *cavs)[["concept", "effect"]]
    relevance = np.zeros(clip.shape[:3], np.float32)
    counts, volumes = [], []
    for row in table.itertuples():
        own = kept[nearest == row.concept]
        mask = first_position(labels, own, np.zeros(len(own), dtype=int)) == 0
        stronger = mask & (abs(row.effect) > np.abs(relevance))
        relevance[stronger] = row.effect
        counts.append(len(own))
        volumes.append(mask.mean())
    return table.assign(n_supervoxels=counts, volume_share=volumes), relevance
