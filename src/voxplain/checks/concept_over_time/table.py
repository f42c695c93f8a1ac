"""Share and directional derivative of each concept in every window of a video."""

from __future__ import annotations

import pandas as pd

from ...tables import Figure, table


@table(
    "concept_over_time",
    part="checks",
    title="Concepts over time",
    meaning="Share and directional derivative of each concept in every window of a video.",
    columns="""
    model, seed, layer, class, video
    window: number of the window, from 0
    first_frame: its first frame in the video
    last_frame: its last frame
    concept, rank
    share: share of the window's voxels
    derivative: directional derivative, mean over random sets
    derivative_low: 2.5th percentile over random sets (their spread, no interval of the mean)
    derivative_high: 97.5th percentile over random sets
    probability: of the class, in the window
    """,
    inputs={"windows": "concept_windows"},
    figure=Figure("concept_over_time_figure", {"table": "concept_over_time", "frames": "window_frames"}),
)
def concept_over_time_table(windows: pd.DataFrame) -> pd.DataFrame:
    """The windows of all networks, in order: columns as of `voxplain.checks.concept_over_time.compute`."""
    keys = ["model", "seed", "layer", "class", "video", "window", "rank"]
    return windows.sort_values(keys, ignore_index=True)
