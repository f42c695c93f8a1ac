"""Supervoxels against arrays recorded from 3D-ACE's released code."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from voxplain import distinct_supervoxels, segment_supervoxels
from voxplain.patches import supervoxel_inputs


@pytest.fixture(scope="module", params=["soccer_16", "wave_48"])
def golden(request, shared):
    with np.load(shared / "golden" / f"supervoxels_{request.param}.npz") as arrays:
        return dict(arrays)


def test_labels_are_the_recorded_ones(golden):
    assert np.array_equal(segment_supervoxels(golden["video"]), golden["labels"])


def test_official_preset_keeps_the_recorded_supervoxels_in_order(golden):
    assert np.array_equal(distinct_supervoxels(golden["labels"], preset="official"), golden["kept"])


def test_official_patch_is_the_recorded_one(golden):
    first = next(
        supervoxel_inputs(
            golden["video"], golden["labels"], golden["kept"][:1], form="crop", preset="official"
        )
    )[0]
    assert np.array_equal(first[:2], golden["patch_first"])


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    return lambda name: importlib.import_module(f"benchmarks.{name}")


def test_measures_of_segmentations_by_hand(benchmarks):
    measure = benchmarks("segmenters").measure
    mask = np.zeros((2, 8, 8), bool)
    mask[:, :, :2] = True
    clip = np.where(mask[..., None], 200, 50).astype(np.uint8).repeat(3, axis=3)
    perfect = measure(mask + 1, clip, mask)
    assert perfect == pytest.approx(
        {"supervoxels": 2, "recall": 1, "undersegmentation": 0, "explained": 1, "boundary": 2 / 8}
    )
    whole = measure(np.ones(mask.shape, int), clip, mask)
    assert whole == pytest.approx(
        {"supervoxels": 1, "recall": 0, "undersegmentation": 1, "explained": 0, "boundary": 0}
    )
    # One column too far: of 3 columns 2 are the object's, so the third is wrong. Boundaries are a pixel apart.
    shifted = measure((np.arange(8) < 3) + np.ones(mask.shape, int), clip, mask)
    assert (shifted["recall"], shifted["undersegmentation"]) == (1, 0.5)
    # Means of 150 (3 columns) and 50 (5), of values 200 (2 columns) and 50 (6).
    assert shifted["explained"] == pytest.approx((3 * 5 * 100**2) / (2 * 6 * 150**2))
