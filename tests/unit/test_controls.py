"""Controls of the ranking: by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import gaussian_filter

from voxplain import build_model
from voxplain.activation_store import read_logits
from voxplain.activations import supervoxel_activations
from voxplain.artifacts import create_h5
from voxplain.concepts.controls import member_controls, pool_distances
from voxplain.errors import VoxplainError
from voxplain.models.trained import TrainedModel
from voxplain.patches import keep_only
from voxplain.pixel_maps import (
    PIXEL_MAPS,
    brightness_map,
    center_map,
    contrast_map,
    frame_difference_map,
    motion_map,
    saturation_map,
    still_contrast_map,
)


def test_saturation_is_that_of_hsv():
    clip = np.array([[[[200, 100, 50], [7, 7, 7], [0, 0, 0], [255, 0, 255]]]], np.uint8)
    assert saturation_map(clip).tolist() == [[[0.75, 0.0, 0.0, 1.0]]]


def test_brightness_and_contrast_by_hand():
    clip = np.array([[[[255, 255, 255], [0, 100, 0]]]], np.uint8)
    assert brightness_map(clip).ravel().tolist() == pytest.approx([255, 58.7], rel=1e-5)
    # A square on a plain ground: its edge stands out, and nothing far from it does.
    clip = np.full((4, 48, 48, 3), 90, np.uint8)
    assert contrast_map(clip).max() < 1e-3
    clip[:, 20:28, 20:28] = 150
    found = contrast_map(clip)
    assert found[:, 18:30, 18:30].min() > 1 and found[:, :8].max() < 0.1 and (found[0] == found[3]).all()
    # What is there half of the time stands still in part; what is there and then here, hardly.
    clip[2:, 20:28, 20:28], clip[2:, 2:6, 2:6] = 90, 150
    still = still_contrast_map(clip)
    np.testing.assert_allclose(still[:, 24, 24], contrast_map(clip)[0, 24, 24] / 2, rtol=1e-5)
    assert (still[0] == still[3]).all()


@pytest.mark.parametrize("camera", [0, 2])
def test_motion_is_that_against_the_camera(camera):
    rng = np.random.default_rng(0)
    ground, thing = (
        gaussian_filter(rng.normal(128, 600, (*shape, 3)), (3, 3, 0)).clip(0, 255).astype(np.uint8)
        for shape in ((96, 160), (40, 40))
    )
    frames = []
    for t in range(6):
        frame = ground[:96, camera * t : camera * t + 96].copy()
        frame[24:64, 20 + 3 * t : 60 + 3 * t] = thing
        frames.append(frame)
    found = motion_map(np.stack(frames))
    inside, outside = found[:, 38:50, 40:50], found[:, 80:, 80:]
    assert inside.mean() == pytest.approx(3 + camera, abs=0.6) and outside.mean() < 0.3
    assert found.shape == (6, 96, 96) and found.dtype == np.float32
    # Clips of the least size there is, and of one frame.
    assert motion_map(np.zeros((3, 8, 8, 3), np.uint8)).max() == 0
    assert motion_map(np.zeros((1, 8, 8, 3), np.uint8)).shape == (1, 8, 8)


def test_frame_difference_is_to_the_next_frame_and_of_the_last_to_the_one_before():
    clip = np.zeros((3, 1, 1, 3), np.uint8)
    clip[1], clip[2] = (255, 0, 0), (255, 0, 30)
    assert frame_difference_map(clip).ravel().tolist() == [85, 10, 10]
    assert frame_difference_map(clip[:1]).tolist() == [[[0]]]


def test_center_is_greatest_in_the_middle_and_the_same_in_all_frames():
    found = center_map((2, 3, 5))
    assert found.shape == (2, 3, 5) and found[0].argmax() == 7 and found[0, 1, 2] == 0
    assert found[0, 1, 0] == pytest.approx(-0.8) and found[1, 0, 2] == pytest.approx(-2 / 3)


def test_distance_is_from_the_mean_of_all_random_sets():
    sets = np.array([[[0.0, 0.0], [2.0, 0.0]], [[1.0, 1.0], [1.0, -1.0]]])  # mean (1, 0)
    members = [np.array([[4.0, 4.0]]), np.array([[0.0, 3.0], [2.0, -3.0]])]
    assert pool_distances(members, sets).tolist() == [5.0, 0.0]


class Store:
    """Clips, or labels, by video and number."""

    def __init__(self, arrays):
        self._arrays = arrays

    def clip(self, video, number):
        return self._arrays[video, number]

    labels = clip


def test_members_are_measured_in_place_and_averaged_by_concept(tmp_path):
    rng = np.random.default_rng(0)
    clips = {("v", 0): rng.integers(0, 256, (4, 16, 16, 3), np.uint8)}
    clips["w", 0] = rng.integers(0, 256, (4, 16, 16, 3), np.uint8)
    labels = np.ones((1, 4, 16, 16), np.uint16)
    labels[0, :, :8, :4] = 2
    network = build_model("r3d_18", None, 2, seed=0, width=4, depth=[1, 1, 1, 1])
    model = TrainedModel(network, ["a", "b"], torch.device("cpu"))
    rows = [("b", 0, "v", 0, 0, 1), ("b", 0, "w", 0, 0, 2), ("a", 1, "v", 0, 0, 2)]
    members = pd.DataFrame(rows, columns=["class", "concept", "video", "clip", "level", "supervoxel"])
    kept = np.array([[0, 1], [0, 2]])
    paths = []
    for (video, number), clip in (clips | {("unseen", 0): clips["v", 0]}).items():
        _, logits = supervoxel_activations(model, clip, labels, kept, ["layer4"], batch=2)
        paths.append(tmp_path / f"{video}.h5")
        with create_h5(paths[-1], kind="activations", made_by={}) as file:
            file["a/kept"], file["a/supervoxel_logits"] = kept, logits
            file["a"].attrs.update({"video": video, "clip": number})
            if video == "unseen":
                del file["a/supervoxel_logits"]  # what is no member's is not read
    logits = read_logits(paths, members, model.classes)
    with pytest.raises(VoxplainError, match="lack 1 of 3 members"):
        read_logits(paths, members.assign(supervoxel=[1, 2, 9]), model.classes)
    stores = Store(clips), Store(dict.fromkeys(clips, labels))
    table = member_controls(members, logits, *stores)
    assert table[["class", "concept"]].to_numpy().tolist() == [["a", 1], ["b", 0]]
    small = 4 * 8 * 4
    assert table["size"].tolist() == [small, 512.0]
    masks = {1: labels[0] == 1, 2: labels[0] == 2}
    alone = {
        (video, label): model.logits(keep_only(clips[video, 0], masks[label], model.fill("mean"))[None])[0]
        for video in "vw"
        for label in (1, 2)
    }
    assert table["member_logit"].tolist() == pytest.approx(
        [alone["v", 2][0], (alone["v", 1][1] + alone["w", 2][1]) / 2], rel=1e-4
    )
    for name, function in PIXEL_MAPS.items():
        if name not in table:
            assert name == "blurred_frame_difference"
            continue
        v, w = function(clips["v", 0]), function(clips["w", 0])
        expected = [v[masks[2]].mean(), (v[masks[1]].mean() + w[masks[2]].mean()) / 2]
        assert table[name].tolist() == pytest.approx(expected, rel=1e-5)
