"""Importance of frames: curves with known answers, and a table that finds agreement only where there is some."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxplain.checks.frame_importance.compute import frame_effects, frame_rows, frame_shares, without_frames
from voxplain.checks.frame_importance.figure import frame_importance_figure
from voxplain.checks.frame_importance.table import frame_agreement_table, frame_importance_table

FILL = np.array([1, 2, 3], dtype=np.uint8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 6))
def test_one_frame_at_a_time_is_changed(seed: int, frames: int) -> None:
    clip = np.random.default_rng(seed).integers(10, 255, (frames, 2, 3, 3), dtype=np.uint8)
    found = without_frames(clip, FILL)
    for frame in range(frames):
        others = np.arange(frames) != frame
        for clips in found.values():
            np.testing.assert_array_equal(clips[frame][others], clip[others])
        assert (found["hidden"][frame, frame] == FILL).all()
        neighbor = frame + 1 if frame + 1 < frames else frame - 1
        np.testing.assert_array_equal(found["repeated"][frame, frame], clip[neighbor])


def test_shares_and_effects_of_a_network_that_sums() -> None:
    # The logit is the sum of all values: hiding a frame takes its own and gives the fill's.
    clip = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.full((3, 2, 2, 3), 20, np.uint8)

    def logits(clips: np.ndarray) -> np.ndarray:
        return clips.astype(float).sum(axis=(1, 2, 3, 4))[:, None] * [[0.0, 1.0]]

    fall = frame_effects(logits, clip, 1, fill=np.zeros(3, np.uint8), batch=2)
    assert fall["hidden"].tolist() == [0, 240, 480]
    assert fall["repeated"].tolist() == [-240, -240, 240]
    assert (frame_effects(logits, clip, 0, fill=FILL)["hidden"] == 0).all()
    relevance = np.array([[[1.0, -5.0]], [[3.0, 0.0]], [[0.0, -1.0]]])
    assert frame_shares(relevance).tolist() == [0.25, 0.75, 0]
    assert np.isnan(frame_shares(-np.ones((2, 1, 1)))).all()
    rows = frame_rows(
        {"dtd": relevance}, {"dtd": relevance > 2}, {("control_saturation", ""): np.ones((3, 1, 2))}, fall
    ).set_index(["measure", "method", "selective"])["value"]
    assert rows["relevance", "dtd", True].tolist() == [0, 1, 0]
    assert rows["relevance", "control_saturation", False].tolist() == pytest.approx([1 / 3] * 3)
    assert rows["relevance", "control_middle", False].tolist() == [0.25, 0.5, 0.25]
    assert rows["hidden", "", False].tolist() == [0, 240, 480]


def scores(rng: np.random.Generator, follows: float, videos: int = 24, seeds: int = 1) -> pd.DataFrame:
    """Curves of a map that follows the effect by so much, and of a control that is noise."""
    parts = []
    for seed in range(seeds):
        for video in range(videos):
            fall = {name: rng.normal(size=8) for name in ("hidden", "repeated")}
            curve = np.exp(follows * fall["hidden"] + rng.normal(size=8))[:, None, None]
            noise = {
                ("random", ""): rng.random((8, 2, 2)),
                ("control_other_class", "dtd"): rng.random((8, 2, 2)),
            }
            rows = frame_rows({"dtd": curve}, {"dtd": curve > 0}, noise, fall)
            parts.append(rows.assign(model="r3d", seed=seed, video=f"v{video}", clip=0))
    return pd.concat(parts, ignore_index=True)


def test_the_tables_find_agreement() -> None:
    found = scores(np.random.default_rng(0), 3.0)
    table = frame_agreement_table(found).set_index(["method", "selective", "effect"])
    row = table.loc[("dtd", False, "hidden")]
    assert row["correlation"] > 0.8 and row["p_adjusted"] < 0.001 and row["difference_ci_low"] > 0.5
    assert row["best_control"] in ("random", "control_middle") and row["n_units"] == 24
    assert abs(table.loc[("dtd", False, "repeated"), "correlation"]) < 0.2
    assert pd.isna(table.loc[("random", False, "hidden"), "best_control"])
    curves = frame_importance_table(found)
    shares = curves[(curves["measure"] == "relevance") & (curves["method"] == "dtd") & ~curves["selective"]]
    assert shares["frame"].tolist() == list(range(8)) and shares["value"].sum() == pytest.approx(1)
    assert "control_other_class" not in set(curves["method"])
    frame_importance_figure(curves, frame_agreement_table(found))


def test_the_best_control_of_frames_knows_no_network() -> None:
    found = scores(np.random.default_rng(0), 0.0, videos=6)
    lost = found[found["measure"] == "hidden"]
    norm = lost.assign(measure="relevance", method="control_activation", control_of="", selective=False)
    table = frame_agreement_table(pd.concat([found, norm], ignore_index=True))
    table = table[~table["selective"] & (table["effect"] == "hidden")].set_index("method")
    assert table.loc["control_activation", "correlation"] == pytest.approx(1)
    assert table.loc["dtd", "best_control"] in ("random", "control_middle")


def test_maps_that_know_nothing_agree_in_few_cases() -> None:
    rng = np.random.default_rng(1)
    p_values = []
    for _ in range(120):
        table = frame_agreement_table(scores(rng, 0.0, videos=12))
        own = table[(table["method"] == "dtd") & ~table["selective"] & (table["effect"] == "hidden")]
        p_values.append((own["p_value"].item(), own["ci_low"].item() <= 0 <= own["ci_high"].item()))
    rejected, covered = np.mean([p <= 0.05 for p, _ in p_values]), np.mean([inside for _, inside in p_values])
    assert rejected <= 0.09 and covered >= 0.89  # two standard errors of 120 tries


def test_a_flat_curve_has_no_correlation() -> None:
    found = scores(np.random.default_rng(0), 1.0, videos=4)
    flat = (found["measure"] == "relevance") & (found["method"] == "dtd")
    found.loc[flat, "value"] = 0.125
    table = frame_agreement_table(found).set_index(["method", "effect"])
    assert table.loc["dtd", "correlation"].isna().all() and (table.loc["dtd", "n_units"] == 0).all()
    assert table.loc["random", "correlation"].notna().all()
