"""Figure: importance of frames over time."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ...figures import COLORS
from ...motion.controls import is_control
from ..figures import cycle

EFFECTS = {"hidden": "frame hidden", "repeated": "next frame in its place"}
SHOWN_CONTROLS = ("control_frame_difference",)


def frame_importance_figure(table: pd.DataFrame, agreement: pd.DataFrame) -> Figure:
    """By network: shares of relevance by frame, and the fall of the logit without it."""
    models = list(table["model"].unique())
    figure, axes = plt.subplots(
        len(models), 2, figsize=(11, 0.6 + 3.2 * len(models)), squeeze=False, layout="constrained"
    )
    for (left, right), model in zip(axes, models, strict=True):
        own = table[(table["model"] == model) & ~table["selective"].astype(bool)]
        relevance = own[own["measure"] == "relevance"]
        told = agreement[(agreement["model"] == model) & (agreement["effect"] == "hidden")]
        told = told[(told["control_of"] == "") & ~told["selective"].astype(bool)].set_index("method")[
            "correlation"
        ]
        methods = [
            name for name in relevance["method"].unique() if not is_control(name) or name in SHOWN_CONTROLS
        ]
        for number, (method, color) in enumerate(zip(methods, cycle(), strict=False)):
            rows = relevance[relevance["method"] == method].sort_values("frame")
            style = ":" if is_control(method) else ("-", "--")[number // len(COLORS) % 2]
            label = f"{method} ({told.get(method, float('nan')):.2f})"
            left.plot(rows["frame"], 100 * rows["value"], style, color=color, label=label, lw=1.4)
        left.set(ylabel=f"{model}\n% of positive relevance", ylim=(0, None))
        left.legend(fontsize=6, ncols=2, title="correlation with hiding", title_fontsize=6)
        for (name, label), color in zip(EFFECTS.items(), cycle(), strict=False):
            rows = own[own["measure"] == name].sort_values("frame")
            right.plot(rows["frame"], rows["value"], color=color, label=label)
            right.fill_between(rows["frame"], rows["ci_low"], rows["ci_high"], color=color, alpha=0.2, lw=0)
        right.axhline(0, color="0.6", lw=0.8)
        right.set(ylabel="fall of the logit")
        right.legend(fontsize=7)
        for axis in (left, right):
            axis.set_xlabel("frame")
            axis.grid(alpha=0.25)
    figure.suptitle("Importance of frames over time (mean over videos; 95 % intervals)", fontsize=10)
    return figure
