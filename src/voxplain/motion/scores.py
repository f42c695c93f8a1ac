"""What the tables are made of: every clip's scores, one row per map.

Hiley et al., "Explaining motion relevance for activity recognition in video deep learning models", Sections
4.3 and 5, and the same against ground truth, which the paper did not have. All functions take one clip. Maps
are at most 1 in size, as `voxplain.explanation_store.scaled_maps` gives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any, Literal

import numpy as np

from ..errors import ConfigError
from .precision import (
    agreement,
    base_rate,
    ground_truth_scores,
    motion_precision,
    render_relevance,
    selectivity,
)

NAN = float("nan")


def relevant_voxels(
    relevance: np.ndarray,
    *,
    unit: Literal["share", "rendered"] = "share",
    threshold: float = 0.05,
    peak: float | None = None,
) -> np.ndarray:
    """Which voxels of a map are relevant.

    Parameters
    ----------
    relevance : (T, H, W) array
    unit : {"share", "rendered"}
        Of `threshold`: share of the largest relevance, or gray levels (0 to 255) of the official rendering.
    threshold : float
        A voxel with more is relevant.
    peak : float, optional
        Largest relevance; by default the map's. A selective map is measured by that of the whole map, so
        that what it selects is part of what was relevant before.

    Returns
    -------
    (T, H, W) bool array
    """
    if unit == "rendered":
        return render_relevance(relevance) > threshold
    if unit != "share":
        raise ConfigError(f"Relevance cannot be measured in {unit!r}. Known: share, rendered.")
    return relevance > threshold * max(relevance.max() if peak is None else peak, 0)


def score_clip(
    maps: Mapping[str, np.ndarray],
    masks: Mapping[str, np.ndarray],
    moving: np.ndarray,
    truth: Mapping[str, np.ndarray],
    *,
    pairs: np.ndarray,
    relevant: Mapping[str, Any],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Score every map and its selective counterpart against motion, and against what is known to matter.

    Parameters
    ----------
    maps : mapping of str to (T, H, W) array
        Relevance by method.
    masks : mapping of str to (T, H, W) bool array
        What the selective map keeps, by method.
    moving : (T-1, H, W) bool array
        Which voxels move on their way to the next frame.
    truth : mapping of str to (T or T-1, H, W) bool array
        Voxels that are known to matter, by what they are; one less frame where the last cannot be known.
    pairs : (T-1,) bool array
        Which frames are followed by the next one of the video; the others have no motion and are left out
        wherever motion counts.
    relevant : mapping
        unit and threshold of `relevant_voxels`.

    Returns
    -------
    scores : list of dict
        method, selective, precision, base_rate, and of selective maps area_share and relevance_share.
    found : list of dict
        method, selective, target, share (of voxels, the base rate), and the scores of `ground_truth_scores`.
    """
    scores, found = [], []
    base = base_rate(moving[pairs]) if pairs.any() else NAN
    shares = {target: float(mask.mean()) if mask.size else NAN for target, mask in truth.items()}
    for method, relevance in maps.items():
        selective = relevance * masks[method]
        area, share = selectivity(relevance, selective)
        for is_selective, shown in ((False, relevance), (True, selective)):
            chosen = relevant_voxels(shown, **relevant, peak=relevance.max())
            row = {"method": method, "selective": is_selective}
            precision = motion_precision(chosen[:-1][pairs], moving[pairs]) if pairs.any() else NAN
            kept = {"area_share": area, "relevance_share": share} if is_selective else {}
            scores.append({**row, "precision": precision, "base_rate": base, **kept})
            for target, mask in truth.items():
                within = slice(None) if len(mask) == len(chosen) else np.flatnonzero(pairs)
                values = _known(chosen[within], shown[within], mask)
                found.append({**row, "target": target, "share": shares[target], **values})
    return scores, found


def _known(chosen: np.ndarray, relevance: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Scores of the chosen voxels, and the ranking's of the relevance itself."""
    if not mask.size:
        return dict.fromkeys(("precision", "recall", "iou", "auroc"), NAN)
    return ground_truth_scores(relevance, mask, chosen=chosen)


def agreements(maps: Mapping[str, np.ndarray], *, relevant: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Overlap of what each two methods find relevant (table 2).

    Parameters are those of `score_clip`.

    Returns
    -------
    list of dict
        method_a, method_b, agreement: one row per pair, in the order of `maps`.
    """
    chosen = {method: relevant_voxels(relevance, **relevant) for method, relevance in maps.items()}
    return [
        {"method_a": a, "method_b": b, "agreement": agreement(chosen[a], chosen[b])}
        for a, b in combinations(maps, 2)
    ]
