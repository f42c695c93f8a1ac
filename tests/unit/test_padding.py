"""Padding: what I3D's adds to a clip, what relevance makes of it, and where a network's windows lie."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from voxplain import build_model, explain
from voxplain.checks.position_bias.table import position_bias_table
from voxplain.config import EVEN_SIZES
from voxplain.models.build import build_shapes
from voxplain.models.networks.i3d import I3D, SameConv3d, same_padding
from voxplain.models.padding import even_size, grid_offset
from voxplain.position import mirrored_network, position_bias, side_shares
from voxplain.statistics import mean_interval

# A row of four pixels and a convolution of width 3 and stride 2: SAME pads one pixel, at the right end only. Its
# two windows are pixels 0, 1, 2 and pixels 2, 3 and the padding. With all weights and pixels 1, a window answers 3
# for each pixel (of three channels), has relevance in proportion to that, and shares it equally.
SHARES = {
    False: [0.2, 0.2, 0.2 + 0.2, 0.2],  # answers 9 and 6; zeros take nothing
    True: [1 / 6, 1 / 6, 1 / 6 + 1 / 6, 2 / 6],  # answers 9 and 9; the second window has pixel 3 twice
}


def strided_row(replicate: bool) -> nn.Sequential:
    """The convolution above, a ReLU and the sum of both windows."""
    conv = SameConv3d(3, 1, (1, 1, 3), stride=(1, 1, 2), bias=False)
    conv.replicate = replicate
    model = nn.Sequential(conv, nn.ReLU(), nn.Flatten(), nn.Linear(2, 1, bias=False)).eval()
    for module in (conv, model[-1]):
        nn.init.ones_(module.weight)
    return model


@pytest.mark.parametrize("replicate", [False, True])
def test_relevance_of_uneven_padding_has_exact_values(replicate: bool) -> None:
    relevance = explain(
        strided_row(replicate), torch.ones(1, 3, 1, 1, 4), 0, "dtd", low=0.0, high=1.0, pooling="winner"
    )
    torch.testing.assert_close(relevance.flatten(), torch.tensor(SHARES[replicate]))


def test_relevance_of_a_second_strided_layer_follows_the_first() -> None:
    """Two strided layers: the last window's relevance goes to pixels 4 to 7, the first one's to 0 to 6."""
    first, second = (SameConv3d(3 if i else 1, 1, (1, 1, 3), stride=(1, 1, 2), bias=False) for i in (1, 0))
    model = nn.Sequential(
        first, nn.ReLU(), second, nn.ReLU(), nn.Flatten(), nn.Linear(2, 1, bias=False)
    ).eval()
    for module in (first, second, model[-1]):
        nn.init.ones_(module.weight)
    relevance = explain(model, torch.ones(1, 3, 1, 1, 8), 0, "dtd", low=0.0, high=1.0)
    # The first layer answers 9, 9, 9, 6, as its last window holds two pixels, and the second one 9 + 9 + 9 and 9 + 6.
    middle = torch.tensor([9 / 42, 9 / 42, 9 / 42 + 9 / 42, 6 / 42])
    expected = torch.zeros(8)
    for window, share in enumerate(middle):
        pixels = range(2 * window, min(2 * window + 3, 8))
        expected[list(pixels)] += share / len(pixels)
    torch.testing.assert_close(relevance.flatten(), expected)


@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 3))
def test_same_padding_gives_one_position_per_stride(size: int, kernel: int, stride: int) -> None:
    before, after = same_padding([size], [kernel], [stride])
    assert after - before in (0, 1)
    if before + after:
        assert (size + before + after - kernel) // stride + 1 == -(-size // stride)


# Where windows lie


@pytest.mark.parametrize(
    ("network", "size", "pixels"),
    [
        # Each stage's windows start half its own step too far to the left: (1 + 2 + 4 + 8) / 2.
        ("r3d_18", 112, -7.5),
        ("r3d_18", 113, 0),
        # To the right, and at 112 pixels half a step of 16 more, as 7 columns become 4.
        ("i3d", 224, 7.5),
        ("i3d", 112, 15.5),
        ("i3d", 145, 0),
        ("i3d", 209, 0),
        ("c3d", 112, -8),  # the last pooling's first window has half a step of 16 of padding
        ("torchvision:mc3_18", 112, -7.5),
    ],
)
def test_windows_lie_as_far_off_as_paddings_add_up(network: str, size: int, pixels: float) -> None:
    model = build_shapes(network, 2)
    assert grid_offset(model, 16, size)[1:] == (pixels, pixels)


@given(st.integers(16, 40), st.integers(1, 5), st.integers(1, 3), st.integers(0, 2))
def test_the_offset_is_that_of_the_positions_that_a_window_sees(
    size: int, kernel: int, stride: int, padding: int
) -> None:
    with torch.device("meta"):
        shapes = nn.Sequential(nn.Conv3d(3, 1, (1, 1, kernel), (1, 1, stride), (0, 0, padding), bias=False))
    windows = range((size + 2 * padding - kernel) // stride + 1)
    seen = [stride * window - padding + (kernel - 1) / 2 for window in windows]

    class Row(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return shapes(inputs[:, :, :1, :1])

    assert grid_offset(Row(), 1, size)[2] == pytest.approx(sum(seen) / len(seen) - (size - 1) / 2)


@pytest.mark.parametrize(
    ("network", "size", "even"),
    # C3D's last pooling makes four windows of seven columns at 112, and takes clips of its own size only.
    [("r3d_18", 112, 113), ("i3d", 224, 209), ("c3d", 112, 96), ("c3d", 40, 32)],
)
def test_an_even_size_is_the_nearest_one(network, size, even) -> None:
    assert even_size(network, 16, size) == even


def test_clips_have_an_even_size_by_default() -> None:
    for name, sizes in EVEN_SIZES.items():
        assert [even_size(name, 16, size) for size in sizes] == sizes


# I3D


def test_i3d_pads_with_zeros_by_default_and_as_told() -> None:
    options = {"width": 0.125, "num_classes": 3}
    clip = torch.rand(1, 3, 8, 33, 33)
    zeros, told, replicate = (
        build_model("i3d", **options, **padding)
        for padding in ({}, {"padding": "zeros"}, {"padding": "replicate"})
    )
    torch.testing.assert_close(zeros(clip), told(clip))
    assert not torch.allclose(zeros(clip), replicate(clip))
    assert zeros.spec.options["padding"] is None


def test_a_constant_clip_looks_the_same_everywhere_where_borders_are_replicated() -> None:
    """With padding by the border's values, no position differs from another, so none can be told by it."""
    model = build_model("i3d", width=0.125, num_classes=3, padding="replicate")
    recorded = []
    model.mixed_4f.register_forward_hook(lambda _module, _inputs, output: recorded.append(output))
    model(torch.full((1, 3, 8, 97, 97), 0.3))
    (features,) = recorded
    assert features.std() > 0
    torch.testing.assert_close(features, features[..., :1, :1, :1].expand_as(features), rtol=1e-4, atol=1e-5)


