"""Figure: concepts under a video's frames."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .compute import image_of


def concept_over_time_figure(table: pd.DataFrame, frames: pd.DataFrame, *, concepts: int = 6) -> Figure:
    """Strips under a video's frames: each concept's derivative as color, its share as the strip's height.

    Parameters
    ----------
    table : DataFrame
        As of the table ``concept_over_time``.
    frames : DataFrame
        Artifacts of kind window_frames: model, seed, video, window, frame.
    concepts : int
        How many, the most important first.
    """
    panels = list(table.groupby(["model", "seed", "video"], sort=False))
    pictures = frames.set_index(["model", "seed", "video", "window"])["frame"]
    figure = plt.figure(figsize=(9.5, 2.9 * len(panels) + 0.4), layout="constrained")
    for part, (key, rows) in zip(np.atleast_1d(figure.subfigures(len(panels), 1)), panels, strict=True):
        model, seed, video = key
        n_windows = rows["window"].nunique()
        shown = np.unique(np.linspace(0, n_windows - 1, min(n_windows, 10)).round().astype(int))
        top, bottom = part.subplots(2, 1, height_ratios=[1, 1.9], sharex=True)
        for window in shown:
            half = 0.46 * (n_windows / len(shown))
            picture = image_of(pictures[model, seed, video, window])
            top.imshow(picture, extent=(window - half, window + half, 0, 1))
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
