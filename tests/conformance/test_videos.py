"""Decoding of real files, against OpenCV's own decoder."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from voxplain.videos.clips import decode_shard, read_clips
from voxplain.videos.decode import probe, read_chosen_frames
from voxplain.videos.table import read_video_table


def read_frames(path, **how) -> np.ndarray:
    """All frames of a video, or the chosen ones."""
    return read_chosen_frames(path, **{"choose": np.arange} | how)[0]


CLIPS = [
    "RATRACE_wave_f_nm_np1_fr_goo_37.avi",
    "SOX5yA1l24A.mp4",
    "TrumanShow_wave_f_nm_np1_fr_med_26.avi",
    "hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi",
    "v_Biking_g05_c02.avi",
    "v_Punch_g03_c01.avi",
    "v_SoccerJuggling_g23_c01.avi",
    "v_SoccerJuggling_g24_c01.avi",
]


def opencv_frames(path):
    capture, frames = cv2.VideoCapture(str(path)), []
    while True:
        there, frame = capture.read()
        if not there:
            return np.stack(frames)[..., ::-1]
        frames.append(frame)


@pytest.mark.parametrize("name", CLIPS)
def test_frames_of_real_files_are_those_of_opencv(shared, name):
    path = shared / "data" / "clips" / name
    expected = opencv_frames(path)
    # Number and order are exact; the conversion to RGB may round differently.
    frames = read_frames(path)
    assert frames.shape == expected.shape
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(frames, expected)) <= 2
    info = probe(path)
    assert (info.height, info.width) == expected.shape[1:3] and abs(info.frames - len(expected)) <= 1

    clips, indices = read_clips(path, sampling="consecutive")
    assert clips.shape == (math.ceil(len(expected) / 16), 16, 112, 112, 3)
    assert indices.max() == len(expected) - 1


def test_every_real_clip_was_tested(shared):
    assert sorted(path.name for path in (shared / "data" / "clips").iterdir()) == CLIPS


def test_real_actions(shared):
    table = read_video_table(shared / "data" / "real_actions" / "videos.csv")
    assert table["split"].value_counts().to_dict() == {"train": 142, "test": 71}
    assert table["class"].value_counts().to_dict() == {
        "typing": 39,
        "doing_exercises": 30,
        "fight": 48,
        "no_fight": 48,
        "apply_eye_makeup": 48,
    }
    assert table["video"].is_unique and table["video"].iloc[0] == "typing_000"
    # A few of every class.
    sample = table.groupby("class").head(3)
    decoded = list(decode_shard(sample))
    assert [found.video for found in decoded] == sample["video"].tolist()
    for found in decoded:
        assert found.reason is None and found.clips.shape == (1, 16, 112, 112, 3)
        # Real frames: neither blank nor all alike.
        assert found.clips.std() > 5 and np.ptp(found.clips.astype(int), axis=1).any()


def test_real_actions_as_folders_give_the_same_videos(shared):
    folder = shared / "data" / "real_actions"
    by_folder, by_csv = read_video_table(folder), read_video_table(folder / "videos.csv")
    assert set(by_folder["path"]) == set(by_csv["path"])
    assert set(by_folder["video"]) == set(by_csv["video"])
