"""Figure: where motion can be read."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ...figures import COLORS, GRAY

LINES = {
    "network": (COLORS[1], "-", "trained network"),
    "frozen": (COLORS[0], "--", "the same, frozen clips"),
    "random_network": (GRAY, "-", "random weights"),
}
QUANTITIES = {"speed": "speed", "velocity": "velocity", "place": "place", "size": "size"}


def motion_probes_figure(table: pd.DataFrame) -> Figure:
    """Variance explained by layer: a row of panels for each network, a panel for each quantity."""
    models = list(table["model"].unique())
    figure, axes = plt.subplots(
        len(models), len(QUANTITIES), figsize=(3.1 * len(QUANTITIES), 0.7 + 2.6 * len(models)), squeeze=False,
        sharey=True, layout="constrained",
    )  # fmt: skip
    for row, model in zip(axes, models, strict=True):
        for axis, (quantity, title) in zip(row, QUANTITIES.items(), strict=True):
            own = table[(table["model"] == model) & (table["quantity"] == quantity)]
            for source, (color, style, label) in LINES.items():
                line = own[own["source"] == source].sort_values("depth")
                axis.plot(line["depth"], line["r_squared"], style, color=color, label=label, marker="o", ms=3)
                axis.fill_between(
                    line["depth"], line["ci_low"], line["ci_high"], color=color, alpha=0.15, lw=0
                )
                if source == "network":
                    axis.set_xticks(line["depth"], line["layer"], rotation=60, ha="right", fontsize=6)
            for source, style, label in (
                ("pixels", ":", "pixels, no network"),
                ("class", "-.", "the class alone"),
            ):
                for value in own.loc[own["source"] == source, "r_squared"]:
                    axis.axhline(value, color="black", ls=style, lw=1, label=label)
            axis.axhline(0, color="0.6", lw=0.6)
            axis.set(title=f"{model}: {title}", ylim=(-0.5, 1))
            axis.grid(alpha=0.25)
    axes[0][0].legend(fontsize=6)
    for row in axes:
        row[0].set_ylabel("variance explained (test)")
    figure.suptitle(
        "What a linear probe of each layer reads of the evidence (95 % intervals over videos)", fontsize=10
    )
    return figure
