"""Figure: deletion and insertion."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..figures import CONTROL, cycle

WORDS = {"concepts": "concept scores", "random": "control: random order"}
DASHES = ["--", ":", "-.", (0, (1, 3))]


def faithfulness_figure(table: pd.DataFrame, curves: pd.DataFrame) -> Figure:
    """Mean curves of the class's probability per network and fill: deletion above, insertion below.

    Methods in color, controls of all of them in gray; a method's own controls stand in the table.
    """
    curves = curves[curves["control_of"] == ""]
    panels = list(table.groupby(["model", "fill"], sort=False).groups)
    grid = np.linspace(0, 1, 41)
    figure, axes = plt.subplots(
        2,
        len(panels),
        figsize=(max(7.0, 3.2 * len(panels)), 7.2),
        squeeze=False,
        sharex=True,
        sharey=True,
        layout="constrained",
    )
    styles = _styles(list(curves["method"].unique()))
    for (model, fill), column in zip(panels, axes.T, strict=True):
        for curve, axis in zip(("deletion", "insertion"), column, strict=True):
            rows = curves[(curves["model"] == model) & (curves["fill"] == fill) & (curves["curve"] == curve)]
            for method, style in styles.items():
                lines = [
                    np.interp(grid, *line.sort_values("share")[["share", "probability"]].to_numpy().T)
                    for _, line in rows[rows["method"] == method].groupby(["seed", "video", "clip", "draw"])
                ]
                if lines:
                    axis.plot(100 * grid, np.mean(lines, axis=0), lw=1.6, **style)
            axis.set_title(f"{model}, fill: {fill}", fontsize=9)
            axis.set_xlabel(f"voxels {'hidden' if curve == 'deletion' else 'shown'} (%)", fontsize=8)
            axis.grid(alpha=0.25)
    for axis, curve, better in ((axes[0, 0], "deletion", "lower"), (axes[1, 0], "insertion", "higher")):
        axis.set_ylabel(f"{curve}: probability of the class\n({better} is better)", fontsize=8)
    axes[0, 0].set_ylim(0, 1)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    figure.suptitle(
        f"Deletion and insertion of supervoxels (mean of {table['n_videos'].max()} videos)", fontsize=10
    )
    return figure


def _styles(methods: list[str]) -> dict[str, dict]:
    controls = [name for name in methods if name == "random" or name.startswith("control_")]
    styles, colors = {}, cycle()
    for name in sorted(methods, key=lambda name: (name in controls, name != "concepts")):
        look = (
            {"color": CONTROL, "ls": DASHES[controls.index(name) % len(DASHES)]}
            if name in controls
            else {"color": next(colors), "ls": "-"}
        )
        words = name.replace("control_", "control: ").replace("_", " ")
        styles[name] = {**look, "label": WORDS.get(name, words)}
    return styles
