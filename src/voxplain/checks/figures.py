"""What figures of several checks share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..figures import COLORS, GRAY

CONTROL = GRAY


def cross(axis, rows: pd.DataFrame, x: str, y: str, *, color: str, label: str) -> None:
    """Points with the intervals that the table has."""
    bars = {}
    for name, column in (("xerr", x), ("yerr", y)):
        if f"{column}_ci_low" in rows:
            ends = rows[[f"{column}_ci_low", f"{column}_ci_high"]].to_numpy()
            bars[name] = np.abs(ends - rows[[column]].to_numpy()).T
    axis.errorbar(rows[x], rows[y], fmt="o", ms=4, lw=0.6, color=color, label=label, **bars)


def cycle() -> Iterator[str]:
    """The palette's colors, over and over."""
    return itertools.cycle(COLORS)


def points(axis: Axes, values, low, high, number: int, count: int, color: str, label: str) -> None:
    """Values with their intervals, one below another."""
    places = np.arange(len(values)) + 0.5 * ((number + 0.5) / count - 0.5)
    axis.hlines(places, low, high, color=color, lw=1.5)
    axis.plot(values, places, "o", color=color, ms=4, label=label)
