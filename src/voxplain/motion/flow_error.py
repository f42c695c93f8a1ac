"""Flow estimators compared on clips whose flow is known."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..videos.embedded import read_ground_truth
from ..videos.scenes import ACTOR
from .flow.base import estimate_flow
from .flow.endpoint import endpoint_error


def flow_errors(
    clips: Iterable[tuple[str, np.ndarray, np.ndarray]],
    truth: str | Path,
    methods: Mapping[str, Mapping[str, Any]],
) -> pd.DataFrame:
    """Endpoint error and cost of flow estimators on every clip.

    Parameters
    ----------
    clips : iterable of (video, (T, H, W, 3) uint8 clip, (T,) frames in the video)
        At the size at which the flow is known.
    truth : path
        The ground truth of the embedded videos.
    methods : mapping of str to mapping
        Options by method.

    Returns
    -------
    DataFrame
        method, epe and epe_actor (mean endpoint error in pixels, of all voxels and of the actor's), ms (per frame, in one
        process), zero_epe (of no motion at all): one row per clip and estimator.
    """
    rows = []
    for video, clip, indices in clips:
        scene = read_ground_truth(truth, video, indices)
        actor = scene.objects[:-1] == ACTOR
        zero = endpoint_error(np.zeros_like(scene.flow), scene.flow)
        for method, options in methods.items():
            start = time.perf_counter()
            flow = estimate_flow(clip, method, **options)
            milliseconds = 1e3 * (time.perf_counter() - start) / len(flow)
            errors = {
                "epe": endpoint_error(flow, scene.flow),
                "epe_actor": endpoint_error(flow, scene.flow, actor),
            }
            rows.append({"method": method, **errors, "ms": milliseconds, "zero_epe": zero})
    return pd.DataFrame(rows)
