"""Activations and logit gradients on a small network with known derivatives."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from voxplain.activations import average_to_grid, layer_activations, logit_gradients
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


@pytest.mark.parametrize("grid", [(1, 1, 1), (2, 3, 1), None])
def test_gradient_times_vector_is_the_limit_of_equation_1(network, clips, grid):
    targets = torch.tensor([2, 0])
    network, clips = network.double(), clips.double()
    gradients = logit_gradients(network, clips, targets, ["1"], grid=grid)["1"]
    hidden = network[:2](clips)
    cells = hidden.shape[2:] if grid is None else grid
    vector = torch.randn(2, 4, *cells, dtype=torch.double, generator=torch.Generator().manual_seed(2))
    step = 1e-6 * nn.functional.interpolate(vector, size=hidden.shape[2:])
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
