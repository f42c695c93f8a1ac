"""Figure: importance by ablation and by direction."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..figures import COLORS, CONTROL, cross, cycle


def concept_ablation_figure(table: pd.DataFrame, agreement: pd.DataFrame) -> Figure:
    """Each concept's mean effect by ablation against its effect by direction, and how well they agree."""
    table = table[table["outcome"] == "logit"]
    models = list(table["model"].unique())
    figure, axes = plt.subplots(
        1, len(models) + 1, figsize=(3.6 * (len(models) + 1), 3.9), squeeze=False, layout="constrained"
    )
    colors = dict(zip(sorted(table["class"].unique()), cycle(), strict=False))
    for model, axis in zip(models, axes[0], strict=False):
        for class_name, rows in table[table["model"] == model].groupby("class"):
            cross(
                axis, rows, "effect", "mean_effect", color=colors.get(class_name, CONTROL), label=class_name
            )
        axis.axhline(0, color="black", lw=0.7)
        axis.axvline(0, color="black", lw=0.7)
        axis.set_xlabel("effect along the CAV (logits)", fontsize=8)
        axis.set_ylabel("logit with the concept minus without", fontsize=8)
        axis.set_title(model, fontsize=9)
        axis.grid(alpha=0.25)
    last, rows = axes[0, -1], agreement[(agreement["class"] == "all") & (agreement["outcome"] == "logit")]
    names = [f"{r.model}: {r.ablation.replace('_', ' ')}, {r.direction}" for r in rows.itertuples()]
    place = np.arange(len(rows))[::-1]
    bars = np.abs(rows[["ci_low", "ci_high"]].to_numpy() - rows[["tau"]].to_numpy()).T
    last.errorbar(rows["tau"], place, xerr=bars, fmt="o", color=COLORS[1], ms=4, capsize=2, lw=1)
    last.axvline(0, color="black", lw=0.7)
    last.set_yticks(place, names, fontsize=7)
    last.set_xlim(-1, 1)
    last.set_xlabel("Kendall's tau, mean over classes", fontsize=8)
    last.grid(alpha=0.25)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=7, frameon=False)
    figure.suptitle("Importance of concepts by ablation and by direction (95 % intervals)", fontsize=10)
    return figure
