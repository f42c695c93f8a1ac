"""Explaining by several methods, keeping the maps, and timing."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import explain_clips
import h5py
import numpy as np
import pytest
import scipy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voxplain.artifacts import Shard, create_h5, store
from voxplain.explainers.entry import explain
from voxplain.explaining import activation_control, explain_by_all, mean_over_supervoxels, wanted_labels
from voxplain.explanation_store import packed, scaled_maps
from voxplain.models.build import build_model
from voxplain.models.trained import TrainedModel
from voxplain.models.weights import save_weights
from voxplain.supervoxels import segment_supervoxels
from voxplain.timing import describe_device, time_steps
from voxplain.videos.store import groups_of

SEGMENTATION = {"n_segments": [2, 4], "compactness": 20.0, "sigma": 1.0}


def test_half_precision_keeps_small_relevance(tmp_path):
    rng = np.random.default_rng(0)
    maps = rng.random((3, 4, 5, 5)).astype(np.float32) * 1e-7  # below what half precision has
    maps[1], maps[2] = 0, -maps[2]
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        for name, array in packed({"dtd": maps}).items():
            file[name] = array
        assert file["maps/dtd"].dtype == np.float16
        np.testing.assert_allclose(
            scaled_maps(file, "dtd") * file["peaks/dtd"][()][:, None, None, None], maps, rtol=1e-3
        )
        assert np.abs(scaled_maps(file, "dtd")).max(axis=(1, 2, 3)).tolist() == [1, 0, 1]


@given(st.lists(st.integers(1, 9), max_size=12), st.integers(1, 10))
@settings(deadline=None)
def test_groups_hold_every_video_once_and_not_too_many_clips(counts, size):
    videos = {f"v{number}": count for number, count in enumerate(counts)}
    groups = groups_of(videos, size)
    assert [video for group in groups for video in group] == list(videos)
    for group in groups:
        assert len(group) == 1 or sum(videos[video] for video in group) <= size


def test_maps_are_averaged_over_the_supervoxels_that_a_method_explains_by():
    rng = np.random.default_rng(0)
    clips, maps = rng.integers(0, 256, (2, 4, 16, 16, 3)).astype(np.uint8), rng.random((2, 4, 16, 16))
    assert mean_over_supervoxels(maps, clips, "dtd", {}, SEGMENTATION) is None
    for options, sizes in (({}, [2, 4]), ({"n_segments": [4]}, [4])):
        found = mean_over_supervoxels(maps, clips, "occlusion", options, SEGMENTATION)
        for clip, values, one in zip(clips, maps, found, strict=True):
            levels = segment_supervoxels(clip, **SEGMENTATION | {"n_segments": sizes})
            means = []
            for level in levels:
                numbers = np.unique(level)
                of_each = scipy.ndimage.mean(values, level, numbers)
                means.append(np.where(level > 0, of_each[np.searchsorted(numbers, level)], 0))
            np.testing.assert_allclose(one, np.mean(means, axis=0), rtol=1e-12)


def test_supervoxels_of_the_run_serve_where_they_are_what_is_wanted():
    labels = np.arange(2).reshape(1, 2, 1, 1, 1)
    assert wanted_labels("dtd", {}, labels, SEGMENTATION) is None
    assert wanted_labels("occlusion", {}, None, SEGMENTATION) is None
    assert wanted_labels("occlusion", {}, labels, SEGMENTATION).shape == (1, 2, 1, 1, 1)
    assert wanted_labels("occlusion", {"n_segments": [4]}, labels, SEGMENTATION).ravel().tolist() == [1]
    assert wanted_labels("occlusion", {"n_segments": [5]}, labels, SEGMENTATION) is None
    assert wanted_labels("occlusion", {"compactness": 1.0}, labels, SEGMENTATION) is None
    assert wanted_labels("occlusion", {"segmenter": "slic"}, labels, SEGMENTATION) is not None
    assert wanted_labels("occlusion", {"segmenter": "grid"}, labels, SEGMENTATION) is None
    unsaid = {"compactness": None, "n_segments": None, "segmenter": None}
    assert wanted_labels("occlusion", unsaid, labels, SEGMENTATION) is not None


def test_supervoxels_of_another_segmenter_serve_where_it_is_wanted():
    labels = np.arange(2).reshape(1, 2, 1, 1, 1)
    made = {"method": "agglomerative", "n_segments": [2, 4], "options": {"fine": 300}}
    assert wanted_labels("occlusion", {}, labels, made) is not None
    assert wanted_labels("occlusion", {"n_segments": [4]}, labels, made).ravel().tolist() == [1]
    same = {"segmenter": "agglomerative", "segmenter_options": {"fine": 300}}
    assert wanted_labels("occlusion", same, labels, made) is not None
    for other in ({"segmenter": "slic"}, {"segmenter_options": {"fine": 9}}, {"compactness": 20.0}):
        assert wanted_labels("occlusion", other, labels, made) is None


def test_occlusion_segments_as_it_is_told():
    network = build_model("r3d_18", num_classes=3, width=4, depth=[1, 1, 1, 1])
    clips = np.random.default_rng(0).integers(0, 256, (1, 8, 16, 16, 3), dtype=np.uint8)
    found = explain(network, clips, [1], "occlusion", n_segments=[4], segmenter="grid")[0].numpy()
    labels = segment_supervoxels(clips[0], (4,), method="grid")[0]
    assert labels.max() > 1 and len(np.unique(found)) <= labels.max()
    assert all(np.ptp(found[labels == label]) == 0 for label in np.unique(labels))


def test_batches_do_not_matter_and_labels_reach_occlusion():
    network = build_model("r3d_18", num_classes=3, width=4, depth=[1, 1, 1, 1])
    model = TrainedModel(network, ["a", "b", "c"], torch.device("cpu"))
    rng = np.random.default_rng(0)
    clips = rng.integers(0, 256, (3, 8, 16, 16, 3), dtype=np.uint8)
    labels = np.zeros((3, 2, 8, 16, 16), np.uint16)
    labels[:, :, :, :8] = 1  # only the upper half can be relevant
    explainers = {
        "gradcam": {"method": None, "options": {}},
        "mine": {"method": "occlusion", "options": {"n_segments": [4]}},
    }
    targets = model.targets(["a", "b", "c"])
    together, apart = (
        explain_by_all(
            model, clips, targets, explainers, labels=labels, segmentation=SEGMENTATION, batch=batch
        )
        for batch in (3, 2)
    )
    assert list(together) == ["gradcam", "mine"]
    for name in together:
        np.testing.assert_allclose(together[name], apart[name], atol=1e-5)
    assert (together["mine"][:, :, 8:] == 0).all() and (together["mine"][:, :, :8] != 0).all()


class Killed(BaseException):
    """What ends a stage in the middle."""


def explain_job(folder, videos, batch=4):
    """The stage explain_clips on the clips in a folder, as the workflow asks for it."""
    options = {"batch": batch, "target": "class", "precision": "float16"}
    params = {"options": options, "explainers": {"gradient": {}}, "controls": [], "segmentation": {}}
    output = str(folder / "explanations/test-000.h5")
    Path(output).parent.mkdir(exist_ok=True)
    return SimpleNamespace(
        input=SimpleNamespace(
            weights=folder / "weights.safetensors",
            clips=folder / "test-000.h5",
            get=lambda name, default: default,
        ),
        params=SimpleNamespace(**params, videos=videos),
        output=[output],
        wildcards=SimpleNamespace(seed="0"),
        networks=["r3d_18"],
        resumed={"made_by": {"rule": "explain_clips"}, "inputs": [], "attrs": {}},
    )


@pytest.mark.parametrize("stop", range(1, 7))
def test_an_explained_shard_that_was_killed_goes_on_in_the_same_batches(tmp_path, monkeypatch, stop):
    classes = ["a", "b"]
    network = build_model("r3d_18", num_classes=2, width=4, depth=[1, 1, 1, 1])
    save_weights(network, tmp_path / "weights.safetensors", {"classes": classes})
    videos = {f"v{number}": count for number, count in enumerate([2, 1, 2, 2, 1, 1, 3])}
    with create_h5(tmp_path / "test-000.h5", kind="clips") as file:
        for video, count in videos.items():
            group = file.create_group(video)
            group.attrs["class"] = "a"
            store(group, "clips", np.zeros((count, 4, 16, 16, 3), np.uint8))

    def explain(network, clips, targets, explainers, **known):
        # What a map is may hang, in its last bits, on how many clips are computed at once: here on nothing else.
        values = np.arange(1, 4 * 16 * 16 + 1, dtype=np.float32).reshape(1, 4, 16, 16) ** (1 / len(clips))
        return {"gradient": np.repeat(values, len(clips), axis=0)}

    monkeypatch.setattr(explain_clips, "explain_by_all", explain)
    job = explain_job(tmp_path, list(videos))
    explain_clips.main(job)
    whole = Path(job.output[0]).read_bytes()
    Path(job.output[0]).unlink()
    write, written = Shard.write, []

    def dying(*arguments):
        if len(written) == stop:
            raise Killed
        written.append(write(*arguments))

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Shard, "write", dying)
        explain_clips.main(job)
    assert not Path(job.output[0]).exists()
    explain_clips.main(job)
    assert Path(job.output[0]).read_bytes() == whole


def test_times_include_both_steps_and_leave_out_the_warmup(monkeypatch):
    clock = iter(range(0, 100))
    monkeypatch.setattr("voxplain.timing.time.perf_counter", lambda: next(clock) / 1e3)
    calls = []
    first, both = time_steps(
        lambda: calls.append("a") or 7,
        lambda made: calls.append(made),
        torch.device("cpu"),
        repeats=2,
        warmup=1,
    )
    assert first == pytest.approx([1, 1]) and both == pytest.approx([2, 2]) and calls == ["a", 7] * 3
    assert describe_device(torch.device("cpu")).startswith("cpu (")


def test_a_network_without_maps_has_no_control_of_its_activation():
    class Flat(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.head = torch.nn.Linear(3 * 4 * 8 * 8, 2)
            self.spec = build_model("r3d_18", None, 2, width=4, depth=[1, 1, 1, 1]).spec

        def forward(self, x):
            return self.head(x.flatten(1))

    network = Flat()
    network.spec = dataclasses.replace(network.spec, last_conv=None)
    model = TrainedModel(network, ["a", "b"], torch.device("cpu"))
    assert activation_control(model, np.zeros((2, 4, 8, 8, 3), np.uint8)) == {}
