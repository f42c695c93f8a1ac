"""What tables of several checks share. Videos, and seeds where they share videos, are resampled."""

from __future__ import annotations

import numpy as np
import pandas as pd

NETWORK = ["model", "layer"]
CONCEPT = ["model", "seed", "layer", "class", "concept"]


def by_video(rows: pd.DataFrame, column: str) -> np.ndarray:
    """Means over clips as (seeds, videos)."""
    return rows.pivot_table(
        index="seed", columns="video", values=column, aggfunc="mean", sort=True
    ).to_numpy()
