"""Areas under deletion and insertion curves."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...statistics import bootstrap_interval, paired_test
from ...tables import Figure, table
from ..tables import NETWORK, by_video
from .compute import area


@table(
    "faithfulness",
    part="checks",
    title="Faithfulness",
    meaning="How fast the class's probability falls when the supervoxels a method ranks first are hidden, and rises "
    "when they alone are shown.",
    columns="""
    model, layer
    fill: what hidden voxels show: mean, blur or previous
    curve: deletion or insertion
    method: explainer, concepts, random_masking, or random (a random order)
    area: area under the curve, mean over videos and seeds
    area_ci_low: lower end of its 95 % interval
    area_ci_high: upper end of its 95 % interval
    difference: from the random order; below 0 in deletion and above 0 in insertion is faithful
    difference_ci_low: lower end of its 95 % interval
    difference_ci_high: upper end of its 95 % interval
    p_value: of the paired test against the random order
    n_videos, n_seeds
    """,
    inputs={"curves": "perturbation_curves"},
    figure=Figure("faithfulness_figure", {"table": "faithfulness", "curves": "perturbation_curves"}),
)
def faithfulness_table(curves: pd.DataFrame) -> pd.DataFrame:
    """Areas under deletion and insertion curves, and their paired differences from a random order.

    Parameters
    ----------
    curves : DataFrame
        model, seed, layer, fill, video, clip, method, curve, share, probability; method ``random`` is there.

    Returns
    -------
    DataFrame
        model, layer, fill, curve, method, area (mean over videos and seeds), area_ci_low, area_ci_high, difference
        (from ``random``; a faithful method is below 0 in deletion and above 0 in insertion),
        difference_ci_low, difference_ci_high (95 %, bootstrap over videos and seeds), p_value (paired test),
        n_videos, n_seeds.
    """
    place = [*NETWORK, "fill", "curve", "method"]
    found = [
        (*key, area(group["share"].to_numpy(), group["probability"].to_numpy()))
        for key, group in curves.groupby([*place, "seed", "video", "clip"], sort=False)
    ]
    areas = pd.DataFrame(found, columns=[*place, "seed", "video", "clip", "area"])
    rows = []
    for key, group in areas.groupby(place[:-1], sort=False):
        per_method = {name: by_video(part, "area") for name, part in group.groupby("method", sort=False)}
        for name, values in per_method.items():
            difference = values - per_method["random"]
            same = name == "random"
            low, high = bootstrap_interval(values)
            below, above = (np.nan, np.nan) if same else bootstrap_interval(difference)
            rows.append(
                {
                    **dict(zip(place, (*key, name), strict=True)),
                    "area": values.mean(),
                    "area_ci_low": low,
                    "area_ci_high": high,
                    "difference": np.nan if same else difference.mean(),
                    "difference_ci_low": below,
                    "difference_ci_high": above,
                    "p_value": np.nan
                    if same
                    else paired_test(values.mean(axis=0), per_method["random"].mean(axis=0)),
                    "n_videos": values.shape[1],
                    "n_seeds": values.shape[0],
                }
            )
    return pd.DataFrame(rows)
