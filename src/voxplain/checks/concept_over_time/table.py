"""Share and directional derivative of each concept in every window of a video."""

from __future__ import annotations

import pandas as pd


def concept_over_time_table(windows: pd.DataFrame) -> pd.DataFrame:
    """The windows of all networks, in order: columns as of `voxplain.checks.concept_over_time.compute`."""
    keys = ["model", "seed", "layer", "class", "video", "window", "rank"]
    return windows.sort_values(keys, ignore_index=True)
