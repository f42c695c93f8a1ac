"""Figure: what the concepts of each rank show."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ...figures import COLORS, GRAY
from .compute import PARTS

PART_COLORS = dict(zip(PARTS, (COLORS[0], COLORS[3], GRAY, COLORS[1]), strict=True))


def concept_ground_truth_figure(shares: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Draw what the concepts of each rank show, and how well the orders find the actor and the cue.

    Parameters
    ----------
    shares : DataFrame
        The table concept_shares; the run's own concepts of the first seed are shown.
    table : DataFrame
        The table concept_ground_truth.
    """
    shown = shares[(shares["variant"] == "run") & (shares["seed"] == shares["seed"].min())]
    places = list(shown.groupby(["model", "layer"], sort=False))
    classes = sorted(shown["class"].unique())
    figure, axes = plt.subplots(
        len(places), len(classes) + 1, figsize=(1.55 * len(classes) + 4.2, 2.5 * len(places) + 0.7), squeeze=False,
        layout="constrained", width_ratios=[1.0] * len(classes) + [1.7],
    )  # fmt: skip
    for line, ((model, layer), rows) in zip(axes, places, strict=True):
        for axis, class_name in zip(line[:-1], classes, strict=True):
            own = rows[rows["class"] == class_name].sort_values("rank")
            left = np.zeros(len(own))
            for name in PARTS:
                axis.barh(own["rank"], own[name], left=left, color=PART_COLORS[name], height=0.85)
                left += own[name].to_numpy()
            axis.set(xlim=(0, 1), xticks=(0, 1), yticks=own["rank"])
            axis.invert_yaxis()
            axis.tick_params(labelsize=6)
            axis.set_title(class_name, fontsize=8)
        line[0].set_ylabel(f"{model}, {layer}\nrank of concept", fontsize=8)
        _orders(line[-1], table[(table["model"] == model) & (table["layer"] == layer)])
    handles = [Patch(color=color, label=name) for name, color in PART_COLORS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(PARTS), fontsize=8, frameon=False)
    figure.suptitle(
        "What the concepts of each rank show (share of their voxels), and whether scores find it", fontsize=10
    )
    return figure


def _orders(axis: Axes, table: pd.DataFrame) -> None:
    wanted = [name for name in ("run", "corrected", "official", "paper") if name in set(table["variant"])]
    rows = table[table["variant"].isin(wanted) & (table["order"] == "rank")]
    names = [(variant, target) for target in ("actor", "cue") for variant in wanted]
    rows = rows.set_index(["variant", "target"]).reindex(names)
    for place, (variant, target) in enumerate(names):
        row = rows.loc[(variant, target)]
        if np.isfinite(row["auroc"]):
            axis.plot(
                [row["auroc_ci_low"], row["auroc_ci_high"]], [place, place], color=PART_COLORS[target], lw=2
            )
            axis.plot(row["auroc"], place, "o", color=PART_COLORS[target], ms=5)
    axis.axvline(0.5, color="black", lw=0.8, ls="--")
    axis.set(xlim=(0, 1), yticks=range(len(names)))
    axis.set_yticklabels([f"{variant}: {target}" for variant, target in names], fontsize=7)
    axis.invert_yaxis()
    axis.set_title("AUROC of the rank (0.5: chance)", fontsize=8)
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.25)
