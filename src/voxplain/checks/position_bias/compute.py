"""Shares of relevance on each side of the frame, of clips and of their mirror images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ...explaining import explain_by_all
from ...models.trained import TrainedModel
from ...position import side_shares

MIRRORED = {False: slice(None), True: slice(None, None, -1)}


def mirrored_shares(
    model: TrainedModel,
    clips: np.ndarray,
    classes: list[str],
    explainers: Mapping[str, Any],
    *,
    segmentation: Mapping[str, Any] | None = None,
    batch: int = 8,
) -> Iterator[dict[str, Any]]:
    """Explain a video's clips and their mirror images, for the same class.

    Parameters
    ----------
    model : TrainedModel
    clips : (N, T, H, W, 3) uint8
    classes : list of str
        Class that each clip is explained for.
    explainers, segmentation, batch
        As for `voxplain.explaining.explain_by_all`.

    Yields
    ------
    dict
        clip, method, axis, mirrored, and the shares half, first and last of `voxplain.position.side_shares`.
    """
    for mirrored, order in MIRRORED.items():
        shown = np.ascontiguousarray(clips[:, :, :, order])
        how = {"segmentation": segmentation, "batch": batch}
        maps = explain_by_all(model, shown, model.targets(classes), explainers, **how)
        for method, relevance in maps.items():
            for axis in ("width", "height"):
                for clip, shares in enumerate(side_shares(relevance, axis)):
                    row = {"clip": clip, "method": method, "axis": axis, "mirrored": mirrored}
                    yield row | dict(zip(("half", "first", "last"), shares, strict=True))
