"""Ground truth that comes with videos: it goes where the frames go."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxplain.artifacts import create_h5
from voxplain.errors import ConfigError
from voxplain.videos.clips import fit_frame, read_clips
from voxplain.videos.embedded import write_video
from voxplain.videos.store import TruthStore, store_truth
from voxplain.videos.truth import IGNORED, Truth, fit_labels, read_labels, read_truth

TARGETS = {"evidence": [1], "distractor": [5]}


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 90), st.integers(20, 90), st.integers(8, 60), st.sampled_from(["center", "squash"]))
def test_labels_go_where_the_frames_go(height, width, size, crop):
    """A rectangle of ones: a pixel has its label where most of it shows the rectangle."""
    labels = np.zeros((1, height, width), np.uint8)
    labels[0, height // 4 : 3 * height // 4, width // 3 : 2 * width // 3] = 1
    frame = np.repeat(255 * labels[0][..., None], 3, axis=2)
    shown = fit_frame(frame, size=size, crop=crop)[..., 0].astype(float) / 255
    fitted = fit_labels(labels, size=size, crop=crop)[0]
    assert fitted.shape == (size, size)
    clear = np.abs(shown - 0.5) > 0.49  # but for the rectangle's edge, where frames mix
    shrinks = min(height, width) >= size
    wrong = (fitted != (shown > 0.5))[clear].mean() if clear.any() else 0
    assert wrong == 0 or not shrinks and wrong < 0.05


@pytest.fixture
def video(tmp_path):
    """A file of 12 frames, 48 x 64, in which a white square of 16 pixels moves right by 4 a frame."""
    frames, masks = np.zeros((12, 48, 64, 3), np.uint8), np.zeros((12, 48, 64), np.uint8)
    for number in range(12):
        frames[number, 16:32, 4 * number : 4 * number + 16] = 255
        masks[number, 16:32, 4 * number : 4 * number + 16] = 1
    masks[:, :8, :8] = 5
    masks[:, 40:] = 3
    write_video(tmp_path / "a.mp4", frames)
    with h5py.File(tmp_path / "masks.h5", "w") as file:
        file["a.mp4"] = masks
    return {
        "video": "a",
        "path": str(tmp_path / "a.mp4"),
        "masks": str(tmp_path / "masks.h5"),
        "boxes": "",
        "flow": "",
    }


def test_masks_lie_on_what_the_clip_shows(video):
    clips, indices = read_clips(video["path"], frames=16, step=1, size=24)
    labels, names = read_labels(video, indices[0], TARGETS, [3])
    assert names == TARGETS and labels.shape == (16, 48, 64)
    assert np.unique(labels).tolist() == [0, 1, 5, IGNORED]
    fitted = fit_labels(labels, size=24)
    bright = clips[0].mean(axis=-1) > 200
    assert (fitted[bright] == 1).mean() > 0.97  # the clip of 16 frames begins again with frame 0
    assert bright[12].tolist() == bright[0].tolist()


def test_boxes_are_drawn_as_labels(video, tmp_path):
    rows = [("a.mp4", n, 4 * n, 16, 4 * n + 16, 32, "hand") for n in range(12)] + [
        ("a.mp4", 0, 0, 0, 8, 8, "dog")
    ]
    pd.DataFrame(rows, columns=["video", "frame", "x0", "y0", "x1", "y1", "what"]).to_csv(
        tmp_path / "boxes.csv", index=False
    )
    boxed = video | {"masks": "", "boxes": str(tmp_path / "boxes.csv")}
    indices = np.array([0, 5, 5])
    targets = {"evidence": ["hand"], "distractor": ["dog"], "both": ["hand", "dog"], "cat": ["cat"]}
    found = Truth(*read_labels(boxed, indices, targets)).masks()
    masked = Truth(*read_labels(video, indices, TARGETS)).masks()
    masked["distractor"][1:] = False  # the dog is there in frame 0 only
    for name, mask in masked.items():
        np.testing.assert_array_equal(found[name], mask)
    np.testing.assert_array_equal(found["both"], masked["evidence"] | masked["distractor"])
    assert not found["cat"].any()


def test_videos_without_truth_have_none(video):
    assert read_labels(video | {"path": "/elsewhere/b.mp4", "video": "b"}, np.arange(3), TARGETS) is None
    assert read_labels(video | {"masks": ""}, np.arange(3), TARGETS) is None


def test_broken_truth_tells_the_mend(video, tmp_path):
    with pytest.raises(ConfigError, match="has 12 frames, and the video at least 31"):
        read_labels(video, np.array([30]), TARGETS)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_labels(video | {"masks": str(tmp_path / "none.h5")}, np.arange(3), TARGETS)
    (tmp_path / "boxes.csv").write_text("clip,frame\n")
    with pytest.raises(ConfigError, match="no column 'video'"):
        read_labels(video | {"masks": "", "boxes": str(tmp_path / "boxes.csv")}, np.arange(3), TARGETS)


def test_all_that_is_labeled_is_evidence_by_default(video):
    truth = Truth(*read_labels(video, np.arange(2), ignore=[3]))
    assert np.unique(truth.labels).tolist() == [0, 1, 5, IGNORED]
    assert set(truth.targets) == {"evidence"}
    np.testing.assert_array_equal(truth.masks()["evidence"], np.isin(truth.labels, [1, 5]))


def write_flo(path, flow):
    height, width = flow.shape[:2]
    path.write_bytes(np.float32(202021.25).tobytes() + np.int32([width, height]).tobytes() + flow.tobytes())


def test_flow_goes_where_the_frames_go_and_shrinks_with_them(video, tmp_path):
    folder = tmp_path / "flow"
    folder.mkdir()
    for number in range(11):
        flow = np.zeros((48, 64, 2), np.float32)
        flow[:, 32:] = 4, 2
        flow[:2] = 1e10  # not known
        write_flo(folder / f"{number:04d}.flo", flow)
    given = video | {"masks": "", "flow": str(folder)}
    truth = read_truth(given, np.array([3, 4, 6, 11, 0]), size=24)
    assert truth.flow.shape == (4, 24, 24, 2) and not truth.known.any() and truth.targets == {}
    assert np.isnan(truth.flow[1:]).all()  # frames 4 and 6 do not follow each other, nor the rest
    np.testing.assert_array_equal(truth.flow[0, 1:, :12], 0)
    np.testing.assert_array_equal(truth.flow[0, 1:, 12:], np.broadcast_to([2, 1], (23, 12, 2)))
    assert np.isnan(truth.flow[0, 0]).all()
    with pytest.raises(ConfigError, match="column flow"):
        read_truth(video | {"flow": str(tmp_path)}, np.arange(2), size=24)


def test_truth_is_stored_as_it_is(video, tmp_path):
    flow = np.full((3, 24, 24, 2), 0.5, np.float32)
    clips = [
        Truth(read_truth(video, frames, size=24, targets=TARGETS, ignore=[3]).labels, {"evidence": [1]}, flow)
        for frames in (np.arange(4), np.arange(4, 8))
    ]
    with create_h5(tmp_path / "truth.h5", kind="truth") as file:
        store_truth(file.create_group("a"), clips)
    with TruthStore(tmp_path / "truth.h5") as store:
        assert store.clip("b", 0) is None
        found = store.clip("a", 1)
    np.testing.assert_array_equal(found.labels, clips[1].labels)
    np.testing.assert_array_equal(found.masks()["evidence"], clips[1].labels == 1)
    np.testing.assert_array_equal(found.flow, flow)
    assert found.drift is None and (found.known == (clips[1].labels != IGNORED)).all()
