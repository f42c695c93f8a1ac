"""Selective relevance, flow, and motion metrics on cases whose answer is known."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score

from voxplain.errors import ConfigError, VideoError, VoxplainError
from voxplain.motion import precision
from voxplain.motion.flow import raft
from voxplain.motion.flow.base import FLOWS, estimate_flow
from voxplain.motion.flow.camera import compensate_camera
from voxplain.motion.flow.endpoint import endpoint_error
from voxplain.motion.selective import PRESETS, selective_relevance, selective_sweep, temporal_derivative
from voxplain.videos.truth import read_flo

quick = settings(deadline=None, max_examples=30)
# Few significant bits, so that scaling by powers of two is exact.
maps = arrays(
    np.float32,
    array_shapes(min_dims=3, max_dims=4, min_side=2, max_side=6),
    elements=st.integers(-64, 64).map(lambda i: i / 16),
)
presets = st.sampled_from(list(PRESETS))
sigmas = st.floats(0, 4)


# --- Selective relevance --------------------------------------------------------------------------


def test_derivative_of_one_voxel_is_the_kernel():
    relevance = np.zeros((5, 5, 5))
    relevance[2, 2, 2] = 1
    derivative = temporal_derivative(relevance)
    smooth = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]])
    expected = np.zeros_like(relevance)
    expected[1, 1:4, 1:4], expected[3, 1:4, 1:4] = -smooth, smooth
    np.testing.assert_array_equal(derivative, expected)


@pytest.mark.parametrize(("padding", "mode"), [("zero", "constant"), ("replicate", "nearest")])
def test_derivative_is_scipys_sobel(padding, mode):
    relevance = np.random.default_rng(0).normal(size=(4, 6, 9, 8))
    expected = np.stack([-ndimage.sobel(clip, axis=0, mode=mode) for clip in relevance])
    np.testing.assert_allclose(temporal_derivative(relevance, padding=padding), expected, atol=1e-12)


def test_constant_maps_change_only_at_zero_padded_ends():
    relevance = np.full((2, 8, 12, 12), 0.1, np.float32)
    assert not selective_relevance(relevance, 0, "corrected").any()
    official = selective_relevance(relevance, 1, "official")
    np.testing.assert_array_equal(official[:, [0, -1]], relevance[:, [0, -1]])
    assert not official[:, 1:-1].any()
    # Signed, only the last frame seems to lose its relevance.
    paper = selective_relevance(relevance, 1, "paper")
    np.testing.assert_array_equal(paper[:, -1], relevance[:, -1])
    assert not paper[:, :-1].any()


def test_what_moves_is_selected_and_what_stands_is_not():
    relevance = np.zeros((12, 32, 32), np.float32)
    relevance[:, 20:26, 4:12] = 1  # stands
    for t in range(12):
        relevance[t, 6:12, 4 + 2 * t : 8 + 2 * t] = 1  # moves right, 2 pixels a frame, 4 wide
    selective = selective_relevance(relevance, 1, "corrected")
    assert not selective[:, 16:].any()
    # Two frames apart it has moved by its width: all of it is new or about to go.
    np.testing.assert_array_equal(selective[1:-1, :16], relevance[1:-1, :16])


@pytest.mark.parametrize("sigma", [0.5, 1, 2])
def test_corrected_selection_by_its_definition(sigma):
    rng = np.random.default_rng(0)
    drift = np.linspace(0, 3, 8)[:, None, None]  # all of the map grows, so that the mean derivative is not 0
    relevance = rng.normal(size=(8, 10, 12)) + drift
    change = -ndimage.sobel(relevance, axis=0, mode="nearest")
    chosen = np.abs(change - change.mean()) > sigma * change.std(ddof=1)
    np.testing.assert_array_equal(selective_relevance(relevance, sigma, "corrected"), relevance * chosen)


def test_sign_tells_growing_from_fading():
    growing = np.zeros((6, 8, 8), np.float32)
    growing[:, 2:6, 2:6] = np.arange(1, 7, dtype=np.float32)[:, None, None]
    fading = growing[::-1].copy()
    options = {"padding": "replicate"}
    assert not selective_relevance(growing, 0.5, "paper", **options).any()
    assert selective_relevance(fading, 0.5, "paper", **options).any()
    assert selective_relevance(growing, 0.5, "paper", sign="increasing", **options).any()
    assert selective_relevance(growing, 0.5, "official", **options).any()


def test_a_constant_map_has_nothing_that_changes_however_it_is_normalized():
    for value in (-1.0, 0.0, 2.0):
        for mode in ("range", "none"):
            assert not selective_relevance(np.full((4, 8, 8), value), 2, "paper", normalize=mode).any()


def test_range_normalization_removes_what_zero_padding_adds_at_the_lowest_value():
    relevance = np.full((6, 10, 10), -1, np.float32)
    relevance[2:4, 4:6, 4:6] = 1
    ends = selective_relevance(relevance, 0.5, "official", normalize="none")[[0, -1]]
    normalized = selective_relevance(relevance, 0.5, "official", normalize="range")
    assert ends.any()
    assert not normalized[[0, -1]].any()
    assert set(np.unique(normalized)) <= {-1, 0, 1}  # given values, not the shifted ones


@quick
@given(maps, presets, sigmas)
def test_selected_is_part_of_the_relevance(relevance, preset, sigma):
    selective = selective_relevance(relevance, sigma, preset)
    assert selective.shape == relevance.shape and selective.dtype == relevance.dtype
    assert ((selective == relevance) | (selective == 0)).all()


@quick
@given(maps, presets, st.lists(sigmas, min_size=2, max_size=4))
def test_higher_sigma_selects_less(relevance, preset, levels):
    sweep = selective_sweep(relevance, sorted(levels), preset)
    for sigma, selective in zip(sorted(levels), sweep, strict=True):
        np.testing.assert_array_equal(selective, selective_relevance(relevance, sigma, preset))
    for lower, higher in zip(sweep, sweep[1:], strict=False):
        assert not ((higher != 0) & (lower == 0)).any()


@quick
@given(maps, presets, sigmas, st.sampled_from([2.0**-100, 0.5, 2.0**80]))
def test_selection_does_not_depend_on_scale(relevance, preset, sigma, scale):
    scale = np.float32(scale)
    np.testing.assert_array_equal(
        selective_relevance(scale * relevance, sigma, preset),
        scale * selective_relevance(relevance, sigma, preset),
    )


@quick
@given(arrays(np.float64, (3, 5, 4, 6), elements=st.floats(-1, 1)), sigmas)
def test_corrected_selection_is_blind_to_the_direction_of_time(relevance, sigma):
    # At the threshold itself the last bit of a sum taken in another order decides.
    forward = selective_relevance(relevance, sigma, "corrected") != 0
    backward = selective_relevance(relevance[:, ::-1].copy(), sigma, "corrected")[:, ::-1] != 0
    change = temporal_derivative(relevance)
    change -= change.mean((1, 2, 3), keepdims=True)
    clear = np.abs(np.abs(change) - sigma * change.std((1, 2, 3), ddof=1, keepdims=True)) > 1e-9
    np.testing.assert_array_equal(forward[clear], backward[clear])


@quick
@given(arrays(np.float32, (3, 5, 4, 6), elements=st.floats(-1, 1, width=32)), presets, sigmas)
def test_clips_of_a_batch_do_not_touch_each_other(relevance, preset, sigma):
    together = selective_relevance(relevance, sigma, preset)
    swapped = selective_relevance(relevance[::-1].copy(), sigma, preset)
    np.testing.assert_array_equal(together, swapped[::-1])


def test_tensors_in_tensors_out():
    relevance = torch.rand(2, 3, 4, 8, 8, requires_grad=True)
    selective = selective_relevance(relevance, 1, "corrected")
    assert isinstance(selective, torch.Tensor) and not selective.requires_grad
    np.testing.assert_array_equal(selective, selective_relevance(relevance.detach().numpy(), 1, "corrected"))
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        assert selective_relevance(relevance.to(dtype), 1).dtype == dtype
    backward = relevance.detach().numpy()[:, :, ::-1]  # a view that no tensor can share
    backward.flags.writeable = False
    np.testing.assert_array_equal(selective_relevance(backward, 1), selective_relevance(backward.copy(), 1))
    assert selective_relevance(np.ones((4, 8, 8), np.uint8), 1).dtype == np.uint8


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_named_by_clip(value):
    relevance = np.random.default_rng(0).random((3, 4, 8, 8), dtype=np.float32)
    relevance[1, 2, 3, 3] = value
    with pytest.raises(VoxplainError, match=r"clip 1 \(of 3\)"):
        selective_relevance(relevance, 2)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 1, 8, 8), (8, 8)])
def test_one_frame_has_no_derivative(shape):
    with pytest.raises(VoxplainError, match="single frame"):
        selective_relevance(np.ones(shape, np.float32), 2)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"preset": "oficial"}, "did you mean 'official'"),
        ({"pading": "zero"}, "did you mean 'padding'"),
        ({"padding": "mirror"}, "zero, replicate"),
        ({"sigma": -1}, "sigma"),
        ({"sigma": math.nan}, "sigma"),
    ],
)
def test_impossible_options_are_told(arguments, text):
    with pytest.raises(ConfigError, match=text):
        selective_relevance(np.ones((2, 2, 2), np.float32), **{"sigma": 1, **arguments})


# --- Flow -----------------------------------------------------------------------------------------


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth gray noise, (H, W) uint8."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), 2.5)
    return np.uint8(255 * (noise - noise.min()) / np.ptp(noise))


def panned(n_frames: int, dx: int, dy: int, size: int = 96) -> np.ndarray:
    """A textured scene whose content moves by (dx, dy) a frame."""
    margin = n_frames * max(abs(dx), abs(dy))
    scene = texture(size + 2 * margin, size + 2 * margin)
    corners = [(margin - t * dy, margin - t * dx) for t in range(n_frames)]
    frames = np.stack([scene[y : y + size, x : x + size] for y, x in corners])
    return np.repeat(frames[..., None], 3, axis=-1)


@pytest.mark.parametrize("method", ["farneback", "dis", "tvl1"])
@pytest.mark.parametrize(("dx", "dy"), [(2, 0), (0, -1), (-1, 2)])
def test_a_pan_is_recovered(method, dx, dy):
    found = estimate_flow(panned(3, dx, dy), method)
    assert found.shape == (2, 96, 96, 2) and found.dtype == np.float32
    inner = found[:, 12:-12, 12:-12]
    assert endpoint_error(inner, np.broadcast_to(np.float32([dx, dy]), inner.shape)) < 0.1


@pytest.mark.parametrize("method", ["farneback", "dis", "tvl1"])
def test_still_and_single_frames(method):
    still = np.repeat(panned(1, 0, 0), 2, axis=0)
    # Farneback's smoothing makes a little motion of nothing, most at the borders.
    assert not estimate_flow(still, method).any()
    moving = panned(2, 2, 0)
    held = estimate_flow(moving[[0, 0, 1, 1]], method)
    np.testing.assert_array_equal(held[1], estimate_flow(moving, method)[0])
    assert not held[[0, 2]].any() and held[1].any()
    assert estimate_flow(still[:1], method).shape == (0, 96, 96, 2)


@pytest.mark.parametrize("model", ["homography", "affine"])
def test_nothing_moves_in_a_frozen_clip_however_it_is_rendered(model):
    frozen = np.repeat(panned(1, 0, 0), 4, axis=0)
    flow = estimate_flow(frozen, "farneback")
    residual, _ = compensate_camera(flow, frozen, model=model)
    for field in (flow, residual):
        assert not precision.moving_mask(field, 0, unit="rendered").any()


def test_frames_that_are_not_bytes_are_refused():
    with pytest.raises(VideoError, match="uint8"):
        estimate_flow(np.zeros((2, 8, 8, 3), np.float32))


def test_flow_options_are_checked():
    frames = panned(2, 1, 0)
    with pytest.raises(ConfigError, match="did you mean 'farneback'"):
        estimate_flow(frames, "farnback")
    with pytest.raises(ConfigError, match="did you mean 'winsize'"):
        estimate_flow(frames, "farneback", win_size=5)
    with pytest.raises(ConfigError, match="preset"):
        estimate_flow(frames, "dis", preset="best")


def test_every_estimator_is_listed_with_a_summary():
    assert {plugin.name for plugin in FLOWS} == {"farneback", "tvl1", "dis", "raft"}
    assert all(plugin.summary for plugin in FLOWS)


def test_raft_flow_is_scaled_back_to_the_frame(monkeypatch):
    def network(first, second, num_flow_updates):
        assert first.shape == second.shape == (len(first), 3, 128, 256)
        assert first.min() >= -1 and first.max() <= 1
        return [torch.tensor([8.0, 4.0]).view(1, 2, 1, 1).expand(len(first), 2, 128, 256)]

    monkeypatch.setattr(raft, "_load", lambda *_: network)
    frames = np.arange(6, dtype=np.uint8)[:, None, None, None]
    found = estimate_flow(np.broadcast_to(frames, (6, 64, 128, 3)).copy(), "raft", batch=2)
    assert found.shape == (5, 64, 128, 2)
    np.testing.assert_allclose(found, np.broadcast_to([4.0, 2.0], found.shape), rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "grid"),
    [((112, 112), (128, 128)), ((144, 256), (144, 256)), ((60, 90), (128, 192)), ((130, 200), (136, 200))],
)
def test_raft_grid(shape, grid):
    assert raft._network_grid(*shape) == grid


def test_raft_runs_with_weights_from_a_file_and_says_what_is_missing(tmp_path):
    from torchvision.models.optical_flow import raft_small

    torch.manual_seed(0)
    torch.save(raft_small().state_dict(), tmp_path / "raft.pt")
    found = estimate_flow(panned(2, 1, 0, size=32), "raft", weights=str(tmp_path / "raft.pt"), updates=1)
    assert found.shape == (1, 32, 32, 2) and np.isfinite(found).all()
    for weights, size in [(tmp_path / "absent.pt", "small"), (tmp_path / "raft.pt", "large")]:
        with pytest.raises(VoxplainError, match="'weights'"):
            estimate_flow(panned(2, 1, 0, size=32), "raft", weights=str(weights), size=size)


def test_flo_round_trip_and_broken_files(tmp_path):
    field = np.random.default_rng(0).normal(size=(5, 7, 2)).astype(np.float32)
    path = tmp_path / "a.flo"
    assert cv2.writeOpticalFlow(str(path), field)
    np.testing.assert_array_equal(read_flo(path), field)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(VideoError, match="5 x 7"):
        read_flo(path)
    path.write_bytes(b"no flow at all")
    with pytest.raises(VideoError, match="not a Middlebury"):
        read_flo(path)


def test_endpoint_error_by_hand():
    truth = np.zeros((1, 3, 2))
    found = np.array([[[3, 4], [0, 0], [6, 8]]])
    assert endpoint_error(found, truth) == 5
    assert endpoint_error(found, truth, np.array([[True, True, False]])) == 2.5
    truth[0, 2] = 1e10  # unknown
    assert endpoint_error(found, truth) == 2.5
    assert math.isnan(endpoint_error(found, truth, np.zeros((1, 3), bool)))


@pytest.mark.parametrize("model", ["homography", "affine"])
def test_camera_motion_is_subtracted_and_the_objects_is_not(model):
    y, x = np.mgrid[:80, :100].astype(np.float32)
    camera = np.stack([1.5 + 0.02 * x - 0.01 * y, -0.5 + 0.01 * x + 0.03 * y], axis=-1)
    own = np.zeros_like(camera)
    own[30:50, 40:70] = (3, -2)
    residual, inlier_share = compensate_camera(np.stack([camera + own, own]), model=model)
    np.testing.assert_allclose(residual, np.stack([own, own]), atol=0.01)
    np.testing.assert_allclose(inlier_share, 1 - 600 / 8000, atol=1e-12)


@pytest.mark.parametrize("model", ["homography", "affine"])
@pytest.mark.parametrize("blur", [0, 12])
def test_a_motion_that_next_to_nothing_agrees_with_is_no_camera_s(model, blur):
    """As at a cut. RANSAC finds some motion in any noise."""
    flow = np.random.default_rng(0).normal(0, 5, (6, 112, 112, 2)).astype(np.float32)
    if blur:
        flow = np.stack([cv2.GaussianBlur(pair, (0, 0), blur) for pair in flow])
        flow *= 5 / flow.std()
    residual, inlier_share = compensate_camera(flow, model=model)
    assert not inlier_share.any()
    np.testing.assert_array_equal(residual, flow)


def test_a_homography_is_subtracted_only_by_a_homography():
    y, x = np.mgrid[:80, :100].astype(np.float32)
    points = np.stack([x, y], axis=-1)
    tilt = np.array([[1.02, 0.01, 1], [-0.02, 0.99, 2], [6e-4, -4e-4, 1]])
    camera = cv2.perspectiveTransform(points, tilt) - points
    assert np.abs(compensate_camera(camera[None])[0]).max() < 0.01
    assert np.abs(compensate_camera(camera[None], model="affine")[0]).max() > 0.5


def test_camera_motion_is_read_where_there_is_texture():
    # A flat sky over most of the frame has no flow, whatever the camera does.
    frames = np.full((2, 60, 60, 3), 200, np.uint8)
    frames[:, 40:] = texture(20, 60)[None, :, :, None]
    observed = np.zeros((1, 60, 60, 2), np.float32)
    observed[:, 40:] = (2, 0)
    np.testing.assert_allclose(compensate_camera(observed)[0][:, :40], 0, atol=1e-3)
    residual, inlier_share = compensate_camera(observed, frames, textured=0.3)
    np.testing.assert_allclose(residual[:, 40:], 0, atol=1e-3)
    assert inlier_share[0] > 0.85  # the texture is felt a few pixels beyond its border


def test_camera_compensation_from_frames_to_mask():
    # A square moves up while the camera pans: all of the flow moves, of the residual the square.
    frames = panned(4, 2, 0)
    actor = np.zeros((4, 96, 96), bool)
    for t in range(4):
        actor[t, 50 - 3 * t : 74 - 3 * t, 36:60] = True
        frames[t, actor[t]] = texture(24, 24, seed=1).reshape(-1, 1)
    observed = estimate_flow(frames)
    residual, inlier_share = compensate_camera(observed, frames)
    inner = np.s_[:, 8:-8, 8:-8]
    assert precision.base_rate(observed[inner], 1.0) > 0.9
    found = precision.ground_truth_scores(np.linalg.norm(residual, axis=-1), actor[:-1], 1.0)
    assert found["recall"] > 0.8 and found["auroc"] > 0.97
    assert precision.base_rate(residual[inner], 1.0) < 0.25
    assert (inlier_share > 0.6).all()


def test_camera_arguments_are_checked():
    with pytest.raises(ConfigError, match="homography, affine"):
        compensate_camera(np.zeros((1, 8, 8, 2)), model="similarity")
    with pytest.raises(VideoError, match="do not belong"):
        compensate_camera(np.zeros((2, 8, 8, 2)), np.zeros((3, 8, 9, 3), np.uint8))
    with pytest.raises(VideoError, match="finite"):
        compensate_camera(np.full((1, 8, 8, 2), np.inf))


@pytest.mark.parametrize("model", ["homography", "affine"])
def test_what_is_not_known_of_a_flow_does_not_hide_the_camera(model):
    rng = np.random.default_rng(0)
    flow = np.zeros((3, 40, 60, 2), np.float32)
    flow[..., 0] = 2
    flow[:, 10:20, 10:20] = (2, 3)
    expected = flow - np.float32([2, 0])
    unknown = rng.random(flow.shape[:3]) < 0.2
    unknown[1] = False
    unknown[1, 0, 0] = True  # a corner alone
    unknown[2] = True
    unknown[2, :2, :2] = False  # too little to tell the camera's motion
    flow[unknown] = expected[unknown] = np.nan
    expected[2] = np.nan
    residual, share = compensate_camera(flow, model=model)
    np.testing.assert_allclose(residual, expected, atol=1e-3)
    assert (share[:2] > 0.9).all() and share[2] == 0


# --- Metrics --------------------------------------------------------------------------------------


def test_precision_base_rate_and_lift_by_hand():
    explanation = np.array([[[1, 2], [0, 0]], [[3, 0], [-1, 0]], [[9, 9], [9, 9]]])  # no flow in the last
    field = np.zeros((2, 2, 2, 2))
    field[0, 0, 0] = (3, 4)
    field[1, 1] = (0.3, 0.4)
    assert precision.motion_precision(explanation, field) == pytest.approx(1 / 3)
    assert precision.motion_precision(explanation, field, 2, 0) == 0  # only the 3 is left, and it stands
    assert precision.base_rate(field) == 3 / 8
    assert precision.base_rate(field, 1) == 1 / 8
    # A mask, and magnitudes, say the same.
    for flow_like in (np.linalg.norm(field, axis=-1), precision.moving_mask(field, 0)):
        assert precision.motion_precision(explanation, flow_like) == pytest.approx(1 / 3)


def test_nothing_relevant_or_nothing_moving():
    nothing, field = np.zeros((3, 2, 2)), np.ones((2, 2, 2, 2))
    assert math.isnan(precision.motion_precision(nothing, field))
    assert precision.motion_precision(nothing, field, empty="zero") == 0
    assert precision.motion_precision(nothing + 1, 0 * field) == 0


def test_rendering_by_hand():
    relevance = np.array([[[0, 0.5], [1, 2]]])
    np.testing.assert_array_equal(precision.render_relevance(relevance), [[[0, 63], [127, 255]]])
    np.testing.assert_array_equal(precision.render_relevance(-relevance), [[[0, 63], [127, 255]]])
    assert not precision.render_relevance(np.full((2, 2, 2), 0.3)).any()
    field = np.zeros((2, 2, 2, 2))
    field[0, ..., 0] = [[1, 2], [3, 5]]  # per frame, from its least motion to its most
    field[1, 0, 0] = (0, 1e-6)  # what is noise in one frame becomes 255 in a still one
    np.testing.assert_array_equal(precision.render_flow(field), [[[0, 63], [127, 255]], [[255, 0], [0, 0]]])
    np.testing.assert_array_equal(
        precision.moving_mask(field, 100, unit="rendered"), precision.render_flow(field) > 100
    )
    np.testing.assert_array_equal(precision.moving_mask(field, 2.5)[0], [[False, False], [True, True]])


def test_rendering_of_flow_is_opencvs_normalization():
    field = np.random.default_rng(0).normal(size=(3, 20, 30, 2)).astype(np.float32)
    magnitude, _ = cv2.cartToPolar(field[..., 0].copy(), field[..., 1].copy())
    expected = np.stack([cv2.normalize(m, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8) for m in magnitude])
    # In single precision a value may fall on the other side of an integer before it is truncated.
    assert (precision.render_flow(field) != expected).mean() < 0.002


def test_agreement_by_hand():
    a = np.array([[[1, 1, 1, 1, 0, 0]]])
    b = np.array([[[0, 0, 0, 1, 1, -1]]])
    assert precision.agreement(a, b) == precision.agreement(b, a) == 1 / 5
    assert precision.agreement(a, b, denominator="first") == 1 / 4
    assert precision.agreement(a, b, denominator="second") == 1 / 2
    assert precision.agreement(a, b, denominator="smaller") == 1 / 2
    assert precision.agreement(a, a) == 1
    assert math.isnan(precision.agreement(0 * a, 0 * a))


@quick
@given(maps.filter(lambda m: m.ndim == 3), presets, sigmas)
def test_the_area_share_is_the_share_of_relevant_voxels_that_is_kept(relevance, preset, sigma):
    relevant, kept = relevance > 0, selective_relevance(relevance, sigma, preset) > 0
    area, _ = precision.selectivity(relevance, relevant, kept)
    assert area == pytest.approx(kept.sum() / relevant.sum() if relevant.any() else math.nan, nan_ok=True)


def test_selectivity_by_hand():
    relevance = np.array([[[4, 3, 2, 1, -5]]])
    kept = np.array([[[1, 0, 0, 0, 0]]], bool)
    assert precision.selectivity(relevance, relevance > 0, kept) == (0.25, 0.4)
    # Where the size counts, so does that of negative relevance: 4 of 4 + 3 + 5.
    assert precision.selectivity(relevance, np.abs(relevance) > 2, kept) == (
        pytest.approx(1 / 3),
        pytest.approx(4 / 12),
    )
    assert precision.selectivity(relevance, relevance > 0, kept & False) == (0, 0)
    assert all(math.isnan(share) for share in precision.selectivity(relevance, kept & False, kept & False))


@given(
    arrays(np.int8, (2, 3, 4), elements=st.integers(0, 3)),
    arrays(bool, (2, 3, 4)),
    arrays(np.int8, (2, 3, 4), elements=st.integers(0, 2)),
)
@settings(deadline=None, max_examples=60)
def test_the_stratified_auroc_counts_pairs_within_strata(relevance, truth, strata):
    ranked = precision.Ranking.of(relevance)
    pairs = [
        np.sign(int(relevance[a]) - int(relevance[b])) / 2 + 0.5
        for a in map(tuple, np.argwhere(truth))
        for b in map(tuple, np.argwhere(~truth))
        if strata[a] == strata[b]
    ]
    found = ranked.stratified_auroc(truth, strata)
    assert found == (pytest.approx(np.mean(pairs)) if pairs else pytest.approx(math.nan, nan_ok=True))
    if pairs:  # what hangs on the stratum alone counts nothing
        shifted = precision.Ranking.of(relevance + 10.0 * strata)
        assert shifted.stratified_auroc(truth, strata) == found
        assert precision.Ranking.of(strata).stratified_auroc(truth, strata) == 0.5
    whole = precision.ranking_scores(relevance, truth)["auroc"]
    assert ranked.stratified_auroc(truth, 0 * strata) == pytest.approx(whole, nan_ok=True)
    backwards = ranked.stratified_auroc(truth[::-1], strata, np.arange(len(truth))[::-1])
    assert backwards == pytest.approx(found, nan_ok=True)
    assert ranked.stratified_auroc(truth[1:], strata, np.s_[1:]) == pytest.approx(
        precision.Ranking.of(relevance[1:]).stratified_auroc(truth[1:], strata[1:]), nan_ok=True
    )


def test_strata_are_tenths_of_each_and_equal_values_stay_together():
    rng = np.random.default_rng(0)
    one, other = rng.permutation(1000).reshape(10, 10, 10), np.zeros((10, 10, 10))
    other[5:] = 1
    assert (np.bincount(precision.strata([one]).ravel()) == 100).all()
    both = precision.strata([one, other], parts=2)
    assert ((both % 2 == 1) == (other == 1)).all() and ((both >= 2) == (one >= 500)).all()
    assert (precision.strata([other, one]) % 10 == precision.strata([one])).all()


def test_ground_truth_scores_by_hand():
    relevance = np.array([[[0.9, 0.8, 0.1, 0.0]]])
    truth = np.array([[[True, False, True, False]]])
    scores = precision.ground_truth_scores(relevance, truth, 0.5)
    # Of the 4 pairs of a true and another voxel, 3 are in order; the two true ones stand first and third.
    assert scores == {
        "precision": 0.5,
        "recall": 0.5,
        "iou": pytest.approx(1 / 3),
        "auroc": 0.75,
        "average_precision": pytest.approx((1 + 2 / 3) / 2),
        "precision_equal_area": 0.5,
    }
    nothing = precision.ground_truth_scores(0 * relevance, truth)
    assert math.isnan(nothing["precision"]) and nothing["recall"] == 0 and nothing["auroc"] == 0.5
    assert math.isnan(precision.ground_truth_scores(relevance, truth | True)["auroc"])


@quick
@given(
    arrays(np.float32, (3, 4, 5), elements=st.integers(0, 6).map(float)),
    arrays(bool, (3, 4, 5)).filter(lambda mask: mask.any() and not mask.all()),
)
def test_ranking_scores_are_scikit_learns(relevance, truth):
    scores = precision.ranking_scores(relevance, truth)
    flat = truth.ravel(), relevance.ravel()
    assert scores["auroc"] == pytest.approx(roc_auc_score(*flat))
    assert scores["average_precision"] == pytest.approx(average_precision_score(*flat))
    # At equal area: the mean over all ways of breaking ties.
    rng, n = np.random.default_rng(0), truth.sum()
    drawn = [truth.ravel()[np.lexsort((rng.random(60), -relevance.ravel()))][:n].mean() for _ in range(400)]
    assert scores["precision_equal_area"] == pytest.approx(np.mean(drawn), abs=0.08)


def test_precision_at_equal_area_by_hand():
    # Three voxels are wanted: one is clear, and two of the four that tie, half of which are true.
    relevance = np.array([[[5, 2, 2, 2, 2, 1, 0]]])
    truth = np.array([[[1, 1, 0, 1, 0, 0, 0]]], bool)
    assert precision.ranking_scores(relevance, truth)["precision_equal_area"] == pytest.approx(
        (1 + 2 / 2) / 3
    )
    # A constant map knows nothing: each score is what chance gives.
    constant = precision.ranking_scores(0 * relevance, truth)
    assert constant == {
        "auroc": 0.5,
        "average_precision": pytest.approx(3 / 7),
        "precision_equal_area": pytest.approx(3 / 7),
    }
    assert all(math.isnan(value) for value in precision.ranking_scores(relevance, truth & False).values())


@quick
@given(arrays(np.float32, (3, 4, 5), elements=st.integers(0, 4).map(float)), st.integers(0, 60))
def test_the_greatest_voxels(relevance, n):
    chosen = precision.Ranking.of(relevance).greatest(n)
    assert chosen.sum() == n
    if 0 < n < 60:
        assert relevance[chosen].min() >= relevance[~chosen].max()


def test_of_voxels_alike_none_of_the_clips_ends_is_preferred():
    chosen = precision.Ranking.of(np.zeros((8, 4, 4))).greatest(32)
    assert (chosen.sum(axis=(1, 2)) == 4).all()


def test_summary_counts_empty_clips():
    values, videos = [0.2, 0.4, math.nan, 0.9], ["a", "a", "a", "b"]
    per_clip = precision.summarize(values)
    assert per_clip == {
        "mean": pytest.approx(0.5),
        "sd": pytest.approx(np.std([0.2, 0.4, 0.9], ddof=1)),
        "n_clips": 3,
        "n_videos": 0,
        "n_empty": 1,
    }
    per_video = precision.summarize(values, videos)
    assert per_video["mean"] == pytest.approx((0.3 + 0.9) / 2) and per_video["n_videos"] == 2
    official = precision.summarize(values, videos, empty="zero")
    assert official["mean"] == pytest.approx((0.2 + 0.9) / 2)
    assert official["n_clips"] == 4 and official["n_empty"] == 1
    nothing = precision.summarize([math.nan], ["a"])
    assert math.isnan(nothing["mean"]) and math.isnan(nothing["sd"]) and nothing["n_videos"] == 0


def test_metrics_refuse_what_they_cannot_compare():
    with pytest.raises(VoxplainError, match="one size"):
        precision.motion_precision(np.ones((4, 8, 8)), np.ones((2, 8, 8)))
    with pytest.raises(VoxplainError, match="NaN"):
        precision.motion_precision(np.full((2, 8, 8), np.nan), np.ones((2, 8, 8)))
    with pytest.raises(VoxplainError, match="one clip"):
        precision.base_rate(np.ones((3, 2, 8, 8)))
    for call in (
        lambda: precision.moving_mask(np.ones((1, 2, 2, 2)), 1, unit="metres"),
        lambda: precision.agreement(np.ones((1, 2, 2)), np.ones((1, 2, 2)), denominator="both"),
        lambda: precision.summarize([1.0], empty="skip"),
        lambda: precision.motion_precision(np.ones((1, 2, 2)), np.ones((1, 2, 2)), empty="skip"),
    ):
        with pytest.raises(ConfigError):
            call()


def test_names_of_the_package_load_lazily():
    import voxplain

    assert voxplain.selective_relevance is selective_relevance
    assert all(callable(getattr(voxplain, name)) for name in voxplain.__all__ if name != "__version__")
