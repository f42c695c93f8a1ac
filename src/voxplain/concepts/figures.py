"""Figures of the final tables of concepts."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..figures import GRAY, STYLES, editing_figure

EDITED = {"concept_addition": "shown", "concept_removal": "hidden"}


def concept_addition_figure(table: pd.DataFrame) -> Figure:
    """Accuracy over the number of concepts shown."""
    return editing_figure(table, title="Adding concepts", verb=EDITED["concept_addition"])


def concept_removal_figure(table: pd.DataFrame) -> Figure:
    """Accuracy over the number of concepts hidden."""
    return editing_figure(table, title="Removing concepts", verb=EDITED["concept_removal"])


def concept_curves_figure(table: pd.DataFrame) -> Figure:
    """Accuracy over the share of the clip shown or hidden: a row per experiment, a column per network and layer.

    Thin gray lines are the rankings that need no score.
    """
    places = list(table.groupby(["model", "layer"], sort=False).groups)
    figure, axes = plt.subplots(
        len(EDITED),
        len(places),
        figsize=(max(6.0, 4.2 * len(places)), 6.4),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for line, (experiment, verb) in zip(axes, EDITED.items(), strict=True):
        for axis, (model, layer) in zip(line, places, strict=True):
            rows = table[
                (table["experiment"] == experiment) & (table["model"] == model) & (table["layer"] == layer)
            ]
            for strategy, curve in rows.groupby("strategy", sort=False):
                curve = curve.sort_values("share")
                share, accuracy = 100 * curve["share"], 100 * curve["accuracy"]
                if strategy.startswith("control_"):
                    axis.plot(share, accuracy, color=GRAY, lw=0.8)
                elif strategy in STYLES:
                    color, marker, label = STYLES[strategy]
                    axis.plot(share, accuracy, color=color, marker=marker, label=label, lw=1.8, ms=5)
                    low, high = 100 * curve["ci_low"], 100 * curve["ci_high"]
                    axis.fill_between(share, low, high, color=color, alpha=0.15, lw=0)
            axis.set(title=f"{model}, {layer}", xlabel=f"share of the clip {verb} (%)")
            axis.grid(alpha=0.25)
        line[0].set(ylabel="accuracy (%)", ylim=(0, 100))
    handles, names = axes[0, 0].get_legend_handles_labels()
    if table["strategy"].str.startswith("control_").any():
        handles.append(Line2D([], [], color=GRAY, lw=0.8))
        names.append("rankings without scores")
    figure.legend(handles, names, loc="outside lower center", ncols=3, fontsize=7, frameon=False)
    figure.suptitle(
        f"Concepts over volume (n = {table['n_videos'].max()} videos, 95 % intervals)", fontsize=10
    )
    return figure
