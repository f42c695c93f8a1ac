"""Figures of the checks of faithfulness."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

# Okabe and Ito's colors, and two markers for more methods than colors.
COLORS = ["#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31"]
CONTROL = "#777777"
WORDS = {"concepts": "concept scores", "random_masking": "random masking", "random": "random order"}


def faithfulness_figure(table: pd.DataFrame, curves: pd.DataFrame) -> Figure:
    """Mean curves per network and fill: deletion above, insertion below, areas in the legend of each panel."""
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
    styles = _styles(table["method"].unique())
    for (model, fill), column in zip(panels, axes.T, strict=True):
        for curve, axis in zip(("deletion", "insertion"), column, strict=True):
            rows = curves[(curves["model"] == model) & (curves["fill"] == fill) & (curves["curve"] == curve)]
            for method, style in styles.items():
                lines = [
                    np.interp(grid, *line.sort_values("share")[["share", "probability"]].to_numpy().T)
                    for _, line in rows[rows["method"] == method].groupby(["seed", "video", "clip"])
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


def concept_ablation_figure(table: pd.DataFrame, agreement: pd.DataFrame) -> Figure:
    """Each concept's mean effect by ablation against its effect by direction, and how well they agree."""
    table = table[table["outcome"] == "logit"]
    models = list(table["model"].unique())
    figure, axes = plt.subplots(
        1, len(models) + 1, figsize=(3.6 * (len(models) + 1), 3.9), squeeze=False, layout="constrained"
    )
    colors = dict(zip(sorted(table["class"].unique()), _cycle(), strict=False))
    for model, axis in zip(models, axes[0], strict=False):
        for label, rows in table[table["model"] == model].groupby("class"):
            _cross(axis, rows, "effect", "mean_effect", color=colors.get(label, CONTROL), label=label)
        axis.axhline(0, color="black", lw=0.7)
        axis.axvline(0, color="black", lw=0.7)
        axis.set_xlabel("effect along the CAV (logits)", fontsize=8)
        axis.set_ylabel("logit with the concept minus without", fontsize=8)
        axis.set_title(model, fontsize=9)
        axis.grid(alpha=0.25)
    last, rows = axes[0, -1], agreement[(agreement["class"] == "all") & (agreement["outcome"] == "logit")]
    names = [f"{r.model}: {r.ablation.replace('_', ' ')}, {r.direction}" for r in rows.itertuples()]
    place = np.arange(len(rows))[::-1]
    bars = np.abs(rows[["ci_low", "ci_high"]].to_numpy() - rows[["tau"]].to_numpy()).T
    last.errorbar(rows["tau"], place, xerr=bars, fmt="o", color="#0072B2", ms=4, capsize=2, lw=1)
    last.axvline(0, color="black", lw=0.7)
    last.set_yticks(place, names, fontsize=7)
    last.set_xlim(-1, 1)
    last.set_xlabel("Kendall's tau, mean over classes", fontsize=8)
    last.grid(alpha=0.25)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=7, frameon=False)
    figure.suptitle("Importance of concepts by ablation and by direction (95 % intervals)", fontsize=10)
    return figure


def concept_motion_figure(table: pd.DataFrame) -> Figure:
    """Is what matters also what moves: effect against moving share, and relevance against volume."""
    explainer = next(
        name.removeprefix("relevance_share_")
        for name in table.columns
        if name.startswith("relevance_share_") and not name.endswith(("_low", "_high"))
    )
    models = list(table["model"].unique())
    figure, axes = plt.subplots(
        len(models), 3, figsize=(11.5, 3.7 * len(models) + 0.5), squeeze=False, layout="constrained"
    )
    colors = dict(zip(sorted(table["class"].unique()), _cycle(), strict=False))
    for model, line in zip(models, axes, strict=True):
        for label, rows in table[table["model"] == model].groupby("class"):
            style = {"color": colors.get(label, CONTROL), "label": label}
            _cross(line[0], rows, "moving_share", "effect", **style)
            _cross(line[1], rows, "volume_share", f"relevance_share_{explainer}", **style)
            _cross(line[2], rows, f"relevance_share_{explainer}", f"selective_share_{explainer}", **style)
        line[0].axhline(0, color="black", lw=0.7)
        line[0].set_ylabel(f"{model}\neffect of the concept (logits)", fontsize=8)
        line[0].set_xlabel("share of the concept that moves", fontsize=8)
        line[1].set_xlabel("share of the clip that is the concept", fontsize=8)
        line[1].set_ylabel(f"share of {explainer} relevance in it", fontsize=8)
        line[2].set_xlabel(f"share of {explainer} relevance in the concept", fontsize=8)
        line[2].set_ylabel("share of the selected relevance in it", fontsize=8)
        for axis in line[1:]:
            axis.axline((0, 0), slope=1, color="black", lw=0.7, ls="--")
        for axis in line:
            axis.grid(alpha=0.25)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=7, frameon=False)
    figure.suptitle(
        "Concepts: what matters and what moves (one point per concept, 95 % intervals)", fontsize=10
    )
    return figure


