"""Figure: reliance on motion by class."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ...figures import COLORS


def motion_reliance_figure(table: pd.DataFrame) -> Figure:
    """Probability of each class as it moves and standing still, classes that rely most on motion on top."""
    models = list(table["model"].unique())
    most = table.groupby("model")["class"].nunique().max()
    figure, axes = plt.subplots(
        1, len(models), figsize=(6.4 * len(models), 1.4 + 0.32 * most), squeeze=False, layout="constrained"
    )
    for model, axis in zip(models, axes[0], strict=True):
        rows = table[table["model"] == model].drop_duplicates("class").sort_values("rank")
        place = np.arange(len(rows))[::-1]
        bars = np.abs(
            rows[["reliance_ci_low", "reliance_ci_high"]].to_numpy() - rows[["reliance"]].to_numpy()
        ).T
        axis.errorbar(rows["reliance"], place, xerr=bars, fmt="o", color=COLORS[0], capsize=2)
        axis.axvline(0, color="black", lw=0.7)
        axis.set_yticks(place, rows["class"], fontsize=8)
        axis.set_xlabel("probability lost when the clip stands still", fontsize=8)
        axis.set_title(model, fontsize=9)
        axis.grid(alpha=0.25)
    figure.suptitle("Reliance on motion by class (95 % intervals)", fontsize=10)
    return figure