def test_auto_is_zeros_for_clips_as_large_as_the_released_weights_saw() -> None:
    model = I3D(2, width=0.02, dropout=0.0, small_input=False, padding="auto").eval()

    def replicates(*shape: int) -> bool:
        model(torch.zeros(1, 3, *shape))
        (found,) = {module.replicate for module in model.modules() if isinstance(module, SameConv3d)}
        return found

    assert not replicates(32, 224, 224)
    assert replicates(31, 224, 224) and replicates(32, 223, 224) and replicates(16, 112, 112)


# Position bias


def test_position_bias_of_a_map_that_stays_where_it_is() -> None:
    """A map with three times as much in the left half, for a clip and for its mirror image alike."""
    row = np.array([3.0, 3, 3, 3, 1, 1, 1, 1]) / 16
    maps = np.broadcast_to(row, (2, 4, 5, 8))
    assert position_bias(maps, maps, "width") == pytest.approx({"halves": 3, "first": 1.5, "last": 0.5})
    assert position_bias(maps, maps, "height") == pytest.approx({"halves": 1, "first": 1, "last": 1})


@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_maps_that_follow_the_mirrored_clip_have_no_bias(height: int, width: int, seed: int) -> None:
    maps = np.random.default_rng(seed).random((3, 2, height, width))
    for axis, mirrored in (("width", maps[..., ::-1]), ("height", maps[..., ::-1, :])):
        found = position_bias(maps, mirrored, axis)
        assert found["halves"] == pytest.approx(1)
        assert found["first"] == pytest.approx(found["last"])


