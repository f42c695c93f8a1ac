"""What figures of several checks share."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

# Okabe and Ito's palette, which color-blind readers can tell apart.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000"]
CYCLE = ["#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31"]
CONTROL = "#777777"


def cross(axis, rows: pd.DataFrame, x: str, y: str, *, color: str, label: str) -> None:
    """Points with the intervals that the table has."""
    bars = {}
    for name, column in (("xerr", x), ("yerr", y)):
        if f"{column}_low" in rows:
            ends = rows[[f"{column}_low", f"{column}_high"]].to_numpy()
            bars[name] = np.abs(ends - rows[[column]].to_numpy()).T
    axis.errorbar(rows[x], rows[y], fmt="o", ms=4, lw=0.6, color=color, label=label, **bars)


def cycle():
    while True:
        yield from CYCLE


def points(axis: Axes, values, low, high, number: int, count: int, color: str, label: str) -> None:
    """Values with their intervals, one below another."""
    places = np.arange(len(values)) + 0.5 * ((number + 0.5) / count - 0.5)
    axis.hlines(places, low, high, color=color, lw=1.5)
    axis.plot(values, places, "o", color=color, ms=4, label=label)
