"""Shares of relevance on evidence and distractor by subset: by hand, and a simulated null with groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from voxplain.checks.evidence_or_motion.figure import evidence_or_motion_figure
from voxplain.checks.evidence_or_motion.table import evidence_or_motion_table
from voxplain.tables import with_groups

# A group's two halves, one in each subset.
VIDEOS = pd.DataFrame(
    [(group, subset, f"{group}_{subset}") for group in "abcd" for subset in ("moving", "frozen")],
    columns=["group", "subset", "video"],
)


def scores(share, *, target="evidence", auroc=0.5, method="dtd", seeds=(0,)):
    """Rows of whole and selective maps; `share` gives the relevance on target of (video, selective, seed)."""
    rows = [
        {
            "model": "net", "seed": seed, "method": method, "control_of": "", "selective": selective, "target": target,
            "video": video, "clip": 0, "share": 0.1, "relevance_on_target": share(video, selective, seed), "auroc": auroc,
            "stratified_auroc": np.nan if selective else auroc / 2,
        }
        for video in VIDEOS["video"] for selective in (False, True) for seed in seeds
    ]  # fmt: skip
    return with_groups(pd.DataFrame(rows), VIDEOS)


def test_shares_by_hand():
    """Selecting adds .2 on the playing half, and nothing on the frozen one."""
    base = dict(zip("abcd", (0.1, 0.2, 0.3, 0.4), strict=True))
    found = scores(lambda video, selective, _: base[video[0]] + 0.2 * (selective and "moving" in video))
    table = evidence_or_motion_table(found).set_index(["measure", "subset", "map"])
    rows = table.loc["evidence"]["value"].to_dict()
    assert rows["all", "whole"] == pytest.approx(0.25) and rows["all", "selective - whole"] == pytest.approx(
        0.1
    )
    assert rows["moving", "selective - whole"] == pytest.approx(0.2)
    assert rows["frozen", "selective - whole"] == pytest.approx(0)
    assert rows["moving - frozen", "whole"] == pytest.approx(0)
    assert rows["moving - frozen", "selective - whole"] == pytest.approx(0.2)
    assert (table["n_units"] == 4).all()  # the two halves of a group are one unit
    whole = table.loc["evidence", "all", "whole"]
    sd = np.std([0.1, 0.2, 0.3, 0.4], ddof=1)
    assert whole["chance"] == pytest.approx(0.1) and np.isnan(whole["p_value"])
    assert whole["ci_high"] - whole["ci_low"] > 2 * sd / 2  # over the four groups, not over eight videos


def test_values_are_means_over_videos_of_groups_of_any_size():
    """As in ground_truth_precision: a group of five videos counts five times, and chance with it."""
    sizes = {"a": 5, "b": 1, "c": 1, "d": 1}
    videos = [(group, f"{group}{n}") for group, size in sizes.items() for n in range(size)]
    rows = [
        {
            "model": "net", "seed": 0, "method": "dtd", "control_of": "", "selective": False, "target": "evidence",
            "video": video, "group": group, "clip": clip, "share": 0.1 + 0.4 * (group == "a"),
            "relevance_on_target": 0.9 if group == "a" else 0.1, "auroc": 0.8 if group == "a" else 0.4, "stratified_auroc": 0.5,
        }
        for group, video in videos for clip in range(2 if video == "a0" else 1)
    ]  # fmt: skip
    table = evidence_or_motion_table(pd.DataFrame(rows)).set_index("measure")
    assert table.loc["evidence", "value"] == pytest.approx((5 * 0.9 + 3 * 0.1) / 8)
    assert table.loc["evidence AUROC", "value"] == pytest.approx((5 * 0.8 + 3 * 0.4) / 8)
    assert table.loc["evidence", "chance"] == pytest.approx((5 * 0.5 + 3 * 0.1) / 8)
    assert (table["n_units"] == 4).all()


def test_the_figure_has_a_column_per_subset():
    parts = [scores(lambda *_: 0.3, target=target) for target in ("evidence", "distractor")]
    figure = evidence_or_motion_figure(evidence_or_motion_table(pd.concat(parts)))
    assert all(axis.get_xlim()[1] > 0.3 and axis.yaxis_inverted() for axis in figure.axes)
    assert [axis.get_title() for axis in figure.axes] == ["net, all", "net, frozen", "net, moving"]


def test_videos_without_subsets_are_one():
    found = scores(lambda *_: 0.3).drop(columns=["group", "subset"])
    table = evidence_or_motion_table(found)
    assert set(table["subset"]) == {"all"} and (table["n_units"] == 8).all()
