"""Figure: what steering by concepts changes, beside other directions, and what agrees with it."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...figures import COLORS, GRAY

LOOKS = {
    "none": (COLORS[0], "o", "the concept"),
    "random_concept": (COLORS[2], "s", "random concepts"),
    "other_class": (COLORS[1], "D", "other classes' concepts"),
    "random_direction": (GRAY, "^", "random directions"),
}


def concept_steering_figure(table: pd.DataFrame, gaps: pd.DataFrame, agreement: pd.DataFrame) -> Figure:
    """A row per network and layer: the logit by rank, how many times a control's change, and taus.

    Parameters
    ----------
    table, gaps, agreement : DataFrame
        The tables concept_steering, steering_gaps and steering_agreement.
    """
    table = table[table["space"] == "layer"]
    places = list(dict.fromkeys(zip(table["model"], table["layer"], strict=True)))
    figure, axes = plt.subplots(
        len(places), 4, figsize=(15, 3.5 * len(places) + 0.7), squeeze=False, layout="constrained",
        width_ratios=[1, 1, 1.1, 1.1],
    )  # fmt: skip
    for line, place in zip(axes, places, strict=True):
        own, its, taus = (_of(rows, place) for rows in (table, gaps, agreement))
        for axis, steering in zip(line, ("removal", "addition"), strict=False):
            _by_rank(axis, own[own["steering"] == steering], f"{', '.join(place)}: {steering}")
        _times(line[2], its[its["times"].notna() & (its["subset"] == "all")])
        _taus(line[3], taus)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    figure.suptitle(
        "Steering by concepts, beside as large changes along other directions (95 % intervals)", fontsize=10
    )
    return figure


def _of(rows: pd.DataFrame, place: tuple[str, str]) -> pd.DataFrame:
    return rows[(rows["model"] == place[0]) & (rows["layer"] == place[1])]


def _by_rank(axis: Axes, rows: pd.DataFrame, title: str) -> None:
    """Change of the class's logit by rank: each class's concepts as dots, means over classes as lines."""
    for control, (color, marker, label) in LOOKS.items():
        own = rows[
            (rows["control"] == control) & (rows["norm"] == ("own" if control == "none" else "matched"))
        ]
        means = own.groupby("rank")["change_of_logit"].mean()
        axis.plot(means.index, means, color=color, marker=marker, ms=5, lw=1.6, label=label)
        if control == "none":
            axis.plot(own["rank"], own["change_of_logit"], ".", color=color, ms=4, alpha=0.4)
    axis.axhline(0, color="black", lw=0.7)
    axis.set_xticks(sorted(rows["rank"].unique()))
    axis.set_xlabel("rank of the concept (dots: single classes)", fontsize=8)
    axis.set_ylabel("change of the class's logit", fontsize=8)
    axis.set_title(title, fontsize=9)
    axis.grid(alpha=0.25)


def _times(axis: Axes, rows: pd.DataFrame) -> None:
    """How many times a control's change of the logit the concepts' is, on a logarithmic scale."""
    names = [
        f"{row.steering}, {row.concepts}: {row.control.replace('_', ' ')}, {row.norm}"
        for row in rows.itertuples()
    ]
    for place, row in enumerate(rows.itertuples()):
        color = LOOKS[row.control][0]
        filled = {} if row.concepts == "first" else {"mfc": "white"}
        # A delta-method interval can reach below 0, where a logarithm ends.
        axis.plot([max(row.times_ci_low, 0.05), row.times_ci_high], [place, place], color=color, lw=1.6)
        axis.plot(row.times, place, "o", color=color, ms=5, **filled)
    axis.axvline(1, color="black", lw=0.8, ls="--")
    axis.set_xscale("log")
    axis.set_yticks(range(len(names)), names, fontsize=6)
    axis.invert_yaxis()
    axis.set_title("change of the logit, times the control's (hollow: all concepts)", fontsize=8)
    axis.tick_params(axis="x", labelsize=7)
    axis.grid(alpha=0.25)


def _taus(axis: Axes, rows: pd.DataFrame) -> None:
    """Kendall's tau of the order by steering with other orders."""
    names = list(dict.fromkeys(rows["other"]))
    for steering, shift, color in (("removal", -0.15, COLORS[0]), ("addition", 0.15, COLORS[1])):
        own = rows[rows["steering"] == steering]
        places = np.array([names.index(name) for name in own["other"]]) + shift
        axis.hlines(places, own["ci_low"], own["ci_high"], color=color, lw=1.6)
        axis.plot(own["tau"], places, "o", color=color, ms=4, label=steering)
    axis.axvline(0, color="black", lw=0.7)
    axis.set_xlim(-1, 1)
    axis.set_yticks(range(len(names)), [name.replace("control_", "control: ") for name in names], fontsize=6)
    axis.invert_yaxis()
    axis.legend(fontsize=7)
    axis.set_title("Kendall's tau with the order by steering", fontsize=8)
    axis.tick_params(axis="x", labelsize=7)
    axis.grid(alpha=0.25)
