"""Figure: what given concepts are worth to every class, and over classes, beside their controls."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...figures import COLORS, GRAY

LOOKS = {"given": (COLORS[0], "o", -0.15), "control": (GRAY, "s", 0.15)}


def given_concepts_figure(table: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """A row per given concept, network and layer: effects by class, and means over classes.

    Parameters
    ----------
    table, summary : DataFrame
        The tables given_concepts and given_summary.
    """
    keys = ["name", "model", "layer"]
    places = list(table.groupby(keys, sort=False).groups)
    classes = list(dict.fromkeys(table["class"]))
    height = max(2.4, 0.26 * len(classes) + 1.1)
    figure, axes = plt.subplots(
        len(places), 2, figsize=(11, height * len(places) + 0.5), squeeze=False, layout="constrained"
    )
    for line, place in zip(axes, places, strict=True):
        own, means = (rows.set_index(keys).sort_index().loc[[place]] for rows in (table, summary))
        _by_class(line[0], own, classes, ", ".join(place))
        _means(line[1], means)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    figure.suptitle("Given concepts beside their controls (95 % intervals)", fontsize=10)
    return figure


def _by_class(axis: Axes, rows: pd.DataFrame, classes: list[str], title: str) -> None:
    """Effects with intervals over videos; filled where they are significant in any seed."""
    for source, (color, marker, shift) in LOOKS.items():
        label = source
        for row in rows[rows["source"] == source].rename(columns={"class": "of"}).itertuples():
            at = classes.index(row.of) + shift
            axis.plot([row.effect_ci_low, row.effect_ci_high], [at, at], color=color, lw=1.4)
            axis.plot(
                row.effect,
                at,
                marker,
                color=color,
                ms=5,
                mfc=color if row.significant else "white",
                label=label,
            )
            label = None
    axis.axvline(0, color="black", lw=0.7)
    axis.set_yticks(range(len(classes)), classes, fontsize=7)
    axis.invert_yaxis()
    axis.set_title(f"{title}: effect by class (filled: significant)", fontsize=9)
    axis.set_xlabel("logits", fontsize=8)
    axis.tick_params(axis="x", labelsize=7)
    axis.grid(alpha=0.25)


def _means(axis: Axes, rows: pd.DataFrame) -> None:
    """Means over classes of every measure."""
    names = list(dict.fromkeys(rows["measure"]))
    for source, (color, marker, shift) in LOOKS.items():
        own = rows[rows["source"] == source]
        at = np.array([names.index(name) for name in own["measure"]]) + shift
        axis.hlines(at, own["ci_low"], own["ci_high"], color=color, lw=1.4)
        axis.plot(own["value"], at, marker, color=color, ms=5)
    axis.axvline(0, color="black", lw=0.7)
    axis.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=7)
    axis.invert_yaxis()
    axis.set_title("mean over classes", fontsize=9)
    axis.set_xlabel("logits", fontsize=8)
    axis.tick_params(axis="x", labelsize=7)
    axis.grid(alpha=0.25)
