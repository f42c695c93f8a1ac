"""Ground truth that comes with videos: it goes where the frames go."""

from __future__ import annotations

import itertools

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxplain.artifacts import create_h5
from voxplain.cli.check import check_truth
from voxplain.config import load_config
from voxplain.errors import ConfigError
from voxplain.videos.clips import fit_frame, read_clips
from voxplain.videos.embedded import write_video
from voxplain.videos.store import TruthStore, store_truth
from voxplain.videos.truth import (
    IGNORED,
    Truth,
    fit_labels,
    frames_without_boxes,
    known_words,
    read_labels,
    read_truth,
)

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


def test_the_smaller_of_boxes_that_overlap_counts_in_any_order(video, tmp_path):
    rows = [
        ("a.mp4", 0, 0, 0, 40, 40, "person"),
        ("a.mp4", 0, 8, 8, 16, 16, "hand"),
        ("a.mp4", 0, 8, 8, 16, 16, "arm"),
    ]
    targets = {"hand": ["hand"], "person": ["person"], "arm": ["arm"]}
    for number, order in enumerate(itertools.permutations(rows)):
        place = tmp_path / f"boxes{number}.csv"
        pd.DataFrame(order, columns=NAMES).to_csv(place, index=False)
        labels = read_labels(video | {"masks": "", "boxes": str(place)}, np.arange(1), targets)
        found = {name: mask.sum() for name, mask in Truth(*labels).masks().items()}
        assert found == {"hand": 64, "person": 1536, "arm": 0}


def test_videos_without_truth_have_none(video):
    assert read_labels(video | {"path": "/elsewhere/b.mp4", "video": "b"}, np.arange(3), TARGETS) is None
    assert read_labels(video | {"masks": ""}, np.arange(3), TARGETS) is None


def test_broken_truth_tells_the_mend(video, tmp_path):
    with pytest.raises(ConfigError, match="has 12 frames, and the video at least 31"):
        read_labels(video, np.array([30]), TARGETS)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_labels(video | {"masks": str(tmp_path / "none.h5")}, np.arange(3), TARGETS)
    with h5py.File(tmp_path / "turned.h5", "w") as file:
        file["a.mp4"] = np.zeros((12, 64, 48), np.uint8)
        file["small"] = np.zeros((12, 24, 32), np.uint8)
        file["minus"] = np.full((12, 48, 64), -255, np.int16)
        file["many"] = np.full((12, 48, 64), 255, np.uint16)
    turned = video | {"masks": str(tmp_path / "turned.h5")}
    with pytest.raises(ConfigError, match=r"frames of 64 x 48 .*, and the video a has 48 x 64"):
        read_labels(turned, np.arange(3), TARGETS)
    elsewhere = {"path": str((tmp_path / "x").with_suffix(".mp4"))}
    (tmp_path / "x.mp4").write_bytes((tmp_path / "a.mp4").read_bytes())
    assert read_labels(turned | elsewhere | {"video": "small"}, np.arange(3), TARGETS)[0].shape == (3, 24, 32)
    with pytest.raises(ConfigError, match="the labels of minus go from -255 to 0"):
        read_labels(turned | elsewhere | {"video": "minus"}, np.arange(3), TARGETS)
    many = turned | elsewhere | {"video": "many"}
    with pytest.raises(ConfigError, match="go from 0 to 255.*truth.ignore"):
        read_labels(many, np.arange(3), TARGETS)
    assert (read_labels(many, np.arange(3), TARGETS, [255])[0] == IGNORED).all()
    (tmp_path / "boxes.csv").write_text("clip,frame\n")
    with pytest.raises(ConfigError, match="no column 'video'"):
        read_labels(video | {"masks": "", "boxes": str(tmp_path / "boxes.csv")}, np.arange(3), TARGETS)


BOX = ("a.mp4", 1, 0, 0, 8, 8, "hand")
NAMES = ["video", "frame", "x0", "y0", "x1", "y1", "what"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    "column, value, says",
    [
        ("what", None, "row 2: what is empty, and should be text"),
        ("what", " ", "row 2: what is ' ', and should be text"),
        ("x0", None, "row 2: x0 is empty, and should be a number of pixels"),
        ("x0", "left", "row 2: x0 is 'left', and should be a number"),
        ("y1", "inf", "row 2: y1 is .*inf"),
        ("frame", "1.5", "row 2: frame is .*1.5.* a whole number from 0 on"),
        ("frame", "-1", "row 2: frame is"),
        ("video", None, "row 2: video is empty"),
    ],
)
def test_a_wrong_box_is_told_by_its_row(video, tmp_path, ending, column, value, says):
    table = pd.DataFrame([BOX, BOX], columns=NAMES, dtype=object)
    table.loc[1, column] = value
    place = tmp_path / f"boxes.{ending}"
    table.astype(str).where(table.notna()).to_parquet(place) if ending == "parquet" else table.to_csv(
        place, index=False
    )
    with pytest.raises(ConfigError, match=says):
        read_labels(video | {"masks": "", "boxes": str(place)}, np.arange(3), {"evidence": ["hand"]})


