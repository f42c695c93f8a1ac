"""Figure: what matters and what moves."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ..figures import CONTROL, cross, cycle


def concept_motion_figure(table: pd.DataFrame) -> Figure:
    """Is what matters also what moves: effect against moving share, and relevance against volume."""
    explainer = table["method"].iloc[0]
    table = table[table["method"] == explainer]
    models = list(table["model"].unique())
    figure, axes = plt.subplots(
        len(models), 3, figsize=(11.5, 3.7 * len(models) + 0.5), squeeze=False, layout="constrained"
    )
    colors = dict(zip(sorted(table["class"].unique()), cycle(), strict=False))
    for model, line in zip(models, axes, strict=True):
        for class_name, rows in table[table["model"] == model].groupby("class"):
            style = {"color": colors.get(class_name, CONTROL), "label": class_name}
            cross(line[0], rows, "moving_share", "effect", **style)
            cross(line[1], rows, "volume_share", "relevance_share", **style)
            cross(line[2], rows, "relevance_share", "selective_share", **style)
        line[0].axhline(0, color="black", lw=0.7)
        line[0].set_ylabel(f"{model}\neffect of the concept (logits)", fontsize=8)
        line[0].set_xlabel("share of the concept that moves", fontsize=8)
        line[1].set_xlabel("share of the clip that is the concept", fontsize=8)
        line[1].set_ylabel(f"share of {explainer} relevance in it", fontsize=8)
        line[2].set_xlabel(f"share of {explainer} relevance in the concept", fontsize=8)
        line[2].set_ylabel("share of the selected relevance in it", fontsize=8)
        for axis in line[1:]:
            axis.axline((0, 0), slope=1, color="black", lw=0.7, ls="--")
        for axis in line:
            axis.grid(alpha=0.25)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=7, frameon=False)
    figure.suptitle(
        "Concepts: what matters and what moves (one point per concept, 95 % intervals)", fontsize=10
    )
    return figure
