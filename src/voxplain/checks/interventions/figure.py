"""Figure: what interventions change."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ...motion.controls import is_control
from ..figures import cycle, points
from .compute import INTERVENTIONS
from .table import ALL

PANELS = {
    "accuracy": "right answers",
    "other_accuracy": "answers of the other clip's class",
    "auroc": "AUROC of maps on the evidence",
    "class_auroc": "AUROC on its own class's evidence",
}


def interventions_figure(table: pd.DataFrame) -> Figure:
    """Accuracy and the AUROC of maps by intervention, of all videos, each network (and method) in its color."""
    table = table[(table["subset"] == ALL) & ~table["method"].map(is_control)]
    shown = [measure for measure in PANELS if (table["measure"] == measure).any()]
    names = [name for name in reversed(INTERVENTIONS) if (table["intervention"] == name).any()]
    figure, axes = plt.subplots(
        1, len(shown), figsize=(4.4 * len(shown), 1.6 + 0.4 * len(names)), sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axis, measure in zip(axes[0], shown, strict=True):
        own = table[table["measure"] == measure]
        groups = list(own.groupby(["model", "method"], sort=False))
        for number, (((model, method), rows), color) in enumerate(zip(groups, cycle(), strict=False)):
            rows = rows.set_index("intervention").reindex(names)
            label = f"{model}, {method}" if method else model
            points(axis, rows["value"], rows["ci_low"], rows["ci_high"], number, len(groups), color, label)
        axis.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=8)
        axis.set(xlabel=PANELS[measure], xlim=(-0.03, 1.03))
        if measure.endswith("auroc"):
            axis.axvline(0.5, color="black", lw=0.8, ls="--")
        axis.legend(fontsize=7)
        axis.grid(alpha=0.25)
    figure.suptitle("Motion or appearance, by intervention (95 % intervals)", fontsize=10)
    return figure
