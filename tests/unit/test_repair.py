"""Concepts switched off: what is left of an activation, and a table that random directions do not fool."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from voxplain.__main__ import main
from voxplain.cli import repair as command
from voxplain.concepts.repair import (
    AS_IS,
    CONCEPTS_OFF,
    CONTROLS,
    basis,
    repair_table,
    repaired_logits,
    repairs,
)
from voxplain.errors import ConfigError
from voxplain.models.tables import accuracy_table
from voxplain.models.upper import Upper
from voxplain.videos.adapters.embedded import embedded
from voxplain.videos.embedded import make_embedded_videos, read_ground_truth


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.sampled_from([1, 2, 8]))
def test_a_basis_spans_what_it_is_given_in_every_cell(seed: int, k: int, cells: int) -> None:
    ways = np.random.default_rng(seed).normal(size=(k, 6, cells))
    ways = np.concatenate([ways, ways.sum(axis=0, keepdims=True)])  # one that depends on the others
    found = basis(ways.reshape(k + 1, -1), cells).reshape(-1, 6, cells)
    assert len(found) == k
    for cell in range(cells):
        own, there = found[..., cell].astype(float), ways[..., cell]
        np.testing.assert_allclose(own @ own.T, np.eye(k), atol=1e-5)
        np.testing.assert_allclose(there @ own.T @ own, there, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(0, 2), st.sampled_from([1, 4]))
def test_controls_are_of_as_many_directions_as_the_concepts_span(
    seed: int, k: int, again: int, cells: int
) -> None:
    rng = np.random.default_rng(seed)
    ways = rng.normal(size=(k, 6 * cells))
    ways = np.concatenate([ways, 2 * ways[:1].repeat(again, axis=0)])  # parallel to the first
    random_ways = rng.normal(size=(4, 6 * cells)).repeat(2, axis=0)
    versions = repairs(ways, random_ways, draws=5, cells=cells, rng=rng)
    assert [what for what, *_ in versions] == [AS_IS, CONCEPTS_OFF, *CONTROLS * 5]
    assert {len(removed) for *_, removed in versions[1:]} == {k} and versions[0][2] is None


def test_too_few_random_concepts_are_no_control_and_that_is_said(monkeypatch, capsys) -> None:
    rng = np.random.default_rng(0)
    versions = repairs(rng.normal(size=(5, 8)), rng.normal(size=(3, 8)), draws=2, rng=rng)
    assert [what for what, *_ in versions] == [AS_IS, CONCEPTS_OFF, *CONTROLS[:1] * 2]
    rows = [(f"v{video}", "", what, draw, video > 3) for what, draw, _ in versions for video in range(8)]
    found = pd.DataFrame(rows, columns=["video", "subset", "what", "draw", "right"])
    place = SimpleNamespace(model="r3d", layer="layer3", seed=0)
    monkeypatch.setattr(command, "finished_layers", lambda *a, **k: [place])
    monkeypatch.setattr(command, "_concepts", lambda *a: [("wave", 0)])
    monkeypatch.setattr(command, "_answers", lambda *a: found)
    assert main(["repair", "results/x", "--concept", "wave/0"]) == 0
    assert "no comparison with random concepts" in capsys.readouterr().out


def test_a_number_is_not_taken_for_concepts_of_several_networks(monkeypatch, capsys) -> None:
    places = [SimpleNamespace(model="r3d", layer="layer3", seed=seed) for seed in (0, 1)]
    monkeypatch.setattr(command, "finished_layers", lambda *a, **k: places)
    assert main(["repair", "results/x", "--concept", "wave/0"]) == 1
    told = capsys.readouterr().err
    assert "choose one by --model, --layer and --seed (r3d, layer3, seed 0; r3d, layer3, seed 1)" in told


def network(seed: int = 0) -> nn.Sequential:
    """Logits are the layer's first two channels, averaged over positions."""
    torch.manual_seed(seed)
    model = nn.Sequential()
    model.add_module("layer", nn.Conv3d(3, 4, 1))
    model.add_module("pool", nn.AdaptiveAvgPool3d(1))
    model.add_module("flatten", nn.Flatten())
    model.add_module("head", nn.Linear(4, 2, bias=False))
    model.head.weight.data = torch.eye(4)[:2]
    return model.eval()


@pytest.mark.parametrize("grid", [(1, 1, 1), (1, 2, 2), None])
def test_what_lies_along_the_directions_is_as_in_random_samples(grid) -> None:
    model, rng = network(), np.random.default_rng(1)
    inputs = torch.as_tensor(rng.normal(size=(3, 3, 2, 4, 4)), dtype=torch.float32)
    cells = {(1, 1, 1): 1, (1, 2, 2): 4, None: 32}[grid]
    first = np.zeros((1, 4, cells))
    first[0, 0] = 5.0  # the first channel, in every cell
    baseline = np.repeat([0.25, 9.0, 9.0, 9.0], cells)
    upper = Upper(model, "layer", inputs[:1])
    found = repaired_logits(upper, inputs, [None, basis(first.reshape(1, -1), cells)], baseline, grid=grid)
    np.testing.assert_allclose(found[0], model(inputs).detach(), rtol=1e-5)
    np.testing.assert_allclose(found[1, :, 0], 0.25, rtol=1e-4)
    np.testing.assert_allclose(found[1, :, 1], found[0, :, 1], rtol=1e-5)


def answers(rng: np.random.Generator, lost: float, lost_by_controls: float, videos: int = 60, draws: int = 8):
    rows = []
    for video in range(videos):
        right = rng.random() < 0.9
        subset = ("other_cue", "own_cue")[video % 2]
        rows.append((f"v{video}", subset, AS_IS, 0, right))
        rows.append((f"v{video}", subset, CONCEPTS_OFF, 0, right and rng.random() >= lost))
        for draw in range(draws):
            rows += [
                (f"v{video}", subset, what, draw, right and rng.random() >= lost_by_controls)
                for what in CONTROLS
            ]
    return pd.DataFrame(rows, columns=["video", "subset", "what", "draw", "right"])


