"""How much of the evidence's motion, place and size can be read from each layer."""

from __future__ import annotations

import pandas as pd

from ...statistics import adjust_p_values, mean_interval, mean_p_value, ratio_values
from ...tables import Figure, table
from ..tables import by_unit

NETWORK = "network"
KEYS = ["model", "source", "layer", "depth", "quantity"]


@table(
    "motion_probes",
    part="checks",
    title="Where motion can be read",
    meaning="How well a linear probe of a layer's activation, averaged as for concepts, tells of new clips how the evidence moves, "
    "beside the same network shown a frozen clip, a network with random weights, what the pixels say without a network, and the clip's class alone.",
    columns="""
    model
    source: network (as trained); frozen (shown the middle frame all the time); random_network (untrained weights); pixels (means and deviations of colors, change and saturation); class (the clip's true class and nothing else)
    layer: of the network; empty for pixels and class
    depth: place of the layer among those probed, from 0
    quantity: speed (mean length of the flow in the evidence), velocity (its mean vector), place (mean x and y of the evidence), size (its share of the voxels)
    r_squared: share of the quantity's variance, over test videos, that the probe explains; 0 for the training videos' mean, negative for worse
    ci_low, ci_high
    best_control: for the network, the source and layer of the greatest r_squared among the others
    difference: r_squared less that of the best control
    difference_ci_low: lower end of its 95 % interval
    difference_ci_high: upper end of its 95 % interval
    p_value: that the difference is 0
    p_adjusted: corrected over the table, by Benjamini and Hochberg
    n_units, n_seeds
    """,
    inputs={"scores": "probe_scores"},
    needs=["ground_truth", "exact_flow"],
    figure=Figure("motion_probes_figure", {"table": "motion_probes"}),
)
def motion_probes_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Variance explained by layer, and what of it no control explains.

    Parameters
    ----------
    scores : DataFrame
        model, seed, video (and group), and the columns of `voxplain.checks.motion_probes.compute.probe_rows`.

    Returns
    -------
    DataFrame
        As the table's entry says. The best control is the best of all layers, and is chosen on the same videos: the
        difference is too small rather than too large.
    """
    if scores.empty:
        return pd.DataFrame(columns=COLUMNS)
    rows = []
    for _, own in scores.groupby(["model", "quantity"], sort=False):
        values = {
            key: 1 - ratio_values(*(by_unit(part, "video", name) for name in ("error", "deviation")))
            for key, part in own.groupby(KEYS, sort=False)
        }
        rivals = {key: of for key, of in values.items() if key[1] != NETWORK}
        best = max(rivals, key=lambda key: rivals[key].mean()) if rivals else None
        for key, of in values.items():
            row = dict(zip(KEYS, key, strict=True)) | {"r_squared": of.mean(), "n_units": of.shape[1]}
            row |= dict(zip(("ci_low", "ci_high"), mean_interval(of), strict=True)) | {"n_seeds": len(of)}
            if key[1] == NETWORK and best is not None:
                less = of - rivals[best]
                low, high = mean_interval(less)
                row |= {"best_control": " ".join(filter(None, best[1:3])), "difference": less.mean()}
                row |= {
                    "difference_ci_low": low,
                    "difference_ci_high": high,
                    "p_value": mean_p_value(less),
                }
            rows.append(row)
    found = pd.DataFrame(rows).reindex(columns=COLUMNS)
    found["p_adjusted"] = adjust_p_values(found["p_value"].to_numpy(dtype=float))
    return found


COLUMNS = [
    *KEYS, "r_squared", "ci_low", "ci_high", "best_control", "difference", "difference_ci_low", "difference_ci_high",
    "p_value", "p_adjusted", "n_units", "n_seeds",
]  # fmt: skip
