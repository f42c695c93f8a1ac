"""Flow estimators compared on clips whose flow is known."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..videos.truth import Truth
from .flow.base import estimate_flow
from .flow.endpoint import endpoint_error


def flow_errors(
    clips: Iterable[tuple[np.ndarray, Truth]],
    methods: Mapping[str, Mapping[str, Any]],
) -> pd.DataFrame:
    """Endpoint error and cost of flow estimators on every clip.

    Parameters
    ----------
    clips : iterable of ((T, H, W, 3) uint8 clip, Truth)
        Clips whose flow is known.
    methods : mapping of str to mapping
        Options by method.

    Returns
    -------
    DataFrame
        method, epe and epe_actor (mean endpoint error in pixels, of all voxels and of the actor's or evidence's), ms (per frame, in one
        process), zero_epe (of no motion at all): one row per clip and estimator.
    """
    rows = []
    for clip, truth in clips:
        masks = truth.masks()
        actor = masks.get("actor", masks.get("evidence", np.zeros(truth.labels.shape, bool)))[:-1]
        zero = endpoint_error(np.zeros_like(truth.flow), truth.flow)
        for method, options in methods.items():
            start = time.perf_counter()
            flow = estimate_flow(clip, method, **options)
            milliseconds = 1e3 * (time.perf_counter() - start) / len(flow)
            errors = {
                "epe": endpoint_error(flow, truth.flow),
                "epe_actor": endpoint_error(flow, truth.flow, actor),
            }
            rows.append({"method": method, **errors, "ms": milliseconds, "zero_epe": zero})
    return pd.DataFrame(rows)
