"""A clip's scores at many thresholds of selection and of motion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .precision import motion_precision, selectivity
from .scores import relevant_voxels
from .selective import selective_sweep

NAN = float("nan")


def sweep_clip(
    maps: Mapping[str, np.ndarray],
    speed: np.ndarray,
    *,
    pairs: np.ndarray,
    relevant: Mapping[str, Any],
    sigmas: Sequence[float],
    thresholds: Sequence[float],
    preset: str,
    options: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Precision and selectivity over thresholds of selection and of motion.

    Parameters
    ----------
    maps, pairs, relevant
        As for `voxplain.motion.scores.score_clip`.
    speed : (T-1, H, W) array
        What grows with motion, in the unit of `thresholds`.
    sigmas, thresholds : sequence of float
        Of the selection, and of motion.
    preset, options
        See `voxplain.selective_relevance`.

    Returns
    -------
    list of dict
        method, sigma (NaN for the whole map), flow_threshold, precision, base_rate, area_share,
        relevance_share.
    """
    rows = []
    moving = {threshold: speed[pairs] > threshold for threshold in thresholds}
    bases = {threshold: float(mask.mean()) if mask.size else NAN for threshold, mask in moving.items()}
    for method, relevance in maps.items():
        whole = relevant_voxels(relevance, **relevant)
        swept = selective_sweep(relevance, sigmas, preset, **options)
        for sigma, shown in [(NAN, relevance), *zip(sigmas, swept, strict=True)]:
            chosen = relevant_voxels(relevance, shown != 0, **relevant)
            area, share = selectivity(relevance, whole, chosen)
            chosen = chosen[:-1][pairs]
            for threshold, mask in moving.items():
                rows.append(
                    {
                        "method": method,
                        "sigma": sigma,
                        "flow_threshold": threshold,
                        "precision": motion_precision(chosen, mask) if mask.size else NAN,
                        "base_rate": bases[threshold],
                        "area_share": area,
                        "relevance_share": share,
                    }
                )
    return rows