def test_boxes_have_words_that_may_look_like_numbers_and_not_too_many(video, tmp_path):
    boxed = video | {"masks": "", "boxes": str(tmp_path / "boxes.csv")}
    pd.DataFrame([(*BOX[:6], "01"), ("b.mp4", *BOX[1:])], columns=NAMES).to_csv(
        tmp_path / "boxes.csv", index=False
    )
    found = Truth(*read_labels(boxed, np.arange(3), {"evidence": ["01"]})).masks()["evidence"]
    assert found.sum(axis=(1, 2)).tolist() == [0, 64, 0]
    assert known_words(boxed) == {"01"} and known_words(video) == {0, 1, 3, 5}
    assert frames_without_boxes(boxed) == frames_without_boxes(video) == 0
    rows = [("a.mp4", frame, 0, 0, 8, 8, f"kind {frame}") for frame in (1, 2, 5, 5)]
    pd.DataFrame(rows, columns=NAMES).to_csv(tmp_path / "sparse.csv", index=False)
    assert frames_without_boxes(boxed | {"boxes": str(tmp_path / "sparse.csv")}) == 2
    rows = [("a.mp4", 1, 0, 0, 8, 8, f"kind {number}") for number in range(254)]
    pd.DataFrame(rows, columns=NAMES).to_csv(tmp_path / "many.csv", index=False)
    with pytest.raises(ConfigError, match="254 words .* may have 253"):
        read_labels(boxed | {"boxes": str(tmp_path / "many.csv")}, np.arange(3))


def test_words_that_no_file_has_are_told(video, tmp_path):
    """A misspelled word makes evidence background, and nothing else would say so."""
    rows = [("a.mp4", frame, 0, 0, 8, 8, what) for frame, what in ((0, "hand"), (3, "arm"))]
    pd.DataFrame(rows, columns=NAMES).to_csv(tmp_path / "boxes.csv", index=False)
    blank = {name: "" for name in ("masks", "boxes", "flow")} | {"end": np.nan}
    videos = pd.DataFrame([blank | video | {"masks": "", "boxes": str(tmp_path / "boxes.csv")}])

    def told(**truth):
        models = {"r3d": {"network": "r3d", "layers": ["layer4"]}}
        given = {"data": {"path": str(tmp_path)}, "clips": {"size": 24}, "models": models, "truth": truth}
        config = load_config(given)
        return [note.text for note in check_truth(videos, config)]

    known, unused, sparse = told(targets={"evidence": ["hand", "Arm"]})
    assert known == "1 of 1 videos have ground truth."
    assert unused == "truth.targets: evidence: no mask or box has 'Arm'; did you mean 'arm'?"
    assert "leave out frames" in sparse and "such as a" in sparse
    assert len(told(targets={"evidence": ["hand", "arm"]})) == 2
    assert "truth.ignore: no mask or box has 'face'." in told(targets={"evidence": ["hand"]}, ignore=["face"])


def test_ground_truth_that_does_not_fit_is_told_of_every_video(tmp_path):
    models = {"r3d": {"network": "r3d", "layers": ["layer4"]}}
    config = load_config({"data": {"path": str(tmp_path)}, "clips": {"size": 24}, "models": models})
    frames = {"good": (6, 6), "short": (6, 5), "single": (1, 1), "none": (6, 0), "flat": (6, 0)}
    with h5py.File(tmp_path / "masks.h5", "w") as file:
        for name, (shown, known) in frames.items():
            write_video(tmp_path / f"{name}.mp4", np.zeros((shown, 32, 48, 3), np.uint8))
            file[f"{name}.mp4"] = np.ones((known, 32, 48), np.uint8)
    places = {"boxes": "", "flow": "", "masks": str(tmp_path / "masks.h5"), "end": np.nan}
    videos = pd.DataFrame(
        [places | {"video": name, "path": str(tmp_path / f"{name}.mp4")} for name in frames]
    )
    found = [*check_truth(videos, config)]
    problems = [text for text in found if isinstance(text, str)]
    assert [text.partition(" has ")[0].rpartition(" ")[2] for text in problems] == ["flat.mp4", "none.mp4"]
    notes = [note.text for note in found if not isinstance(note, str)]
    assert "3 of 5 videos have ground truth." in notes
    assert any(
        "of 1 videos seems to end before them" in text and "short.mp4 has 5 frames" in text for text in notes
    )


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
    write_flo(folder / "0000.flo", np.zeros((48, 48, 2), np.float32))
    with pytest.raises(ConfigError, match="frames of 48 x 48 .* column flow"):
        read_truth(given, np.arange(2), size=24)
    with pytest.raises(ConfigError, match="frames of 48 x 48"):  # also where it is not the clip's first pair
        read_truth(given, np.array([5, 0, 1]), size=24)


def test_flow_is_sorted_by_the_numbers_in_names(video, tmp_path):
    for number in range(11):
        write_flo(tmp_path / f"a2_{number}.flo", np.full((48, 64, 2), number, np.float32))
    flow = read_truth(video | {"masks": "", "flow": str(tmp_path)}, np.arange(12), size=(48, 64)).flow
    assert flow[:, 0, 0, 0].tolist() == list(range(11))


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
