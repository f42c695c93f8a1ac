"""Segmentation and the choice of distinct supervoxels, against boolean masks and by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from voxplain.errors import ConfigError, VoxplainError
from voxplain.segmenters import REGISTRY
from voxplain.supervoxels import PRESETS, Criteria, distinct_supervoxels, segment_supervoxels

relaxed = settings(deadline=None, max_examples=300)
fractions = st.sampled_from([0.0, 0.05, 0.2, 1 / 3, 0.5, 0.8, 1.0])
any_criteria = st.builds(
    Criteria,
    min_volume=fractions,
    volume_of=st.sampled_from(["clip", "span"]),
    min_duration=fractions,
    min_frames=st.integers(1, 4),
    duration_first=st.booleans(),
    max_overlap=fractions,
    alignment=st.sampled_from(["clock", "center"]),
)


@st.composite
def label_volumes(draw) -> np.ndarray:
    """Up to 3 levels that resemble each other, with missing labels and voxels of no supervoxel."""
    shape = draw(st.tuples(st.integers(1, 7), st.integers(1, 3), st.integers(1, 3)))
    volume = arrays(np.uint16, shape, elements=st.integers(0, 4))
    levels = [draw(volume)]
    for _ in range(draw(st.integers(0, 2))):
        change = draw(arrays(np.bool_, shape, elements=st.integers(0, 9).map(lambda i: i == 0)))
        levels.append(np.where(change, draw(volume), levels[-1]))
    return np.stack(levels)


def by_masks(labels: np.ndarray, criteria: Criteria) -> list[tuple[int, int]]:
    """The definition, with a boolean mask for each supervoxel."""
    frames = labels.shape[1]
    unique: list[tuple[int, int, np.ndarray]] = []
    for number, level in enumerate(labels):
        found = []
        for label in range(1, level.max() + 1):
            mask = level == label
            if not mask.any():
                continue
            span = trimmed(mask)
            if (mask if criteria.volume_of == "clip" else span).mean() <= criteria.min_volume:
                continue
            if criteria.duration_first and not lasts(len(span), frames, criteria):
                continue
            if all(jaccard(mask, other, criteria) <= criteria.max_overlap for _, _, other in unique):
                found.append((number, label, mask))
        unique += found
    return [(n, k) for n, k, mask in unique if lasts(len(trimmed(mask)), frames, criteria)]


def trimmed(mask: np.ndarray) -> np.ndarray:
    occupied = np.flatnonzero(mask.any(axis=(1, 2)))
    return mask[occupied[0] : occupied[-1] + 1]


def lasts(duration: int, frames: int, criteria: Criteria) -> bool:
    return duration >= criteria.min_frames and duration / frames >= criteria.min_duration


def jaccard(a: np.ndarray, b: np.ndarray, criteria: Criteria) -> float:
    if criteria.alignment == "center":
        a, b = sorted((trimmed(a), trimmed(b)), key=len)
        skipped = (len(b) - len(a)) // 2
        b = b[skipped : skipped + len(a)]
    return (a & b).sum() / max((a | b).sum(), 1)


@pytest.mark.filterwarnings("error")  # no division by an empty window
@relaxed
@given(label_volumes(), any_criteria)
def test_cross_tabulation_keeps_what_boolean_masks_keep(labels, criteria):
    kept = distinct_supervoxels(labels, **vars(criteria))
    assert [tuple(row) for row in kept] == by_masks(labels, criteria)


@relaxed
@given(label_volumes(), fractions)
def test_no_two_kept_supervoxels_overlap_more_than_allowed(labels, max_overlap):
    kept = distinct_supervoxels(labels, max_overlap=max_overlap)
    for (m, a), (n, b) in combinations(kept, 2):
        assert jaccard(labels[m] == a, labels[n] == b, Criteria()) <= max_overlap


@relaxed
@given(label_volumes(), st.sampled_from(["min_volume", "min_duration"]), fractions, fractions)
def test_filters_are_monotone(labels, criterion, one, other):
    """A stricter filter keeps a subset, when no near-duplicates are removed after it."""
    lower, upper = sorted((one, other))
    loose = distinct_supervoxels(labels, max_overlap=1.0, **{criterion: lower})
    strict = distinct_supervoxels(labels, max_overlap=1.0, **{criterion: upper})
    assert {tuple(row) for row in strict} <= {tuple(row) for row in loose}


def test_alignment_by_centers_confuses_supervoxels_of_different_times():
    labels = np.zeros((2, 32, 4, 4), np.uint16)
    labels[0, :16, :2] = 1  # the same place, before ...
    labels[1, 16:, :2] = 1  # ... and after
    assert distinct_supervoxels(labels, "corrected").tolist() == [[0, 1], [1, 1]]
    assert distinct_supervoxels(labels, "official").tolist() == [[0, 1]]
    assert distinct_supervoxels(labels, "official", alignment="clock").tolist() == [[0, 1], [1, 1]]


def test_alignment_by_centers_rounds_down():
    labels = np.zeros((2, 19, 1, 2), np.uint16)
    labels[0, :, 0, 0] = 1  # 19 frames; frames 1 to 16 of them are the middle 16
    labels[0, :2, 0, 0] = 0
    labels[0, 0, 0, 1] = 1  # it still begins at frame 0, but lacks frame 1
    labels[1, :16, 0, 0] = 1
    # 15 common frames of 16. Frames 2 to 17, the middle rounded up, would have all 16 in common.
    assert distinct_supervoxels(labels, "official", max_overlap=15 / 16).tolist() == [[0, 1], [1, 1]]
    assert distinct_supervoxels(labels, "official", max_overlap=14 / 16).tolist() == [[0, 1]]


def test_volume_is_a_share_of_the_clip_or_of_the_span():
    labels = np.zeros((1, 64, 10, 10), np.uint16)
    labels[0, :16, 0, 0] = 1  # 16 voxels: 1 % of its 16 frames, 0.25 % of the clip
    assert len(distinct_supervoxels(labels, "official", min_volume=0.009)) == 1
    assert len(distinct_supervoxels(labels, "official", min_volume=0.01)) == 0
    assert len(distinct_supervoxels(labels, "corrected", min_volume=0.0024)) == 1
    assert len(distinct_supervoxels(labels, "corrected", min_volume=0.0025)) == 0


def test_a_dropped_supervoxel_suppresses_others_only_where_duration_comes_last():
    labels = np.zeros((2, 32, 2, 2), np.uint16)
    labels[0, :15] = 1  # one frame too short
    labels[1, :16] = 1
    assert distinct_supervoxels(labels, "official").tolist() == []
    assert distinct_supervoxels(labels, "official", duration_first=True).tolist() == [[1, 1]]


def test_official_preset_keeps_nothing_of_clips_under_16_frames():
    assert distinct_supervoxels(np.ones((1, 15, 4, 4), np.uint16), "official").shape == (0, 2)
    assert distinct_supervoxels(np.ones((1, 16, 4, 4), np.uint16), "official").tolist() == [[0, 1]]
    assert distinct_supervoxels(np.ones((1, 1, 4, 4), np.uint16), "corrected").tolist() == [[0, 1]]


def test_missing_labels_are_no_supervoxels():
    labels = np.array([3, 0, 7, 7], np.uint16).reshape(1, 1, 2, 2)
    for preset in PRESETS:
        assert distinct_supervoxels(labels, preset, min_frames=1).tolist() == [[0, 3], [0, 7]]
        assert distinct_supervoxels(np.zeros_like(labels), preset, min_frames=1).shape == (0, 2)


def test_errors_name_the_nearest_choice():
    labels = np.ones((1, 2, 2, 2), np.uint16)
    with pytest.raises(ConfigError, match="did you mean 'official'"):
        distinct_supervoxels(labels, "oficial")
    with pytest.raises(ConfigError, match="did you mean 'max_overlap'"):
        distinct_supervoxels(labels, max_overlaps=0.5)
    with pytest.raises(ConfigError, match="'alignment' cannot be 'start'.*'clock' or 'center'"):
        distinct_supervoxels(labels, alignment="start")
    with pytest.raises(ConfigError, match="'max_overlap' cannot be 50"):
        distinct_supervoxels(labels, max_overlap=50)
    with pytest.raises(VoxplainError, match="segment_supervoxels"):
        distinct_supervoxels(labels.astype(np.int64))
    with pytest.raises(VoxplainError, match=r"\(levels, T, H, W\)"):
        distinct_supervoxels(labels[0])


@pytest.mark.parametrize("frames", [1, 8])
def test_segmentation_labels_every_voxel_without_gaps(frames):
    video = np.random.default_rng(0).integers(0, 256, (frames, 24, 20, 3), dtype=np.uint8)
    labels = segment_supervoxels(video, n_segments=(2, 8), sigma=0.5)
    assert labels.shape == (2, frames, 24, 20) and labels.dtype == np.uint16
    for level in labels:
        assert np.array_equal(np.unique(level), np.arange(1, level.max() + 1))


def test_segmentation_follows_color():
    video = np.zeros((6, 16, 16, 3), np.uint8)
    video[:, :, 8:] = (255, 255, 255)
    labels = segment_supervoxels(video, n_segments=(12,), compactness=1, sigma=0)[0]
    left, right = np.unique(labels[:, :, :8]), np.unique(labels[:, :, 8:])
    assert not set(left) & set(right)


def test_segmentation_of_a_uniform_video_ends():
    labels = segment_supervoxels(np.full((4, 16, 16, 3), 7, np.uint8), n_segments=(4,))
    assert labels.min() == 1


def test_segmentation_takes_only_uint8_videos():
    with pytest.raises(VoxplainError, match="uint8"):
        segment_supervoxels(np.zeros((4, 16, 16, 3), np.float32))
    with pytest.raises(VoxplainError, match=r"\(T, H, W, 3\)"):
        segment_supervoxels(np.zeros((16, 16, 3), np.uint8))


def test_slic_is_a_plugin_with_checked_options():
    plugin = REGISTRY["slic"]
    assert plugin.options({"n_segments": [3, 9]}) == {"n_segments": (3, 9), "compactness": 20.0, "sigma": 1.0}
    with pytest.raises(ConfigError, match="compactness"):
        plugin.options({"compactness": 0})