def test_the_table_counts() -> None:
    rows = pd.DataFrame(
        [
            (f"v{video}", "x" if video < 4 else "y", what, 0, right)
            for what, outcomes in {
                AS_IS: "11110111",
                CONCEPTS_OFF: "00110110",
                CONTROLS[0]: "11110111",
                CONTROLS[1]: "01110111",
            }.items()
            for video, right in enumerate(map(int, outcomes))
        ],
        columns=["video", "subset", "what", "draw", "right"],
    )
    table = repair_table(rows).set_index(["subset", "what"])
    assert table.loc[("all", AS_IS), "accuracy"] == 7 / 8
    assert table.loc[("all", CONCEPTS_OFF), "difference"] == -3 / 8
    assert table.loc[("x", CONCEPTS_OFF), ["accuracy", "difference", "n_videos"]].tolist() == [0.5, -0.5, 4]
    assert table.loc[("all", CONTROLS[0]), "beyond"] == -3 / 8
    assert table.loc[("all", CONTROLS[1]), "beyond"] == -2 / 8
    assert np.isnan(table.loc[("all", CONCEPTS_OFF), "beyond"])


def test_accuracy_is_the_share_of_videos_and_intervals_rest_on_groups() -> None:
    """A group of twelve videos, all right but one without the concepts, and four of one, all wrong."""
    groups = np.repeat(list("abcde"), [12, 1, 1, 1, 1])
    rows = pd.DataFrame(
        [
            (f"v{video:02}", group, "", what, 0, group == "a" and (what != CONCEPTS_OFF or video > 0))
            for what in (AS_IS, CONCEPTS_OFF, *CONTROLS)
            for video, group in enumerate(groups)
        ],
        columns=["video", "group", "subset", "what", "draw", "right"],
    )
    table = repair_table(rows).set_index("what")
    assert table.loc[AS_IS, "accuracy"] == 12 / 16
    assert table.loc[CONCEPTS_OFF, ["accuracy", "difference"]].tolist() == pytest.approx([11 / 16, -1 / 16])
    assert table.loc[CONTROLS[1], "beyond"] == pytest.approx(-1 / 16)
    predicted = rows[rows["what"] == AS_IS].assign(model="m", seed=0, **{"class": "x"})
    predicted["predicted"] = np.where(predicted["right"], "x", "y")
    run = accuracy_table(predicted).set_index("class").loc["all"]
    ends = ["accuracy", "ci_low", "ci_high"]
    assert table.loc[AS_IS, ends].tolist() == pytest.approx(run[ends].tolist())
    assert (table["n_videos"] == 16).all() and (table["n_groups"] == 5).all()
    assert "n_groups" in command._words(table.reset_index())
    alone = repair_table(rows.drop(columns="group"))
    assert "n_groups" not in alone and "n_groups" not in command._words(alone)


@pytest.mark.parametrize("loss", [0, 0.02])
def test_a_rare_loss_is_within_the_interval(loss: float) -> None:
    """Of 60 videos most runs see none change: that is no proof that none does."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(100):
        rows = pd.DataFrame(
            [
                (f"v{video}", "", what, 0, bool(what != CONCEPTS_OFF or kept))
                for what in (AS_IS, CONCEPTS_OFF, *CONTROLS)
                for video, kept in enumerate(rng.random(60) >= loss)
            ],
            columns=["video", "subset", "what", "draw", "right"],
        )
        row = repair_table(rows).set_index("what").loc[CONCEPTS_OFF]
        assert row["difference_ci_high"] - row["difference_ci_low"] > 0.02
        covered += row["difference_ci_low"] <= -loss <= row["difference_ci_high"]
    assert covered >= 92


def test_no_more_than_random_concepts_is_rarely_told_apart() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(150):
        table = repair_table(answers(rng, 0.3, 0.3)).set_index(["subset", "what"])
        found.append(table.loc[("all", CONTROLS[1]), "p_value"] <= 0.05)
    assert np.mean(found) <= 0.09  # two standard errors of 150 tries
    table = repair_table(answers(rng, 0.6, 0.05)).set_index(["subset", "what"])
    assert (
        table.loc[("all", CONTROLS[1]), "p_value"] < 0.01 and table.loc[("all", CONTROLS[1]), "beyond"] < -0.3
    )


def test_embedded_videos_tell_whether_they_show_their_own_cue(tmp_path) -> None:
    options = {"classes": 3, "train_per_class": 2, "test_per_class": 4, "size": 32, "frames": 2, "seed": 5}
    table = embedded(tmp_path, **options, subset="cue", cue_probability_test=0.5)
    assert "subset" not in embedded(tmp_path, **options)
    make_embedded_videos(tmp_path, **options, subset="cue", cue_probability_test=0.5)
    shown = [read_ground_truth(tmp_path / "ground_truth.h5", path) for path in table["path"].map(stem)]
    own = {}
    for scene, row in zip(shown, table.itertuples(), strict=True):
        if row.subset == "own_cue":
            own.setdefault(row[2], set()).add(scene.attributes["cue"])
    assert all(len(cues) == 1 for cues in own.values()) and len(set(map(tuple, own.values()))) == len(own)
    for scene, row in zip(shown, table.itertuples(), strict=True):
        assert (row.subset == "own_cue") == (scene.attributes["cue"] in own.get(row[2], ()))
    with pytest.raises(ConfigError, match="no cue beside their class"):
        embedded(tmp_path, variant="motion_only", subset="cue")


def stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".mp4")
