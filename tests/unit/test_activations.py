"""Activations and logit gradients on a small network with known derivatives."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from voxplain.activations import average_to_grid, layer_activations, logit_gradients, on_positions
from voxplain.errors import ConfigError
from voxplain.models.build import build_model


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv3d(4, 5, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(5, 3),
    ).eval()  # fmt: skip


@pytest.fixture
def clips():
    return torch.randn(2, 3, 4, 6, 6, generator=torch.Generator().manual_seed(1))


def test_all_layers_come_from_one_pass(network, clips):
    found, logits = layer_activations(network, clips, ["1", "3", "5"], grid=(1, 1, 1))
    assert torch.allclose(logits, network(clips))
    assert torch.allclose(found["1"], network[:2](clips).mean(dim=(2, 3, 4)))
    assert torch.allclose(found["3"], found["5"])
    full, _ = layer_activations(network, clips, ["1"], grid=None)
    assert torch.equal(full["1"], network[:2](clips).flatten(1))


def test_grid_is_never_finer_than_the_layer():
    assert average_to_grid(torch.ones(1, 2, 2, 3, 3), (4, 2, 2)).shape == (1, 2 * 2 * 2 * 2)


def test_cells_that_do_not_divide_a_layer_do_not_overlap():
    """Seven positions in two cells: the middle one is in the first, and counts in no other."""
    row = torch.arange(7.0).view(1, 1, 1, 1, 7)
    assert average_to_grid(row, (1, 1, 2)).flatten().tolist() == [1.5, 5]
    laid = on_positions(torch.tensor([[3.0, 8.0]]), row, (1, 1, 2))
    assert laid.flatten().tolist() == [3, 3, 3, 3, 8, 8, 8]


@pytest.mark.parametrize("autocast", [True, False])
@pytest.mark.parametrize("grid", [(4, 1, 1), (4, 1, 5)])
def test_averages_of_bfloat16_are_not_sums_in_bfloat16(grid, autocast):
    ones = torch.ones(1, 16, 4, 28, 28, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        found = average_to_grid(ones, grid)
    assert found.dtype == torch.float32 and (found == 1).all()


three = st.tuples(*[st.integers(1, 9)] * 3)


@settings(max_examples=80, deadline=None)
@given(three, three)
def test_what_lies_on_a_cell_is_its_average_and_no_other_cells(shape, grid):
    positions = torch.zeros(2, 3, *shape)
    vectors = torch.randn(2, 3 * math.prod(map(min, shape, grid)), generator=torch.Generator().manual_seed(0))
    laid = on_positions(vectors, positions, grid)
    assert laid.shape == positions.shape
    torch.testing.assert_close(average_to_grid(laid, grid), vectors)
    # Cells are as large as one another, give or take a position along each axis.
    one = torch.arange(vectors.shape[1] // 3).repeat(3)[None].double()
    for axis, (size, n) in enumerate(zip(shape, grid, strict=True), start=2):
        of_axis = on_positions(one, positions[:1], grid).movedim(axis, 0).flatten(1)[:, 0]
        sizes = of_axis.unique(return_counts=True)[1]
        assert len(sizes) == min(size, n) and sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("grid", [(1, 1, 1), (2, 3, 1), (3, 4, 5), None])
def test_gradient_times_vector_is_the_limit_of_equation_1(network, clips, grid):
    targets = torch.tensor([2, 0])
    network, clips = network.double(), clips.double()
    gradients = logit_gradients(network, clips, targets, ["1"], grid=grid)["1"]
    hidden = network[:2](clips)
    cells = hidden.shape[2:] if grid is None else grid
    vector = torch.randn(2, 4, *cells, dtype=torch.double, generator=torch.Generator().manual_seed(2))
    step = 1e-6 * on_positions(vector.flatten(1), hidden, grid)
    difference = (network[2:](hidden + step) - network[2:](hidden - step)) / 2e-6
    expected = difference.gather(1, targets[:, None])[:, 0]
    assert torch.allclose((gradients * vector.flatten(1)).sum(dim=1), expected, rtol=1e-4)


def test_under_pooling_and_a_linear_head_the_gradient_is_the_same_for_all_clips(network, clips):
    """Why the last block is a poor layer to score concepts at: S can only be 0 or 1 there."""
    targets = torch.tensor([1, 1])
    gradients = logit_gradients(network, clips, targets, ["3", "1"])
    assert torch.allclose(gradients["3"], network[6].weight[1].expand(2, 5), atol=1e-6)
    assert not torch.allclose(gradients["1"][0], gradients["1"][1], atol=1e-4)


def test_unknown_layer_names_the_nearest(clips):
    network = build_model("r3d_18", None, 3, width=4, depth=(1, 1, 1, 1))
    with pytest.raises(ConfigError, match="did you mean 'layer3'"):
        layer_activations(network, clips, ["layr3"])
