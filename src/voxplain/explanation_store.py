"""Explanations in artifacts: many maps of many clips, small on disk, read one method at a time.

A group is a video. ``maps/NAME`` ``(clips, T, H, W)`` are scaled to a largest absolute value of 1, since
relevance that sums to 1 over a clip is too small for half precision; ``peaks/NAME`` ``(clips,)`` undoes it. Controls
lie apart, by the same layout: ``controls/CONTROL/maps/NAME``, and ``controls/maps/CONTROL`` of one that belongs to no
method. ``target`` ``(clips,)`` is the class that is explained.
"""

from __future__ import annotations

import h5py
import numpy as np

ACTIVATION = "control_activation"  # norm of the network's activation: belongs to no method


def packed(maps: dict[str, np.ndarray], *, precision: str = "float16") -> dict[str, np.ndarray]:
    """Arrays to store for the maps (clips, T, H, W) float32 of one video, by method."""
    arrays = {}
    for name, relevance in maps.items():
        peaks = np.abs(relevance).max(axis=(1, 2, 3))
        scale = np.where(peaks > 0, peaks, 1)[:, None, None, None]
        arrays[f"maps/{name}"] = (relevance / scale).astype(precision)
        arrays[f"peaks/{name}"] = peaks.astype(np.float32)
    return arrays


def scaled_maps(group: h5py.Group, name: str) -> np.ndarray:
    """One method's maps of a video as (clips, T, H, W) float32, at most 1 in size."""
    return group[f"maps/{name}"][()].astype(np.float32)
