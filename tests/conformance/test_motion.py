"""Motion against recorded outputs of the paper's own code, known flow, and the libraries' own calls."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from skimage.registration import optical_flow_tvl1

from voxplain.motion.flow.base import estimate_flow
from voxplain.motion.flow.camera import compensate_camera
from voxplain.motion.flow.endpoint import endpoint_error
from voxplain.motion.precision import motion_precision, render_relevance
from voxplain.motion.selective import PRESETS, selective_relevance, selective_sweep, temporal_derivative
from voxplain.videos.scenes import draw_scene
from voxplain.videos.truth import read_flo

GOLDEN = ("selective_0.npz", "selective_1.npz")
RECORDED = {"official": "head_abs", "paper": "paper_signed"}


@pytest.fixture(scope="module", params=GOLDEN)
def golden(request, shared):
    with np.load(shared / "golden" / request.param) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("preset", RECORDED)
@pytest.mark.parametrize("sigma", [1, 2, 3, 4])
def test_official_selective_maps(golden, preset, sigma):
    selective = selective_relevance(golden["relevance"], sigma, preset)
    np.testing.assert_array_equal(selective, golden[f"{RECORDED[preset]}_sigma{sigma}"])


@pytest.mark.parametrize("preset", RECORDED)
def test_official_maps_in_a_batch_of_tensors(golden, preset):
    scales = (1.0, 4.0, 0.5)
    batch = torch.stack([scale * torch.from_numpy(golden["relevance"]) for scale in scales])
    sweep = selective_sweep(batch, [1, 2, 3, 4], preset)
    for sigma, maps in enumerate(sweep, start=1):
        expected = torch.from_numpy(golden[f"{RECORDED[preset]}_sigma{sigma}"])
        for scale, clip in zip(scales, maps, strict=True):
            assert torch.equal(clip, scale * expected)


@pytest.mark.parametrize("threshold", [0, 10, 50])
def test_official_precision(golden, threshold):
    precision = motion_precision(golden["explanation_u8"], golden["flow_u8"], threshold, threshold)
    assert precision == pytest.approx(golden[f"precision_thr{threshold}"].item(), abs=1e-15)


def test_official_rendering_of_a_map_that_spans_0_to_1(shared):
    with np.load(shared / "golden" / "selective_0.npz") as golden:
        positive = np.maximum(golden["relevance"], 0)
        assert positive.max() == 1
        np.testing.assert_array_equal(render_relevance(positive), golden["explanation_u8"])


def test_derivative_is_the_torch_convolution(golden):
    time, space = torch.tensor([1.0, 0, -1]), torch.tensor([1.0, 2, 1])
    kernel = torch.einsum("t,y,x->tyx", time, space, space).double()
    relevance = torch.from_numpy(golden["relevance"]).double()
    expected = torch.nn.functional.conv3d(relevance[None, None], kernel[None, None], padding=1)[0, 0]
    torch.testing.assert_close(temporal_derivative(relevance, padding="zero"), expected, rtol=0, atol=1e-12)


def test_shares_on_noise_that_were_measured_with_the_official_code():
    # Field notes: uniform noise, zero padding, shares at 1 to 4 sigma (abs, and signed).
    noise = np.random.default_rng(0).random((16, 112, 112), dtype=np.float32)
    measured = {"official": (0.399, 0.154, 0.077, 0.017), "paper": (0.121, 0.041, 0.0025, 0.0)}
    for preset, shares in measured.items():
        found = (selective_sweep(noise, [1, 2, 3, 4], preset) != 0).mean(axis=(1, 2, 3))
        np.testing.assert_allclose(found, shares, atol=0.003)


def test_artefact_frames_of_a_constant_map_that_were_measured_with_the_official_code():
    # Field notes: of frames 0 and T-1 of a temporally constant map, 100 % at 2 sigma, 96 % at 3, 0 % at 4.
    constant = np.ones((16, 112, 112), np.float32)
    for sigma, share in {2: 1.0, 3: 0.96, 4: 0.0}.items():
        selected = selective_relevance(constant, sigma, "official") != 0
        assert not selected[1:-1].any()
        np.testing.assert_allclose(selected[[0, -1]].mean(axis=(1, 2)), share, atol=0.01)
        assert not selective_relevance(constant, sigma, "corrected").any()


def test_presets_are_the_documented_ones():
    assert list(PRESETS) == ["official", "paper", "corrected"]


@pytest.fixture(scope="module")
def known_pair(shared):
    folder = shared / "data" / "flow"
    frames = [cv2.imread(str(folder / f"00001_img{i}.ppm"))[..., ::-1] for i in (1, 2)]
    return np.stack(frames), read_flo(folder / "00001_flow.flo")


def _farneback(a, b):
    return cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 15, 3, 5, 1.2, 0)


def _dis(a, b):
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(a, b, None)


def _tvl1(a, b):
    down, right = optical_flow_tvl1(a / 255.0, b / 255.0)
    return np.stack([right, down], axis=-1)


@pytest.fixture(scope="module")
def embedded_pair():
    scene = draw_scene(np.random.default_rng(0), look=2, motion="orbit", cue=0, frames=2, size=112)
    return scene.frames, scene.flow[0]


@pytest.mark.parametrize(("method", "own"), [("farneback", _farneback), ("dis", _dis), ("tvl1", _tvl1)])
@pytest.mark.parametrize("data", ["known_pair", "embedded_pair"])
def test_endpoint_error_is_the_librarys_own(request, data, method, own):
    frames, truth = request.getfixturevalue(data)
    gray = [cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) for frame in frames]
    ours = endpoint_error(estimate_flow(frames, method)[0], truth)
    theirs = endpoint_error(own(*gray), truth)
    assert ours == pytest.approx(theirs, rel=0.02)


@pytest.mark.parametrize("model", ["homography", "affine"])
def test_the_embedded_camera_is_subtracted(model):
    for seed, motion in enumerate(("slide", "spin", "shake")):
        scene = draw_scene(np.random.default_rng(seed), look=seed, motion=motion, cue=0, frames=4, size=112)
        drift = np.float32(scene.attributes["background_velocity"])
        residual, _ = compensate_camera(scene.flow, model=model)
        assert endpoint_error(residual, scene.flow - drift) < 0.01
        estimated = estimate_flow(scene.frames, "dis")
        background = scene.objects[:-1] == 0
        still = np.zeros_like(estimated)
        compensated = compensate_camera(estimated, scene.frames, model=model)[0]
        assert endpoint_error(compensated, still, background) < endpoint_error(estimated, still, background)


def test_reading_flo_agrees_with_opencv(shared):
    path = shared / "data" / "flow" / "00001_flow.flo"
    np.testing.assert_array_equal(read_flo(path), cv2.readOpticalFlow(str(path)))