def motion_reliance_figure(table: pd.DataFrame) -> Figure:
    """Probability of each class as it moves and standing still, classes that rely most on motion on top."""
    models = list(table["model"].unique())
    most = table.groupby("model").size().max()
    figure, axes = plt.subplots(
        1, len(models), figsize=(6.4 * len(models), 1.4 + 0.32 * most), squeeze=False, layout="constrained"
    )
    for model, axis in zip(models, axes[0], strict=True):
        rows = table[table["model"] == model].sort_values("rank")
        place = np.arange(len(rows))[::-1]
        bars = np.abs(rows[["reliance_low", "reliance_high"]].to_numpy() - rows[["reliance"]].to_numpy()).T
        axis.errorbar(rows["reliance"], place, xerr=bars, fmt="o", color="#D55E00", capsize=2)
        axis.axvline(0, color="black", lw=0.7)
        axis.set_yticks(place, rows["class"], fontsize=8)
        axis.set_xlabel("probability lost when the clip stands still", fontsize=8)
        axis.set_title(model, fontsize=9)
        axis.grid(alpha=0.25)
    figure.suptitle("Reliance on motion by class (95 % intervals)", fontsize=10)
    return figure


def concept_over_time_figure(
    table: pd.DataFrame, clips: Mapping[str, np.ndarray], *, concepts: int = 6
) -> Figure:
    """Strips under a video's frames: each concept's derivative as color, its share as the strip's height.

    Parameters
    ----------
    table : DataFrame
        As of the table ``concept_over_time``.
    clips : mapping of str to (windows, T, H, W, 3) uint8
        By video.
    concepts : int
        How many, the most important first.
    """
    panels = list(table.groupby(["model", "seed", "video"], sort=False))
    figure = plt.figure(figsize=(9.5, 2.9 * len(panels) + 0.4), layout="constrained")
    for part, (key, rows) in zip(np.atleast_1d(figure.subfigures(len(panels), 1)), panels, strict=True):
        model, seed, video = key
        n_windows = rows["window"].nunique()
        shown = np.unique(np.linspace(0, n_windows - 1, min(n_windows, 10)).round().astype(int))
        frames = clips[video]
        top, bottom = part.subplots(2, 1, height_ratios=[1, 1.9], sharex=True)
        height, width = frames.shape[2:4]
        for window in shown:
            half = 0.46 * (n_windows / len(shown))
            top.imshow(frames[window][len(frames[window]) // 2], extent=(window - half, window + half, 0, 1))
        top.set(ylim=(0, 1), yticks=[], aspect="auto")
        top.tick_params(bottom=False)
        for side in top.spines.values():
            side.set_visible(False)
        chosen = rows[rows["rank"] <= concepts]
        values = chosen.pivot_table(index="rank", columns="window", values="derivative").to_numpy()
        shares = chosen.pivot_table(index="rank", columns="window", values="share").to_numpy()
        limit = np.abs(values).max() or 1.0
        image = bottom.imshow(
            np.zeros((1, 1)), cmap="RdBu_r", vmin=-limit, vmax=limit, extent=(0, 0, 0, 0), aspect="auto"
        )
        scale = 0.9 / (shares.max() or 1.0)
        for line, (value, share) in enumerate(zip(values, shares, strict=True)):
            colors = image.cmap(image.norm(value))
            bottom.bar(
                np.arange(n_windows),
                scale * share,
                width=0.98,
                bottom=line,
                color=colors,
                ec="#555555",
                lw=0.4,
            )
        bottom.set(xlim=(-0.5, n_windows - 0.5), ylim=(len(values), -0.05))
        bottom.invert_yaxis()
        bottom.set_ylim(0, len(values))
        ranks = np.sort(chosen["rank"].unique())
        bottom.set_yticks(np.arange(len(values)) + 0.4, [f"rank {rank}" for rank in ranks], fontsize=7)
        first = rows.drop_duplicates("window").sort_values("window")
        bottom.set_xticks(
            shown,
            [f"{a}–{b}" for a, b in first.iloc[shown][["first_frame", "last_frame"]].to_numpy()],
            fontsize=7,
        )
        bottom.set_xlabel("frames of the window", fontsize=8)
        part.colorbar(image, ax=bottom, label="derivative (logits)", fraction=0.04)
        probability = ", ".join(f"{p:.2f}" for p in first["probability"].iloc[shown])
        part.suptitle(
            f"{video}, {model}, seed {seed}; probability of its class: {probability}\n"
            f"height: share of voxels (largest {100 * shares.max():.0f} %)",
            fontsize=8,
        )
    return figure


def _cross(axis, rows: pd.DataFrame, x: str, y: str, *, color: str, label: str) -> None:
    """Points with the intervals that the table has."""
    bars = {}
    for name, column in (("xerr", x), ("yerr", y)):
        if f"{column}_low" in rows:
            ends = rows[[f"{column}_low", f"{column}_high"]].to_numpy()
            bars[name] = np.abs(ends - rows[[column]].to_numpy()).T
    axis.errorbar(rows[x], rows[y], fmt="o", ms=4, lw=0.6, color=color, label=label, **bars)


def _styles(methods) -> dict[str, dict]:
    ordered = ["concepts", *(name for name in methods if name not in WORDS), "random_masking", "random"]
    styles = {}
    colors = _cycle()
    for name in ordered:
        if name in methods:
            control = name == "random"
            styles[name] = {
                "color": CONTROL if control else next(colors),
                "ls": "--" if control else "-",
                "label": WORDS.get(name, name.replace("_", " ")),
            }
    return styles


def _cycle():
    while True:
        yield from COLORS
