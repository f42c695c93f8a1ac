"""Segmentation and the choice of distinct supervoxels, against boolean masks and by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from voxplain.errors import ConfigError, VoxplainError
from voxplain.segmenters import SEGMENTERS
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
    plugin = SEGMENTERS["slic"]
    assert plugin.options({"n_segments": [3, 9]}) == {"n_segments": (3, 9), "compactness": 20.0, "sigma": 1.0}
    with pytest.raises(ConfigError, match="compactness"):
        plugin.options({"compactness": 0})


def video_of_halves() -> np.ndarray:
    """Left black, right white, and a red cube on the right: three things."""
    video = np.zeros((8, 24, 24, 3), np.uint8)
    video[:, :, 12:] = 255
    video[2:6, 8:16, 16:22] = (200, 20, 20)
    return video


@pytest.mark.parametrize("method", [plugin.name for plugin in SEGMENTERS])
def test_every_segmenter_labels_every_voxel_at_every_level(method):
    video = np.random.default_rng(0).integers(0, 256, (6, 20, 30, 3), dtype=np.uint8)
    labels = segment_supervoxels(video, (4, 30), method=method)
    assert labels.shape == (2, 6, 20, 30) and labels.dtype == np.uint16 and labels.min() == 1
    assert np.array_equal(labels, segment_supervoxels(video, (4, 30), method=method))
    counts = [len(np.unique(level)) for level in labels]
    assert 2 <= counts[0] <= 8 and 15 <= counts[1] <= 60


@relaxed
@given(st.tuples(*[st.integers(1, 16)] * 3), st.integers(1, 60))
def test_grid_is_of_cuboids_of_nearly_equal_sides(shape, n):
    labels = segment_supervoxels(np.zeros((*shape, 3), np.uint8), (n,), method="grid")[0]
    present = np.unique(labels)
    assert np.array_equal(present, np.arange(1, len(present) + 1))
    boxes = []
    for label in present:
        where = np.argwhere(labels == label)
        sides = np.ptp(where, axis=0) + 1
        assert np.prod(sides) == len(where)  # a full box
        boxes.append(sides)
    assert np.ptp(boxes, axis=0).max() <= 1
    if n <= np.prod(shape):
        assert n / 2 <= len(present) <= 2 * n


def test_grid_is_cube_like_and_of_the_wanted_number():
    labels = segment_supervoxels(np.zeros((16, 112, 112, 3), np.uint8), (15, 50, 80), method="grid")
    assert [level.max() for level in labels] == [16, 49, 81]
    assert (labels[1][0] == labels[1][-1]).all() and np.bincount(labels[1].ravel())[1:].min() == 16 * 16 * 16
    long = segment_supervoxels(np.zeros((64, 16, 16, 3), np.uint8), (4,), method="grid")[0]
    assert (long == np.repeat([1, 2, 3, 4], 16)[:, None, None]).all()


def test_merged_supervoxels_are_the_things_and_their_levels_are_nested():
    video = video_of_halves()
    options = {"fine": 300, "sigma": 0.0, "compactness": 1.0}
    labels = segment_supervoxels(video, (2, 3, 9), method="agglomerative", options=options)
    assert [len(np.unique(level)) for level in labels] == [2, 3, 9]
    things = np.zeros(video.shape[:3], int)
    things[:, :, 12:] = 1
    things[2:6, 8:16, 16:22] = 2
    assert len({(a, b) for a, b in zip(things.ravel(), labels[1].ravel(), strict=True)}) == 3
    for coarse, fine in zip(labels[:-1], labels[1:], strict=True):
        for label in np.unique(fine):
            assert len(np.unique(coarse[fine == label])) == 1


def test_merging_is_into_connected_supervoxels():
    from scipy.ndimage import label as components

    video = np.zeros((4, 12, 36, 3), np.uint8)
    video[:, :, 12:24] = 255  # black, white, black: alike, but apart
    labels = segment_supervoxels(video, (3,), method="agglomerative", options={"fine": 60})[0]
    assert all(components(labels == label)[1] == 1 for label in np.unique(labels))


def test_more_supervoxels_than_there_are_fine_ones_are_the_fine_ones():
    video = video_of_halves()
    few = segment_supervoxels(video, (500,), method="agglomerative", options={"fine": 8})[0]
    slic = segment_supervoxels(video, (8,))[0]
    assert np.array_equal(few - 1, np.unique(slic, return_inverse=True)[1].reshape(slic.shape))


@pytest.mark.parametrize(
    "given, message",
    [
        ({"method": "slicc"}, "did you mean 'slic'"),
        ({"method": "grid", "options": {"compactness": 2}}, "no option 'compactness'"),
        ({"method": "agglomerative", "options": {"fine": 0}}, "'fine' cannot be 0"),
        ({"options": {"compactness": 2}}, "one level higher"),
        ({"method": "grid", "options": {"n_segments": [3]}}, "one level higher"),
        ({"n_segments": (0,)}, "n_segments"),
    ],
)
def test_what_a_segmenter_does_not_have_is_said(given, message):
    with pytest.raises(ConfigError, match=message):
        segment_supervoxels(np.zeros((2, 4, 4, 3), np.uint8), **given)


@pytest.mark.parametrize(
    "labels, message",
    [
        (np.ones((1, 2, 4, 4)), "whole numbers"),
        (np.ones((2, 4, 4), int), "shape"),
        (np.full((1, 2, 4, 4), -1), "from 0"),
        (np.full((1, 2, 4, 4), 70_000), "more than 65535"),
    ],
)
def test_a_segmenter_that_returns_no_labels_is_told(labels, message):
    SEGMENTERS("broken")(lambda video, *, n_segments=(1,): labels)
    try:
        with pytest.raises(VoxplainError, match=message):
            segment_supervoxels(np.zeros((2, 4, 4, 3), np.uint8), (1,), method="broken")
    finally:
        SEGMENTERS._plugins.pop("broken")
