"""Concepts of a clip that was not segmented before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ...activations import logit_gradients, supervoxel_activations
from ...concepts.clustering import nearest_concepts
from ...errors import VoxplainError
from ...models.trained import TrainedModel
from ...supervoxels import distinct_supervoxels, segment_supervoxels
from ..answers import answers_of
from ..concept_ablation.compute import concept_masks
from .compute import window_rows


def follow_clip(
    model: TrainedModel,
    clip: np.ndarray,
    class_name: str,
    layer: str,
    *,
    places: tuple[np.ndarray, np.ndarray],
    vectors: np.ndarray,
    segmentation: Mapping[str, Any],
    preset: str,
    criteria: Mapping[str, Any],
    pooling: tuple[int, int, int] | None,
    view: Mapping[str, Any],
) -> pd.DataFrame:
    """Share and directional derivative of each of a class's concepts in a clip.

    Parameters
    ----------
    model : TrainedModel
    clip : (T, H, W, 3) uint8
    class_name : str
        The class.
    layer : str
    places : ((concepts, d) float, (concepts,) float)
        Centres and cut-off distances.
    vectors : (concepts, sets, d) float
        CAVs.
    segmentation : mapping
        Options of `voxplain.supervoxels.segment_supervoxels`.
    preset, criteria
        As for `voxplain.supervoxels.distinct_supervoxels`.
    pooling : (t, h, w), optional
        Grid that the layer is averaged to.
    view : mapping
        form, fill and batch: how supervoxels are shown.

    Returns
    -------
    DataFrame
        The columns of `window_rows`, and probability (of the class).

    Raises
    ------
    VoxplainError
        No supervoxel is kept.
    """
    levels = segment_supervoxels(clip, **segmentation)
    kept = distinct_supervoxels(levels, preset, **criteria)
    if not len(kept):
        raise VoxplainError(
            "no supervoxel is kept. Loosen supervoxels.options, or name other videos in checks.followed."
        )
    shown, _ = supervoxel_activations(
        model, clip, levels, kept, [layer], preset=preset, pooling=pooling, **view
    )
    found = shown[layer]
    gradient = logit_gradients(
        model.network, model.inputs(clip[None]), model.targets([class_name]), [layer], grid=pooling
    )[layer][0]
    masks = concept_masks(levels, kept, nearest_concepts(found, *places), len(vectors))
    rows = window_rows(masks, gradient.cpu().numpy(), vectors)
    return rows.assign(probability=answers_of(model, class_name)(clip[None])[0])
