"""Whether relevance leans to one side of the frame."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...motion.tables import per_video
from ...position import OUTER, odds
from ...statistics import mean_interval
from ...tables import Figure, table

# Beyond these, a map says where the network looks from, not what it looks at.
UNEVEN, OVER = 0.10, 2.0


@table(
    "position_bias",
    part="checks",
    title="Position bias",
    meaning="How much more relevance lies on one side of the frame than on the other, over clips and their mirror images, in which what is shown balances out from left to right. From top to bottom it does not: what the clips show counts there too.",
    columns="""
    model, method
    axis: width (left and right) or height (top and bottom)
    halves: relevance of the left (upper) half over that of the right (lower) one
    halves_ci_low: lower end of its 95 % interval, over videos and seeds
    halves_ci_high: upper end of its 95 % interval, over videos and seeds
    first: share of the leftmost (uppermost) eighth over its share of the area
    last: share of the rightmost (lowest) eighth over its share of the area
    verdict: of the width, even (the halves differ by at most 10 %, no outer eighth has over twice its share), uneven (the interval lies outside), or unclear
    n_videos, n_seeds
    """,
    inputs={"shares": "position_shares"},
    figure=Figure("position_bias_figure", {"table": "position_bias"}),
)
def position_bias_table(shares: pd.DataFrame) -> pd.DataFrame:
    """Compare the sides of the frame.

    Parameters
    ----------
    shares : DataFrame
        model, seed, video, and the columns of `voxplain.checks.position_bias.compute.mirrored_shares`.

    Returns
    -------
    DataFrame
        model, method, axis, halves with halves_ci_low and halves_ci_high, first, last, verdict, n_videos, n_seeds.
        A video and its mirror image are one unit.
    """
    rows = []
    for (model, method, axis), group in shares.groupby(["model", "method", "axis"], sort=True):
        wide = per_video(group, "half")
        low, high = mean_interval(wide, share=True)
        first, last = OUTER * group["first"].mean(), OUTER * group["last"].mean()
        ends = [odds(end) if np.isfinite(end) else np.nan for end in (low, high)]
        halves = odds(wide.mean()) if wide.size else np.nan
        rows.append(
            {
                "model": model,
                "method": method,
                "axis": axis,
                "halves": halves,
                "halves_ci_low": ends[0],
                "halves_ci_high": ends[1],
                "first": first,
                "last": last,
                "verdict": _verdict(halves, ends, max(first, last)) if axis == "width" else "",
                "n_videos": group["video"].nunique(),
                "n_seeds": wide.shape[0],
            }
        )
    return pd.DataFrame(rows).sort_values(
        ["axis", "model", "method"], ascending=[False, True, True], ignore_index=True
    )


def _verdict(halves: float, ends: list[float], outer: float) -> str:
    most = 1 + UNEVEN
    if ends[0] > most or ends[1] < 1 / most:
        return "uneven"
    if not np.isfinite(ends).all():
        return "unclear"
    return "even" if 1 / most <= halves <= most and outer <= OVER else "unclear"
