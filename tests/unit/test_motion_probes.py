"""Motion probes: quantities with known values, and probes that tell what is there from what is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from voxplain import build_model
from voxplain.checks.motion_probes.compute import (
    QUANTITIES,
    Side,
    evidence_quantities,
    pixel_features,
    probe,
    probe_network,
    probe_rows,
    probed_layers,
)
from voxplain.checks.motion_probes.figure import motion_probes_figure
from voxplain.checks.motion_probes.table import motion_probes_table
from voxplain.models.trained import TrainedModel
from voxplain.videos.truth import Truth


def test_quantities_of_a_moving_square() -> None:
    labels = np.zeros((3, 8, 10), np.uint8)
    flow = np.zeros((2, 8, 10, 2), np.float32)
    for t in range(3):
        labels[t, 2:4, 1 + 3 * t : 3 + 3 * t] = 1
    for t in range(2):
        flow[t][labels[t] == 1] = (3, 0)
        flow[t, 2, 1 + 3 * t] = np.nan  # one voxel of which it is not known
    flow[:, 7] = (50, 50)  # the background's own
    found = evidence_quantities(Truth(labels, {"evidence": [1]}, flow))
    assert found["speed"].tolist() == [3] and found["velocity"].tolist() == [3, 0]
    assert found["place"].tolist() == pytest.approx([5 / 10, 3 / 8]) and found["size"].tolist() == [12 / 240]
    flow[1][labels[1] == 1] = (-4, 0)  # to and fro: fast, and nowhere
    found = evidence_quantities(Truth(labels, {"evidence": [1]}, flow))
    assert found["speed"].item() == pytest.approx((3 * 3 + 4 * 4) / 7)
    assert found["velocity"][0] == pytest.approx((3 * 3 - 4 * 4) / 7)
    assert evidence_quantities(Truth(labels, {"distractor": [1]}, flow)) is None
    assert evidence_quantities(Truth(labels, {"evidence": [1]}, None)) is None
    assert evidence_quantities(Truth(labels, {"evidence": [2]}, flow)) is None


def test_pixels_have_eight_numbers() -> None:
    clip = np.full((4, 6, 6, 3), 100, np.uint8)
    assert pixel_features(clip).tolist() == pytest.approx([100, 100, 100, 0, 0, 0, 0, 0])


def test_layers_are_spread_from_the_first_to_the_last() -> None:
    model = build_model("r3d", None, 4, width=8, depth=[1, 1, 1, 1]).eval()
    every = probed_layers(model, (8, 32, 32), 99)
    assert len(every) >= 5
    assert probed_layers(model, (8, 32, 32), 3) == [every[0], every[round((len(every) - 1) / 2)], every[-1]]


def clips(rng: np.random.Generator, n: int):
    """Targets of n clips, and features in which velocity is a linear function, and place is not there."""
    targets = [
        {name: rng.normal(size=2 if name in ("velocity", "place") else 1) for name in QUANTITIES}
        for _ in range(n)
    ]
    seen = np.stack([of["velocity"] for of in targets]) @ np.array([[1.0, 2.0, 0.5], [0.0, 1.0, -1.0]])
    return targets, seen + rng.normal(scale=0.05, size=seen.shape)


def scores(seed: int, n: int = 60, m: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    (known, seen), (asked, new) = clips(rng, n), clips(rng, m)
    noise = rng.normal(size=(n, 3)), rng.normal(size=(m, 3))
    features = {
        ("network", "layer1"): noise, ("network", "layer2"): (seen, new), ("random_network", "layer1"): noise[::1],
        ("random_network", "layer2"): (rng.normal(size=(n, 3)), rng.normal(size=(m, 3))),
        ("pixels", ""): (rng.normal(size=(n, 2)), rng.normal(size=(m, 2))),
    }  # fmt: skip
    test = pd.DataFrame({"video": [f"v{i}" for i in range(m)], "clip": 0})
    return probe_rows(features, (known, asked), test).assign(model="r3d", seed=0)


def test_the_table_is_the_coefficient_of_determination() -> None:
    found = scores(0)
    table = motion_probes_table(found).set_index(["source", "layer", "quantity"])
    row = table.loc[("network", "layer2", "velocity")]
    assert row["r_squared"] > 0.95 and row["difference_ci_low"] > 0.8 and row["p_adjusted"] < 0.01
    own = found[
        (found["source"] == "network") & (found["layer"] == "layer2") & (found["quantity"] == "velocity")
    ]
    assert row["r_squared"] == pytest.approx(1 - own["error"].sum() / own["deviation"].sum())
    assert table.loc[("network", "layer1", "velocity"), "r_squared"] < 0.2
    assert table.loc[("network", "layer2", "place"), "r_squared"] < 0.2
    assert table["depth"].groupby("source").max().to_dict() == {
        "network": 1,
        "random_network": 1,
        "pixels": 0,
    }
    motion_probes_figure(table.reset_index())
    assert motion_probes_table(found.iloc[:0]).empty


def test_a_probe_is_a_ridge_regression_on_standardized_features() -> None:
    rng = np.random.default_rng(0)
    known, new, targets = rng.normal(size=(30, 4)) * 9 + 5, rng.normal(size=(7, 4)), rng.normal(size=(30, 2))
    found = probe(known, targets, new)
    scale = known.mean(axis=0), known.std(axis=0)
    fits = [
        Ridge(penalty).fit((known - scale[0]) / scale[1], targets).predict((new - scale[0]) / scale[1])
        for penalty in np.logspace(-1, 5, 13)
    ]
    assert any(np.allclose(found, fit) for fit in fits)


def test_layers_that_know_nothing_are_rarely_said_to_know_more_than_controls() -> None:
    found = []
    for seed in range(60):
        table = motion_probes_table(scores(seed))
        own = table[
            (table["layer"] == "layer2") & (table["source"] == "network") & (table["quantity"] == "place")
        ]
        found.append((own["difference"].item() > 0) & (own["p_value"].item() <= 0.05))
    # One of two sides, and the best of five controls: well below 5 %.
    assert np.mean(found) <= 0.05


def test_variance_explained_is_what_scikit_learn_says() -> None:
    rng = np.random.default_rng(3)
    (known, seen), (asked, new) = clips(rng, 50), clips(rng, 30)
    truth = np.stack([of["velocity"] for of in asked])
    predicted = probe(seen, np.stack([of["velocity"] for of in known]), new)
    table = motion_probes_table(
        probe_rows(
            {("network", "layer"): (seen, new)}, (known, asked), pd.DataFrame({"video": range(30), "clip": 0})
        ).assign(model="r3d", seed=0)
    ).set_index("quantity")
    # Of the test clips' own mean, which it does not know, scikit-learn says a little less.
    assert table.loc["velocity", "r_squared"] == pytest.approx(
        r2_score(truth, predicted, multioutput="variance_weighted"), abs=0.02
    )


def test_a_network_is_probed_beside_all_controls() -> None:
    rng, network = np.random.default_rng(0), build_model("r3d", None, 2, width=8, depth=[1, 1, 1, 1]).eval()
    model = TrainedModel(network, ["a", "b"], torch.device("cpu"))

    def side(n: int) -> Side:
        clips = rng.integers(0, 255, (n, 4, 16, 16, 3), dtype=np.uint8)
        table = pd.DataFrame(
            {"video": [f"v{i}" for i in range(n)], "clip": 0, "class": ["a", "b"] * (n // 2)}
        )
        quantities = [
            {name: np.full(2 if name in ("velocity", "place") else 1, float(i % 2)) for name in QUANTITIES}
            for i in range(n)
        ]
        return Side(clips, quantities, table)

    found = probe_network(model, side(20), side(12), layers=3, grid=(1, 1, 1), batch=4)
    table = motion_probes_table(found.assign(model="r3d", seed=0))
    assert set(table["source"]) == {"network", "frozen", "random_network", "pixels", "class"}
    # The class says all of it, and so beats whatever a network says of noise.
    assert table.loc[table["source"] == "class", "r_squared"].min() > 0.95
    own = table[table["source"] == "network"]
    assert (own["best_control"] == "class").all() and own["r_squared"].max() < 0.9
    assert probe_network(model, side(20), side(2), layers=3, grid=(1, 1, 1)).empty