def test_negative_relevance_does_not_count_and_a_clip_without_any_neither() -> None:
    maps = np.zeros((2, 1, 1, 8))
    maps[0, ..., 0], maps[0, ..., 7] = 1, -5
    found = position_bias(maps, np.zeros_like(maps), "width")
    assert found["first"] == pytest.approx(8) and found["last"] == pytest.approx(0)


@pytest.mark.parametrize("method", ["dtd", "gradcam", "guided_backprop", "guided_gradcam"])
@pytest.mark.parametrize(
    ("network", "even", "uneven", "options"),
    [
        ("r3d_18", 49, 48, {"width": 4}),
        ("c3d", 64, 48, {"width": 4, "fc_width": 16}),
        ("i3d", 49, 64, {"width": 1 / 16}),
    ],
)
def test_explainers_add_no_position_bias_where_windows_lie_even(
    network, even, uneven, options, method
) -> None:
    """A mirrored network on a mirrored clip gives the mirrored map; of an uneven size it does not."""
    differs = {}
    for size in (even, uneven):
        sized = options | ({"size": size} if network == "c3d" else {})
        model = build_model(network, None, 5, seed=1, **sized).eval()
        clip = torch.rand(1, 3, 16, size, size, generator=torch.Generator().manual_seed(0))
        here = explain(model, clip, 2, method)
        there = explain(mirrored_network(model, 16, size), clip.flip(-1), 2, method).flip(-1)
        differs[size] = float((here - there).abs().max() / here.abs().max())
    assert differs[even] < 1e-3
    assert differs[uneven] > 0.01


# Position bias as a check


def shares_table(left, *, seeds=(0,)):
    """One row per seed, video and image: `left` is the share of relevance in the left half."""
    rows = [
        {
            "model": "m",
            "seed": seed,
            "video": f"v{number}",
            "method": "dtd",
            "axis": axis,
            "mirrored": mirrored,
        }
        | {"half": value, "first": 1 / 8, "last": 1 / 8}
        for seed in seeds
        for number, value in enumerate(left)
        for axis in ("width", "height")
        for mirrored in (False, True)
    ]
    return pd.DataFrame(rows)


def test_position_bias_table_by_hand():
    table = position_bias_table(shares_table([0.6, 0.65, 0.55, 0.6]))
    width = table[table["axis"] == "width"].iloc[0]
    assert width["halves"] == pytest.approx(0.6 / 0.4) and width["first"] == width["last"] == 1
    low, high = mean_interval(np.array([0.6, 0.65, 0.55, 0.6]))
    assert width["halves_ci_low"] == pytest.approx(low / (1 - low))
    assert width["halves_ci_high"] == pytest.approx(high / (1 - high))
    assert width["verdict"] == "uneven" and width["n_videos"] == 4


@pytest.mark.parametrize(
    ("left", "verdict"),
    [([0.5, 0.51, 0.49, 0.5], "even"), ([0.2, 0.9, 0.4, 0.6], "unclear"), ([0.3, 0.7], "unclear")],
)
def test_verdict_on_position(left, verdict):
    table = position_bias_table(shares_table(left))
    assert table.set_index("axis").loc["width", "verdict"] == verdict


def test_shares_of_the_sides_lie_within_pixels():
    # Seven columns: the left half ends in the middle of the fourth, the first eighth 7/8 into the first.
    maps = np.zeros((2, 1, 1, 7))
    maps[0, 0, 0] = [1, 0, 0, 1, 0, 0, 2]
    assert side_shares(maps, "width")[0] == pytest.approx([1.5 / 4, 7 / 8 / 4, 2 * 7 / 8 / 4])
    assert np.isnan(side_shares(maps, "width")[1]).all()
