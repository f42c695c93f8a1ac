"""Figure: agreement and spread over choices."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ..figures import cycle, points


def stability_figure(table: pd.DataFrame) -> Figure:
    """Draw agreement and spread against the number of random sets, and agreement over the other choices."""
    places = list(table.groupby(["model", "layer"], sort=False))
    figure, (ranks, spread, others) = plt.subplots(1, 3, figsize=(12.5, 3.9), layout="constrained")
    choices = table[table["what"] != "random_sets"]
    keys = list(dict.fromkeys(zip(choices["what"], choices["value"], strict=True)))
    for number, (((model, layer), rows), color) in enumerate(zip(places, cycle(), strict=False)):
        curve = rows[rows["what"] == "random_sets"]
        curve = curve.assign(value=curve["value"].astype(int)).sort_values("value")
        name = f"{model}, {layer}"
        ranks.plot(curve["value"], curve["tau"], color=color, marker="o", ms=4, label=name)
        ranks.fill_between(
            curve["value"], curve["tau_ci_low"], curve["tau_ci_high"], color=color, alpha=0.15, lw=0
        )
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
            points(
                others, own["tau"], own["tau_ci_low"], own["tau_ci_high"], number, len(places), color, name
            )
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
