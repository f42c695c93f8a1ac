"""Figure: likeness to the explanation of the trained network."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..figures import COLORS
from . import INTACT


def randomization_figure(table: pd.DataFrame) -> Figure:
    """Draw similarity against the depth of the cascade, a panel per network and measure, and name who fails."""
    measures = {
        "spearman": "rank correlation",
        "ssim": "structural similarity",
        "actor_auroc": "AUROC for the actor",
    }
    measures = {name: title for name, title in measures.items() if name in set(table["measure"])}
    models = list(table["model"].unique())
    figure, axes = plt.subplots(
        len(models), len(measures), figsize=(4.0 * len(measures), 2.9 * len(models) + 0.8), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    methods = list(table["method"].unique())
    styles = {
        m: (COLORS[i % len(COLORS)], "os^Dv<>p"[i // len(COLORS) % 8], i) for i, m in enumerate(methods)
    }
    for line, model in zip(axes, models, strict=True):
        for axis, (measure, title) in zip(line, measures.items(), strict=True):
            rows = table[(table["model"] == model) & (table["measure"] == measure)]
            weights = rows[rows["check"] == "weights"]
            levels = weights.drop_duplicates("depth").sort_values("depth")
            ticks = {depth: place for place, depth in enumerate(levels["depth"])}
            names = ["intact" if part == INTACT else part for part in levels["part"]]
            extra = [c for c in ("shuffled_targets", "random_directions") if c in set(rows["check"])]
            for method, own in rows.groupby("method", sort=False):
                color, marker, number = styles[method]
                cascade = own[own["check"] == "weights"].sort_values("depth")
                x = cascade["depth"].map(ticks) + 0.04 * number
                fails = (cascade["notices"] == False).fillna(False).to_numpy(bool)  # noqa: E712
                axis.plot(x, cascade["value"], color=color, marker=marker, ms=4, lw=1.4, label=method)
                axis.vlines(x, cascade["ci_low"], cascade["ci_high"], color=color, lw=1)
                axis.plot(x[fails], cascade["value"][fails], "o", mfc="none", mec="black", ms=9)
                for place, check in enumerate(extra, start=len(ticks)):
                    for row in own[own["check"] == check].itertuples():
                        axis.plot(place + 0.04 * number, row.value, marker=marker, color=color, ms=4)
                        axis.vlines(place + 0.04 * number, row.ci_low, row.ci_high, color=color, lw=1)
                        if row.notices is False or row.notices is np.False_:
                            axis.plot(place + 0.04 * number, row.value, "o", mfc="none", mec="black", ms=9)
            axis.axhline(0.5 if measure == "actor_auroc" else 0, color="black", lw=0.8, ls="--")
            axis.set_xticks(range(len(ticks) + len(extra)), [*names, *(e.replace("_", "\n") for e in extra)])
            axis.tick_params(labelsize=7)
            axis.tick_params(axis="x", rotation=30)
            axis.set_title(f"{model}: {title}", fontsize=9)
            axis.grid(alpha=0.25)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside lower center", ncols=min(6, len(names)), fontsize=8, frameon=False
    )
    figure.suptitle("Likeness to the explanation of the trained network; random from the top down to the named part.\n"
                    "Circled: does not notice", fontsize=10)  # fmt: skip
    return figure
