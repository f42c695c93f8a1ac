"""bfloat16 stays near float32, and is taken only where a run's own clips show that it may be."""

from __future__ import annotations

import dataclasses
import itertools
import logging

import numpy as np
import pytest
import torch

from voxplain import build_model
from voxplain.activations import layer_activations, logit_gradients, supervoxel_activations
from voxplain.models import precision
from voxplain.models.layers import get_layer
from voxplain.models.precision import (
    Sample,
    changed_decisions,
    compare_precisions,
    decide_precision,
    objection,
)
from voxplain.models.trained import TrainedModel

LAYERS = ["layer2", "layer3"]
GOOD = {
    "changed": 0.0,
    "changed_clearly": 0.0,
    "tau_alone": 1.0,
    "tau_hidden": 1.0,
    "cosine": 1.0,
    "speed": 2.0,
}


@pytest.fixture
def model():
    network = build_model("r3d_18", None, 3, seed=0, width=8, depth=[1, 1, 1, 1]).eval()
    head = get_layer(network, network.spec.head)
    with torch.no_grad():
        head.weight.normal_(0, 1, generator=torch.Generator().manual_seed(1))
    return TrainedModel(network, ["a", "b", "c"], torch.device("cpu"))


@pytest.fixture
def samples():
    """Clips of blocks that differ much in color."""
    rng, found = np.random.default_rng(0), []
    places = np.indices((8, 32, 32))
    labels = (1 + places[0] // 4 * 16 + places[1] // 8 * 4 + places[2] // 8).astype(np.uint16)
    for name in "abc":
        colors = rng.integers(0, 256, (33, 3), np.uint8)
        kept = np.array([(0, label) for label in range(1, 33)])
        found.append(Sample(colors[labels], labels[None], kept, name))
    return found


def timed_as(*seconds):
    """A clock that has given seconds elapse, of float32 and bfloat16 in turn."""
    turn = itertools.cycle(seconds)
    return lambda work, device: (work(), next(turn))


def decide(model, samples, asked="auto", seconds=(2.0, 1.0)):
    rng = np.random.default_rng(0)
    return decide_precision(model, samples, LAYERS, asked, rng=rng, timed=timed_as(*seconds))


@pytest.fixture
def hardware(monkeypatch):
    """Says whether the hardware has bfloat16; at first it has."""
    has = {"bfloat16": True}
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: has["bfloat16"])
    return has


def test_passes_in_bfloat16_are_near_those_in_float32(model):
    clips = np.random.default_rng(1).integers(0, 256, (4, 8, 32, 32, 3), np.uint8)
    other = dataclasses.replace(model, precision="bfloat16")
    exact, rounded = model.logits(clips), other.logits(clips)
    assert rounded.dtype == exact.dtype == np.float32
    with torch.no_grad():
        assert (exact == model.network(model.inputs(clips)).numpy()).all()
    scale = np.abs(exact).max()
    # 8 bits of a number: 0.4 % for each of a few roundings, and not none.
    assert 0 < np.abs(exact - rounded).max() < 0.03 * scale


def test_activations_of_supervoxels_go_by_the_precision_and_gradients_do_not(model, samples):
    clip, labels, kept, _ = samples[0]
    other = dataclasses.replace(model, precision="bfloat16")
    exact, rounded = (supervoxel_activations(one, clip, labels, kept, LAYERS)[0] for one in (model, other))
    for layer in LAYERS:
        assert rounded[layer].dtype == np.float32
        assert 0 < np.abs(exact[layer] - rounded[layer]).max() < 0.03 * np.abs(exact[layer]).max()
    inputs = model.inputs(clip[None])
    with torch.no_grad():
        assert layer_activations(model.network, inputs, LAYERS)[1].dtype == torch.float32
    gradients = [logit_gradients(one.network, inputs, torch.tensor([1]), LAYERS) for one in (model, other)]
    assert all(torch.equal(gradients[0][layer], gradients[1][layer]) for layer in LAYERS)


def test_auto_takes_a_robust_network(model, samples, hardware):
    found = decide(model, samples)
    assert (found["precision"], found["reason"]) == ("bfloat16", ""), found
    assert found["n_clips"] == 3 and found["n_inputs"] == 3 * (24 + 25) and found["speed"] == 2.0
    # The same clips decide the same.
    assert decide(model, samples) == found


def test_auto_refuses_a_network_whose_decisions_bfloat16_changes(model, samples, hardware, caplog):
    with torch.no_grad():
        get_layer(model.network, model.network.spec.head).bias += 1000  # where bfloat16 goes in steps of 4
    with caplog.at_level(logging.WARNING):
        found = decide(model, samples)
    assert found["precision"] == "float32" and "decisions" in found["reason"]
    assert found["changed_clearly"] > 0 and found["reason"] in caplog.text
    # Asked for outright it is used nevertheless, and the artifact says what speaks against it.
    asked = decide(model, samples, "bfloat16")
    assert asked["precision"] == "bfloat16" and asked["reason"] == found["reason"]


def test_auto_refuses_what_is_not_faster(model, samples, hardware):
    found = decide(model, samples, seconds=(1.1, 1.0))
    assert found["precision"] == "float32" and found["reason"] == "it is not 1.2 times as fast"
    assert found["speed"] == pytest.approx(1.1)


@pytest.mark.parametrize("asked", ["auto", "bfloat16"])
def test_without_bfloat16_nothing_is_measured(model, samples, hardware, asked, caplog):
    hardware["bfloat16"] = False
    with caplog.at_level(logging.WARNING):
        found = decide(model, samples, asked)
    assert found["precision"] == "float32" and found["n_inputs"] == 0
    assert caplog.text.count("float32 is used") == 1
    hardware["bfloat16"] = True
    assert decide(model, [], asked)["precision"] == ("bfloat16" if asked == "bfloat16" else "float32")


@pytest.mark.parametrize(
    "name, value",
    [
        ("changed", 0.03), ("changed_clearly", 0.01), ("tau_alone", 0.89), ("tau_hidden", 0.89), ("cosine", 0.98),
        ("speed", 1.19), *((name, np.nan) for name in GOOD),
    ],
)  # fmt: skip
def test_everything_must_hold(name, value):
    assert objection(GOOD) == ""
    assert objection(GOOD | {name: value})


def test_decisions_that_float32_leaves_open_may_change():
    exact = np.array([[0.0, 1.0], [0.0, 0.04], [0.0, 0.06], [1.0, 0.0], [1.0, 0.0]])
    rounded = np.array([[0.0, 1.01], [0.04, 0.0], [0.06, 0.0], [np.nan, 0.0], [1.0, np.nan]])
    changed, clearly = changed_decisions(exact, rounded)
    assert changed.tolist() == [False, True, True, True, True]
    assert clearly.tolist() == [False, False, True, True, True]


def test_what_is_compared_does_not_hang_on_the_networks_own_precision(model, samples):
    def compared(one):
        rng = np.random.default_rng(0)
        return compare_precisions(one, samples[:1], LAYERS, rng=rng, timed=timed_as(2.0, 1.0))

    assert compared(model) == compared(dataclasses.replace(model, precision="bfloat16"))
