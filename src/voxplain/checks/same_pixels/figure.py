"""Figure: how far explanations follow the network on the same pixels."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ...figures import COLORS, GRAY

MEASURES = {"share": "share on the own actor less on the other", "auroc": "AUROC, own less other"}


def same_pixels_figure(table: pd.DataFrame) -> Figure:
    """Draw the differences and their intervals, a panel a network and measure; controls are gray.

    Parameters
    ----------
    table : DataFrame
        The table same_pixels; selective maps and controls that belong to one method are left out.
    """
    shown = table[~table["selective"] & (table["control_of"] == "")]
    models = list(dict.fromkeys(shown["model"]))
    most = shown.groupby(["model", "measure"]).size().max() if len(shown) else 1
    figure, axes = plt.subplots(
        max(len(models), 1), len(MEASURES), figsize=(11, (1.2 + 0.24 * most) * max(len(models), 1)), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for model, line in zip(models, axes, strict=False):
        for (measure, words), axis in zip(MEASURES.items(), line, strict=True):
            rows = shown[(shown["model"] == model) & (shown["measure"] == measure)]
            rows = rows.sort_values("difference")
            place = np.arange(len(rows))
            free = rows["method"].str.startswith("control_") | rows["method"].eq("random")
            colors = np.where(free, GRAY, COLORS[0])
            axis.hlines(place, rows["ci_low"], rows["ci_high"], color=colors, lw=2)
            axis.scatter(rows["difference"], place, c=colors, s=22, zorder=3)
            names = rows["method"] + np.where(rows["layer"] == "", "", " " + rows["layer"])
            axis.set_yticks(place, names, fontsize=7)
            axis.axvline(0, color="black", lw=0.8)
            axis.set_title(f"{model}: {words}", fontsize=9)
            axis.tick_params(axis="x", labelsize=7)
            axis.grid(alpha=0.25)
    figure.suptitle(
        "Same pixels, two networks: 0 for all that looks at pixels alone (95 % intervals)", fontsize=10
    )
    return figure
