"""Figure: what the concepts of each rank show, and which rankings find the evidence."""

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
from .table import NO_TARGETS, TARGETS

# What is drawn first; the actor is the evidence or a distractor.
PART_COLORS = {"evidence": COLORS[0], "distractor": COLORS[3], "cue": COLORS[1]}


def concept_ground_truth_figure(shares: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Draw what the concepts of each rank show, and how well scores and controls rank the evidence first.

    Parameters
    ----------
    shares : DataFrame
        The table concept_shares; the run's own concepts of the first seed are shown.
    table : DataFrame
        The table concept_ground_truth.
    """
    shown = shares[(shares["variant"] == "run") & (shares["seed"] == shares["seed"].min())]
    if shown.empty:
        figure = plt.figure(figsize=(6, 1.2))
        figure.suptitle("Of no video that concepts were found in is the truth known", fontsize=10)
        return figure
    places = list(shown.groupby(["model", "layer"], sort=False))
    classes = sorted(shown["class"].unique())
    # Where the cue is the evidence, its voxels are drawn once.
    targets = [name for name in shown if name not in NO_TARGETS and name != "actor"]
    parts = [name for name in targets if name != "cue" or not shown["cue"].equals(shown["evidence"])]
    parts.sort(key=lambda name: (TARGETS.index(name) if name in TARGETS else len(TARGETS), name))
    colors = dict(zip([name for name in parts if name not in PART_COLORS], (COLORS[2], *COLORS[4:])))
    colors = PART_COLORS | colors | {"background": GRAY}
    parts.append("background")
    figure, axes = plt.subplots(
        len(places), len(classes) + 1, figsize=(1.55 * len(classes) + 4.6, 2.7 * len(places) + 0.7), squeeze=False,
        layout="constrained", width_ratios=[1.0] * len(classes) + [1.9],
    )  # fmt: skip
    for line, ((model, layer), rows) in zip(axes, places, strict=True):
        for axis, class_name in zip(line[:-1], classes, strict=True):
            own = rows[rows["class"] == class_name].sort_values("rank")
            left = np.zeros(len(own))
            for name in parts:
                axis.barh(own["rank"], own[name], left=left, color=colors[name], height=0.85)
                left += own[name].to_numpy()
            axis.set(xlim=(0, 1), xticks=(0, 1), yticks=own["rank"])
            axis.invert_yaxis()
            axis.tick_params(labelsize=6)
            axis.set_title(class_name, fontsize=8)
        line[0].set_ylabel(f"{model}, {layer}\nrank of concept", fontsize=8)
        here = (table["model"] == model) & (table["layer"] == layer) & (table["variant"] == "run")
        _rankings(line[-1], table[here])
    handles = [Patch(color=colors[name], label=name) for name in parts]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(parts), fontsize=8, frameon=False)
    figure.suptitle(
        "What the concepts of each rank show (share of their voxels), and which rankings find the evidence",
        fontsize=10,
    )
    return figure


def _rankings(axis: Axes, table: pd.DataFrame) -> None:
    """AUROC of every ranking for the evidence, and for the cue where concepts lie on it: scores first, then controls."""
    names = list(dict.fromkeys(table["ranking"]))
    for target, shift in (("evidence", -0.15), ("cue", 0.15)):
        rows = table[(table["target"] == target) & table["auroc"].notna()]
        for row in rows.itertuples():
            place, color = names.index(row.ranking) + shift, PART_COLORS[target]
            axis.plot([row.ci_low, row.ci_high], [place, place], color=color, lw=2)
            filled = {} if not row.ranking.startswith("control_") else {"mfc": "white"}
            axis.plot(row.auroc, place, "o", color=color, ms=5, **filled)
    axis.axvline(0.5, color="black", lw=0.8, ls="--")
    axis.set(xlim=(0, 1), yticks=range(len(names)))
    axis.set_yticklabels([name.replace("control_", "control: ") for name in names], fontsize=7)
    axis.invert_yaxis()
    axis.set_title("AUROC (0.5: chance; hollow: controls)", fontsize=8)
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.25)
