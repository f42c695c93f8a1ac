"""Supervoxels against arrays recorded from 3D-ACE's released code."""

from __future__ import annotations

import importlib.util
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
    first = next(supervoxel_inputs(golden["video"], golden["labels"], golden["kept"][:1], preset="official"))[
        0
    ]
    assert np.array_equal(first[:2], golden["patch_first"])


def test_whole_step_costs_at_most_half_more_than_slic_alone():
    path = Path(__file__).parents[2] / "benchmarks" / "supervoxels.py"
    spec = importlib.util.spec_from_file_location("benchmark", path)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    assert benchmark.whole_step(benchmark.synthetic_video())["met"]
