"""Pictures of the checks."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from .ground_truth import PARTS
from .randomization import INTACT

# Okabe and Ito's palette, which color-blind readers can tell apart.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000"]
PART_COLORS = dict(zip(PARTS, ("#D55E00", "#CC79A7", "#BBBBBB", "#0072B2"), strict=True))
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
        for number, (model, color) in enumerate(zip(models, COLORS, strict=False)):
            rows = table[table["model"] == model].set_index("variant").reindex(variants)
            _points(
                axis,
                rows[column],
                rows[f"{column}_low"],
                rows[f"{column}_high"],
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
    labels = sorted(shown["class"].unique())
    figure, axes = plt.subplots(
        len(places), len(labels) + 1, figsize=(1.55 * len(labels) + 4.2, 2.5 * len(places) + 0.7), squeeze=False,
        layout="constrained", width_ratios=[1.0] * len(labels) + [1.7],
    )  # fmt: skip
    for line, ((model, layer), rows) in zip(axes, places, strict=True):
        for axis, label in zip(line[:-1], labels, strict=True):
            own = rows[rows["class"] == label].sort_values("rank")
            left = np.zeros(len(own))
            for name in PARTS:
                axis.barh(own["rank"], own[name], left=left, color=PART_COLORS[name], height=0.85)
                left += own[name].to_numpy()
            axis.set(xlim=(0, 1), xticks=(0, 1), yticks=own["rank"])
            axis.invert_yaxis()
            axis.tick_params(labelsize=6)
            axis.set_title(label, fontsize=8)
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
            axis.plot([row["auroc_low"], row["auroc_high"]], [place, place], color=PART_COLORS[target], lw=2)
            axis.plot(row["auroc"], place, "o", color=PART_COLORS[target], ms=5)
    axis.axvline(0.5, color="black", lw=0.8, ls="--")
    axis.set(xlim=(0, 1), yticks=range(len(names)))
    axis.set_yticklabels([f"{variant}: {target}" for variant, target in names], fontsize=7)
    axis.invert_yaxis()
    axis.set_title("AUROC of the rank (0.5: chance)", fontsize=8)
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.25)


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
            names = ["intact" if level == INTACT else level for level in levels["level"]]
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


def stability_figure(table: pd.DataFrame) -> Figure:
    """Draw agreement and spread against the number of random sets, and agreement over the other choices."""
    places = list(table.groupby(["model", "layer"], sort=False))
    figure, (ranks, spread, others) = plt.subplots(1, 3, figsize=(12.5, 3.9), layout="constrained")
    choices = table[table["what"] != "random_sets"]
    keys = list(dict.fromkeys(zip(choices["what"], choices["value"], strict=True)))
    for number, (((model, layer), rows), color) in enumerate(zip(places, COLORS, strict=False)):
        curve = rows[rows["what"] == "random_sets"]
        curve = curve.assign(value=curve["value"].astype(int)).sort_values("value")
        name = f"{model}, {layer}"
        ranks.plot(curve["value"], curve["tau"], color=color, marker="o", ms=4, label=name)
        ranks.fill_between(curve["value"], curve["tau_low"], curve["tau_high"], color=color, alpha=0.15, lw=0)
        spread.plot(curve["value"], curve["spread"], color=color, marker="o", ms=4)
        if len(curve):
            spread.text(curve["value"].iloc[-1], curve["spread"].iloc[-1],
                        f" {curve['needed'].iloc[0]:.0f} for 0.05", color=color, fontsize=7)  # fmt: skip
        own = (
            rows.set_index(["what", "value"]).reindex(pd.MultiIndex.from_tuples(keys))
            if keys
            else rows.head(0)
        )
        if keys:
            _points(others, own["tau"], own["tau_low"], own["tau_high"], number, len(places), color, name)
    ranks.set(
        title="ranks of two halves of the CAVs", xlabel="random sets", ylabel="Kendall's tau", ylim=(None, 1)
    )
    spread.set(title="standard deviation of a score", xlabel="random sets", ylim=(0, None))
    spread.margins(x=0.25)
    spread.axhline(0.05, color="black", lw=0.8, ls="--")
    others.set(title="ranks of supervoxels, other choices", xlabel="Kendall's tau", xlim=(None, 1))
    others.set_yticks(range(len(keys)), [f"{what}: {value}" for what, value in keys], fontsize=7)
    others.invert_yaxis()
    others.axvline(0, color="black", lw=0.8)
    for axis in (ranks, spread, others):
        axis.grid(alpha=0.25)
        axis.title.set_fontsize(9)
    figure.legend(
        *ranks.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8, frameon=False
    )
    return figure


def _points(axis: Axes, values, low, high, number: int, count: int, color: str, label: str) -> None:
    """Values with their intervals, one below another."""
    places = np.arange(len(values)) + 0.5 * ((number + 0.5) / count - 0.5)
    axis.hlines(places, low, high, color=color, lw=1.5)
    axis.plot(values, places, "o", color=color, ms=4, label=label)
