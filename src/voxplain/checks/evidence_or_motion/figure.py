"""Figure: what of every explanation lies on the evidence and on the distractor, whole and selected, by subset."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...figures import COLORS, GRAY
from ..figures import points

LOOKS = {("evidence", "whole"): COLORS[0], ("evidence", "selective"): COLORS[4],
         ("distractor", "whole"): COLORS[1], ("distractor", "selective"): COLORS[5]}  # fmt: skip


def evidence_or_motion_figure(table: pd.DataFrame) -> Figure:
    """Shares of relevance of every method, explainers first, with its intervals; a column per subset.

    Parameters
    ----------
    table : DataFrame
        The table evidence_or_motion.
    """
    rows = table[table["measure"].isin(["evidence", "distractor"]) & (table["map"] != "selective - whole")]
    # Differences, and controls of one explainer alone, are in the table.
    rows = rows[~rows["subset"].str.contains(" - ") & (rows["control_of"] == "")]
    models, subsets = list(rows["model"].unique()), list(rows["subset"].unique())
    methods = list(dict.fromkeys(rows["method"]))
    figure, axes = plt.subplots(
        len(models), len(subsets), figsize=(1.6 + 3.2 * len(subsets), 1.2 + 0.34 * len(methods) * len(models)),
        squeeze=False, sharex=True, sharey=True, layout="constrained",
    )  # fmt: skip
    for line, model in zip(axes, models, strict=True):
        for axis, subset in zip(line, subsets, strict=True):
            here = rows[(rows["model"] == model) & (rows["subset"] == subset)]
            _panel(axis, here, methods)
            axis.set_title(f"{model}, {subset}", fontsize=8)
        line[0].set_yticks(
            range(len(methods)), [name.replace("control_", "control: ") for name in methods], fontsize=7
        )
    # Axes are shared: once for all.
    axes[0, 0].invert_yaxis()
    axes[0, 0].set_xlim(0, 1.05 * np.nanmax(rows[["value", "ci_high"]].to_numpy(dtype=float)))
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    figure.suptitle("Share of positive relevance (lines: share of voxels, by chance)", fontsize=10)
    return figure


def _panel(axis: Axes, rows: pd.DataFrame, methods: list[str]) -> None:
    for number, ((measure, shown), color) in enumerate(LOOKS.items()):
        own = rows[(rows["measure"] == measure) & (rows["map"] == shown)].set_index("method").reindex(methods)
        label = f"{measure}, {shown} maps"
        points(axis, own["value"], own["ci_low"], own["ci_high"], number, len(LOOKS), color, label)
        if shown == "whole" and len(rows):
            axis.axvline(own["chance"].iloc[0], color=color, lw=0.8, ls="--")
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.25, color=GRAY)
