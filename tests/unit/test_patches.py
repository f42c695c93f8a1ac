"""Supervoxels as network input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxplain.errors import ConfigError, VoxplainError
from voxplain.patches import keep_only, supervoxel_inputs

relaxed = settings(deadline=None, max_examples=40)
forms = st.sampled_from(["crop", "in_place"])
presets = st.sampled_from(["official", "corrected"])
sizes = st.sampled_from([None, (6, 9), (20, 5)])


def example(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A random video with two levels of labels 1 to 5, all of them kept."""
    rng = np.random.default_rng(seed)
    video = rng.integers(0, 256, (3, 8, 10, 3), dtype=np.uint8)
    labels = rng.integers(1, 6, (2, *video.shape[:3])).astype(np.uint16)
    return video, labels, np.argwhere(np.ones((2, 5))) + [0, 1]


def inputs(*args, **options) -> np.ndarray:
    return np.concatenate(list(supervoxel_inputs(*args, **({"form": "crop"} | options))))


def test_keep_only_shows_the_mask_on_a_rounded_color():
    video, labels, _ = example(0)
    mask = labels[0] == 1
    shown = keep_only(video, mask, (99.9, 92.1, 82.6))
    assert shown.dtype == np.uint8
    assert np.array_equal(shown[mask], video[mask])
    assert (shown[~mask] == (100, 92, 83)).all()


def test_keep_only_takes_another_video_as_fill_and_leaves_it_alone():
    video, labels, _ = example(1)
    mask, other = labels[0] == 1, 255 - video
    shown = keep_only(video, mask, other)
    assert np.array_equal(shown, np.where(mask[..., None], video, other))
    assert np.array_equal(other, 255 - video)


def test_in_place_is_the_video_inside_and_the_fill_outside():
    video, labels, kept = example(2)
    clips = inputs(video, labels, kept, form="in_place", fill=(1, 2, 3))
    for clip, (level, label) in zip(clips, kept):
        mask = labels[level] == label
        assert np.array_equal(clip[mask], video[mask])
        assert (clip[~mask] == (1, 2, 3)).all()


@relaxed
@given(st.integers(0, 1000), forms, presets, sizes)
def test_no_voxel_outside_the_supervoxel_is_shown(seed, form, preset, size):
    video, labels, kept = example(seed)
    for row in kept[::3]:
        outside = labels[row[0]] != row[1]
        other = video.copy()
        other[outside] = 255 - other[outside]
        one, two = (inputs(v, labels, [row], form=form, preset=preset, size=size) for v in (video, other))
        assert np.array_equal(one, two)


@relaxed
@given(st.integers(0, 1000), forms, presets, sizes, st.integers(1, 12))
def test_batches_are_the_same_clips_in_order(seed, form, preset, size, batch):
    video, labels, kept = example(seed)
    options = {"form": form, "preset": preset, "size": size}
    batches = list(supervoxel_inputs(video, labels, kept, batch=batch, **options))
    sizes = [len(clips) for clips in batches]
    assert len(sizes) == -(-len(kept) // batch) and max(sizes) - min(sizes) <= 1 and max(sizes) <= batch
    one_by_one = [inputs(video, labels, [row], **options)[0] for row in kept]
    assert np.array_equal(np.concatenate(batches), one_by_one)
    assert batches[0].shape[1:] == (3, *(size or (8, 10)), 3) and batches[0].dtype == np.uint8


def box_example() -> tuple[np.ndarray, np.ndarray]:
    """A video with a supervoxel of rows 2 to 5 and columns 3 to 7, that moves and skips frame 2."""
    video = np.random.default_rng(3).integers(0, 256, (3, 8, 10, 3), dtype=np.uint8)
    labels = np.ones((1, 3, 8, 10), np.uint16)
    labels[0, 0, 2:4, 3:6] = 2
    labels[0, 1, 3:6, 4:8] = 2
    return video, labels


@pytest.mark.parametrize(("preset", "size"), [("corrected", (4, 5)), ("official", (3, 4))])
def test_crop_is_the_bounding_box_of_the_whole_tube(preset, size):
    """At the size of the box nothing is resampled; the official box lacks its last row and column."""
    video, labels = box_example()
    clip = inputs(video, labels, [[0, 2]], preset=preset, size=size, fill=(9, 9, 9))[0]
    expected = np.where(labels[0, ..., None] == 2, video, 9)[:, 2 : 2 + size[0], 3 : 3 + size[1]]
    assert np.array_equal(clip, expected)
    assert (clip[2] == 9).all()


@pytest.mark.parametrize("preset", ["official", "corrected"])
def test_crop_enlarges_to_the_whole_frame(preset):
    video = np.zeros((2, 12, 12, 3), np.uint8)
    labels = np.ones((1, 2, 12, 12), np.uint16)
    labels[:, :, 4:9, 5:8] = 2
    video[labels[0] == 2] = (10, 200, 30)
    assert (inputs(video, labels, [[0, 2]], preset=preset) == (10, 200, 30)).all()


@pytest.mark.parametrize("preset", ["official", "corrected"])
def test_crop_of_a_single_pixel_is_not_empty(preset):
    video, labels = box_example()
    labels[0, 0, 7, 9] = 3
    clip = inputs(video, labels, [[0, 3]], preset=preset)[0]
    assert (clip[0] == video[0, 7, 9]).all()


def test_fill_of_a_crop_can_be_another_video():
    video, labels = box_example()
    other = 255 - video
    clip = inputs(video, labels, [[0, 2]], size=(4, 5), fill=other)[0]
    expected = np.where(labels[0, ..., None] == 2, video, other)[:, 2:6, 3:8]
    assert np.array_equal(clip, expected)


def test_nothing_kept_gives_no_batch():
    video, labels, _ = example(4)
    assert list(supervoxel_inputs(video, labels, np.zeros((0, 2), int))) == []


def test_errors_say_the_mend():
    video, labels, kept = example(5)
    with pytest.raises(ConfigError, match="crop, in_place"):
        inputs(video, labels, kept, form="cropped")
    with pytest.raises(VoxplainError, match="no supervoxel 9"):
        inputs(video, labels, [[1, 9]], form="in_place")
    with pytest.raises(VoxplainError, match="Segment this video"):
        inputs(video[:2], labels, kept)
