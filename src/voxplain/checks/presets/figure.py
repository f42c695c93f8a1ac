"""Figure: what every deviation changes."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..figures import cycle, points

COLUMNS = {
    "kept": "supervoxels kept\nper clip",
    "concepts": "concepts\nper class",
    "cav_accuracy": "CAV accuracy",
    "tau": "tau of ranks\nwith corrected",
    "addition_gap": "adding: top -\nsame volume",
    "removal_gap": "removing: top -\nsame volume",
    "selected_share": "selected share\nof relevance",
    "motion_precision": "motion\nprecision",
}


def presets_figure(table: pd.DataFrame) -> Figure:
    """Draw what every variant changes: a panel per number, a line per variant, a color per network."""
    variants, models = list(dict.fromkeys(table["variant"])), list(table["model"].unique())
    figure, axes = plt.subplots(
        1,
        len(COLUMNS),
        figsize=(2.0 + 1.65 * len(COLUMNS), 1.3 + 0.27 * len(variants)),
        sharey=True,
        layout="constrained",
    )
    for axis, (column, title) in zip(axes, COLUMNS.items(), strict=True):
        for number, (model, color) in enumerate(zip(models, cycle(), strict=False)):
            rows = table[table["model"] == model].set_index("variant").reindex(variants)
            points(
                axis,
                rows[column],
                rows[f"{column}_ci_low"],
                rows[f"{column}_ci_high"],
                number,
                len(models),
                color,
                model,
            )
            axis.axvline(rows.loc["corrected", column], color=color, lw=0.8, ls=":")
        axis.set_title(title, fontsize=8)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.25)
        if "gap" in column:
            axis.axvline(0, color="black", lw=0.8)
    axes[0].set_yticks(np.arange(len(variants)), variants)
    axes[0].invert_yaxis()
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(models), fontsize=8, frameon=False)
    figure.suptitle("What each deviation changes (dotted: corrected; bars: 95 % intervals)", fontsize=10)
    return figure
