"""Figure: which side of the frame relevance leans to."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ..figures import cycle, points
from .table import UNEVEN


def position_bias_figure(table: pd.DataFrame) -> Figure:
    """Left over right half of the frame by method, each network in its color; the band is what counts as even."""
    rows = table[table["axis"] == "width"]
    methods, models = sorted(rows["method"].unique(), reverse=True), list(rows["model"].unique())
    figure, axis = plt.subplots(figsize=(6.4, 1.6 + 0.3 * len(methods)), layout="constrained")
    for number, (model, color) in enumerate(zip(models, cycle(), strict=False)):
        own = rows[rows["model"] == model].set_index("method").reindex(methods)
        points(
            axis,
            own["halves"],
            own["halves_ci_low"],
            own["halves_ci_high"],
            number,
            len(models),
            color,
            model,
        )
    axis.axvspan(1 / (1 + UNEVEN), 1 + UNEVEN, color="black", alpha=0.08, lw=0)
    axis.axvline(1, color="black", lw=0.7)
    axis.set_xscale("log")
    axis.set_yticks(range(len(methods)), methods, fontsize=8)
    axis.set_xlabel("relevance of the left half over that of the right half", fontsize=8)
    axis.legend(fontsize=8)
    axis.grid(alpha=0.25)
    figure.suptitle("Clips and their mirror images: 1 is even (95 % intervals)", fontsize=10)
    return figure
