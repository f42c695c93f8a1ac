"""Networks above a layer: the same answers without what is beneath, and gradients with random weights."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from voxplain import build_model
from voxplain.activations import logit_gradients
from voxplain.concepts import random_gradients as module
from voxplain.concepts.random_gradients import random_gradients
from voxplain.errors import ConfigError
from voxplain.models.trained import TrainedModel
from voxplain.models.upper import Upper, parts_around, redraw
from voxplain.streams import seed_of

NETWORKS = {
    "r3d_18": dict(width=4, depth=[1, 1, 1, 1]),
    "i3d": dict(width=0.0625, small_input=True, dropout=0.0),
    "c3d": dict(width=4, fc_width=8, batch_norm=True, dropout=0.0, size=32),
}


def network(name, seed=0):
    return build_model(name, None, 3, seed=seed, **NETWORKS[name])


def test_parts_lie_around_the_layer_as_large_as_can_be():
    assert parts_around(network("r3d_18"), "layer3", (8, 32, 32)) == (
        ["stem", "layer1", "layer2"],
        ["layer4", "avgpool", "fc"],
    )
    before, after = parts_around(network("r3d_18"), "layer3.0.conv1", (8, 32, 32))
    assert before[-1] == "layer3.0.downsample" and after[0] == "layer3.0.conv2" and "layer4" in after
    with pytest.raises(ConfigError, match="no layer 'layer9'"):
        parts_around(network("r3d_18"), "layer9", (8, 32, 32))


@pytest.mark.parametrize(
    ("name", "layer", "alone"),
    [
        ("r3d_18", "layer3", True),
        ("r3d_18", "layer3.0.conv1", False),  # the block's sum takes its input too
        ("i3d", "mixed_4c", True),
        ("c3d", "pool4", True),
    ],
)
def test_gradients_above_a_layer_are_those_of_the_whole_network(name, layer, alone):
    trained, inputs = network(name), torch.randn(3, 3, 16, 32, 32, generator=torch.manual_seed(0))
    upper, targets = Upper(trained, layer, inputs[:1]), torch.tensor([0, 2, 1])
    features = upper.features(inputs)
    assert upper.alone == alone and (features is inputs) != alone
    upper.redraw(7)
    with upper.given(features) as given:
        found = logit_gradients(upper.network, given, targets, [layer])[layer]
        logits = upper.network(given)
    whole = copy.deepcopy(trained)
    redraw(whole, parts_around(trained, layer, inputs.shape[2:])[1], seed=7)
    expected = logit_gradients(whole, inputs, targets, [layer])[layer]
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-7) and expected.abs().max() > 0
    assert torch.allclose(logits, whole(inputs), rtol=1e-4)
    # The copy was redrawn, and runs as a whole again; the network itself is as it was.
    assert torch.equal(upper.network(inputs), whole(inputs))
    assert torch.equal(trained(inputs), network(name)(inputs))


def test_random_gradients_are_means_over_a_classes_clips(monkeypatch):
    rng = np.random.default_rng(0)
    model = TrainedModel(network("r3d_18"), ["a", "b", "c"], torch.device("cpu"))
    shown = rng.integers(0, 256, (5, 8, 16, 16, 3), dtype=np.uint8)
    table = pd.DataFrame({"class": ["b", "a", "b", "a", "c"]})
    clips = SimpleNamespace(table=table, fetch=lambda rows: shown[rows])
    found = random_gradients(model, clips, np.arange(4), "layer3", draws=3, seed=2, batch=3)
    assert {name: part.shape for name, part in found.items()} == {"a": (3, 16), "b": (3, 16)}
    whole = copy.deepcopy(model.network)
    redraw(whole, ["layer4", "fc"], seed=seed_of(2, 1))
    targets = torch.tensor([1, 0, 1, 0])
    expected = logit_gradients(whole, model.inputs(shown[:4]), targets, ["layer3"])["layer3"].numpy()
    assert found["a"][1] == pytest.approx(expected[[1, 3]].mean(axis=0), rel=1e-3, abs=1e-7)
    assert found["b"][1] == pytest.approx(expected[[0, 2]].mean(axis=0), rel=1e-3, abs=1e-7)
    # Held in memory at once or not, the networks are the same.
    monkeypatch.setattr(module, "MEMORY", 1)
    again = random_gradients(model, clips, np.arange(4), "layer3", draws=3, seed=2, batch=3)
    assert all(np.array_equal(found[name], again[name]) for name in found)
