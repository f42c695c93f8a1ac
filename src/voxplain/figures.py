"""Pictures: figure 1 of 3D-ACE, and the accuracy curves of its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from skimage.segmentation import find_boundaries

# Okabe and Ito's palette, which color-blind readers can tell apart; black and yellow are too near a page's
# ground. Gray is for controls.
COLORS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GRAY = "#999999"
STYLES = {
    "top": (COLORS[0], "o", "most important"),
    "random": (COLORS[2], "s", "random concepts"),
    "random_volume": (GRAY, "^", "random supervoxels, same volume as top"),
    "least": (COLORS[1], "D", "least important"),
}
OUTLINE = np.array([255, 230, 0], dtype=np.uint8)


@dataclass(frozen=True)
class Example:
    """A supervoxel to show: clip (T, H, W, 3) uint8, mask (T, H, W) bool, and a caption."""

    clip: np.ndarray
    mask: np.ndarray
    caption: str = ""


def outline(clip: np.ndarray, mask: np.ndarray, *, dim: float = 0.45, scale: int = 1) -> np.ndarray:
    """Dim a clip outside a supervoxel and draw the supervoxel's edge.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8
    mask : (T, H, W) bool
    dim : float
        Brightness outside, 0..1.
    scale : int
        Enlargement, so that the line is thin beside the picture.

    Returns
    -------
    (T, H * scale, W * scale, 3) uint8
    """
    clip = clip.repeat(scale, axis=1).repeat(scale, axis=2)
    mask = mask.repeat(scale, axis=1).repeat(scale, axis=2)
    out = np.where(mask[..., None], clip, (clip * dim).astype(np.uint8))
    for frame, inside in zip(out, mask, strict=True):
        frame[find_boundaries(inside, mode="inner")] = OUTLINE
    return out


def concept_figure(rows: Sequence[tuple[str, Sequence[Example]]], *, title: str, frames: int = 3) -> Figure:
    """Draw concepts as rows of frames of their nearest members, outlined (figure 1 of 3D-ACE).

    Parameters
    ----------
    rows : sequence of (heading, examples)
    title : str
    frames : int
        Frames shown per example, spread over the time span of its supervoxel.
    """
    columns = frames * max(len(examples) for _, examples in rows)
    figure, axes = plt.subplots(
        len(rows),
        columns,
        figsize=(0.95 * columns + 2.4, 1.2 * len(rows) + 0.6),
        squeeze=False,
        layout="constrained",
    )
    for (heading, examples), line in zip(rows, axes, strict=True):
        for axis in line:
            axis.set_axis_off()
        line[0].text(
            -0.15,
            0.5,
            heading,
            transform=line[0].transAxes,
            ha="right",
            va="center",
            fontsize=8,
            linespacing=1.4,
        )
        for number, example in enumerate(examples):
            drawn = outline(example.clip, example.mask, scale=max(1, 160 // example.clip.shape[1]))
            present = np.flatnonzero(example.mask.any(axis=(1, 2)))
            shown = present[np.linspace(0, len(present) - 1, frames).round().astype(int)]
            for offset, moment in enumerate(shown):
                line[number * frames + offset].imshow(drawn[moment], interpolation="nearest")
            line[number * frames].set_title(example.caption, fontsize=6, loc="left", pad=2)
    figure.suptitle(title, fontsize=10)
    return figure


def editing_figure(table: pd.DataFrame, *, title: str, verb: str) -> Figure:
    """Draw accuracy against the number of concepts, one panel per network, with interval bands.

    Parameters
    ----------
    table : DataFrame
        Columns of concept_addition or concept_removal.
    title : str
    verb : str
        "shown" or "hidden".
    """
    panels = list(table.groupby(["model", "layer"], sort=False))
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(max(6.0, 4.2 * len(panels)), 3.9),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for ((model, layer), rows), axis in zip(panels, axes[0], strict=True):
        for strategy, (color, marker, label) in STYLES.items():
            line = rows[rows["strategy"] == strategy].sort_values("k")
            if len(line):
                axis.plot(
                    line["k"], 100 * line["accuracy"], color=color, marker=marker, label=label, lw=1.8, ms=5
                )
                axis.fill_between(
                    line["k"], 100 * line["ci_low"], 100 * line["ci_high"], color=color, alpha=0.15, lw=0
                )
            published = line.dropna(subset=["published"])
            axis.plot(published["k"], 100 * published["published"], color=color, ls=":", lw=1)
        axis.axhline(100 * rows["baseline"].iloc[0], color="black", ls="--", lw=1)
        axis.text(1, 100 * rows["baseline"].iloc[0], " unedited", va="bottom", fontsize=7)
        axis.set(title=f"{model}, {layer}", xlabel=f"concepts {verb}", xticks=sorted(rows["k"].unique()))
        axis.grid(alpha=0.25)
    axes[0, 0].set(ylabel="accuracy (%)", ylim=(0, 100))
    handles, names = axes[0, 0].get_legend_handles_labels()
    if table["published"].notna().any():
        handles.append(Line2D([], [], color="gray", ls=":", lw=1))
        names.append("the paper, on Kinetics-700")
    figure.legend(handles, names, loc="outside lower center", ncols=3, fontsize=7, frameon=False)
    figure.suptitle(f"{title} (n = {table['n_videos'].max()} videos, 95 % intervals)", fontsize=10)
    return figure
