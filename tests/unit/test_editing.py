"""Adding and removing concepts, and the tables made of it, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxplain.concepts import UNEDITED
from voxplain.concepts.tables import editing_table, gap_table
from voxplain.editing import edit_answers, edits, first_position
from voxplain.models.tables import accuracy_table


def two_levels():
    """A clip of 2 x 2 x 4 voxels: level 0 halves it left and right, level 1 is one column each."""
    coarse = np.tile(np.array([1, 1, 2, 2], dtype=np.uint16), (2, 2, 1))
    fine = np.tile(np.array([1, 2, 3, 4], dtype=np.uint16), (2, 2, 1))
    return np.stack([coarse, fine])


KEPT = np.array([[0, 1], [0, 2], [1, 2], [1, 4]])
CONCEPTS = np.array([2, 0, 1, 1])


def test_first_position_is_the_earliest_of_overlapping_supervoxels():
    first = first_position(two_levels(), KEPT, np.array([2, 0, 1, 1]))
    assert first[0, 0].tolist() == [2, 1, 0, 0]


def test_voxels_of_no_kept_supervoxel_are_never_covered():
    first = first_position(two_levels()[1:], np.array([[0, 2]]), np.array([0]))
    assert (first[0, 0] == 0).tolist() == [False, True, False, False]


def test_edits_by_hand():
    found = {
        (e.strategy, e.k): e.mask[0, 0].tolist()
        for e in edits(two_levels(), KEPT, CONCEPTS, np.array([1, 2, 0]), draws=1)
    }
    assert found["top", 1] == [False, True, False, True]
    assert found["top", 2] == [True, True, False, True]
    assert found["least", 1] == [False, False, True, True]
    assert found["top", 3] == found["least", 3] == found["random", 3] == [True] * 4
    assert found["top", 5] == found["least", 5] == [True] * 4  # three concepts are all there are


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_edits_grow_with_k_and_the_control_matches_the_volume(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(1, 9, size=(2, 4, 6, 6)).astype(np.uint16)
    kept = np.array([(level, label) for level in range(2) for label in range(1, 9)])
    concepts, ranking = rng.integers(0, 5, size=len(kept)), rng.permutation(5)
    found = {
        (e.strategy, e.draw, e.k): e.mask for e in edits(labels, kept, concepts, ranking, draws=2, seed=seed)
    }
    largest = max(np.count_nonzero(labels[level] == label) for level, label in kept)
    for (strategy, draw, k), mask in found.items():
        if k > 1:
            assert not (found[strategy, draw, k - 1] & ~mask).any() or strategy == "random_volume"
        if strategy == "random_volume":
            assert abs(np.count_nonzero(mask) - np.count_nonzero(found["top", 0, k])) <= largest / 2 + 1
    again = {
        (e.strategy, e.draw, e.k): e.mask for e in edits(labels, kept, concepts, ranking, draws=2, seed=seed)
    }
    assert all(np.array_equal(found[key], again[key]) for key in found)


def test_answers_are_to_shown_and_hidden_voxels():
    clip = np.full((2, 2, 4, 3), 200, dtype=np.uint8)
    seen = []

    def classify(clips):
        seen.extend(clips)
        return np.array([int(c.mean()) for c in clips])

    table = edit_answers(
        classify, clip, two_levels(), KEPT, CONCEPTS, np.array([1, 2, 0]), fill=(0, 0, 0), draws=1, batch=4
    )
    rows = table.set_index(["experiment", "strategy", "k"])
    assert rows.loc[("none", UNEDITED, 0), "answer"] == 200
    assert rows.loc[("concept_addition", "top", 1), "answer"] == 100
    assert rows.loc[("concept_removal", "top", 1), ["shown", "answer"]].tolist() == [0.5, 100]
    assert rows.loc[("concept_removal", "top", 3), ["shown", "answer"]].tolist() == [0, 0]
    assert len(seen) == len(table)


def answers():
    """Two seeds, three videos, k = 1, one experiment; top is right at 5 of 6, least at 1 of 6."""
    rows = []
    for seed, top, least in [(0, (1, 1, 1), (0, 0, 1)), (1, (1, 1, 0), (0, 0, 0))]:
        for video, (t, low) in enumerate(zip(top, least, strict=True)):
            base = {"model": "r3d", "seed": seed, "layer": "layer3", "video": f"v{video}", "shown": 0.25}
            rows.append(
                {**base, "experiment": "none", "strategy": UNEDITED, "draw": 0, "k": 0, "correct": True}
            )
            rows.append(
                {
                    **base,
                    "experiment": "concept_addition",
                    "strategy": "top",
                    "draw": 0,
                    "k": 1,
                    "correct": bool(t),
                }
            )
            rows.append(
                {
                    **base,
                    "experiment": "concept_addition",
                    "strategy": "least",
                    "draw": 0,
                    "k": 1,
                    "correct": bool(low),
                }
            )
            for strategy in ("random", "random_volume"):
                for draw in range(2):
                    rows.append(
                        {
                            **base,
                            "experiment": "concept_addition",
                            "strategy": strategy,
                            "draw": draw,
                            "k": 1,
                            "correct": draw == 0,
                        }
                    )
    return pd.DataFrame(rows)


PUBLISHED = pd.DataFrame(
    {"model": ["r3d"], "strategy": ["top"], "k": [1], "published": [0.1167], "published_baseline": [0.7562]}
)


def test_editing_table_by_hand():
    table = editing_table(answers(), PUBLISHED).set_index("strategy")
    assert table["accuracy"].to_dict() == pytest.approx(
        {"top": 5 / 6, "least": 1 / 6, "random": 0.5, "random_volume": 0.5}
    )
    assert (table["n_videos"] == 3).all() and (table["n_seeds"] == 2).all() and (table["baseline"] == 1).all()
    assert table.loc["top", "published"] == 0.1167 and np.isnan(table.loc["least", "published"])
    assert np.isnan(table.loc["top", "p_value"]) and 0 < table.loc["least", "p_value"] <= 1
    assert (table["ci_low"] <= table["accuracy"]).all() and (table["accuracy"] <= table["ci_high"]).all()


def test_one_seed_without_draws_has_a_wilson_interval():
    one = answers().query("seed == 0")
    row = editing_table(one, PUBLISHED).set_index("strategy").loc["top"]
    assert (row["accuracy"], row["ci_high"]) == (1, 1)
    assert row["ci_low"] == pytest.approx(3 / (3 + 1.959964**2))


def test_gap_table_by_hand():
    gaps = gap_table(answers()).set_index(["better", "worse"])
    assert gaps.loc[("top", "least"), "gap"] == pytest.approx(4 / 6)
    assert gaps.loc[("top", "random"), "gap"] == pytest.approx(1 / 3)
    assert gaps.loc[("top", "least"), ["n_videos", "n_seeds"]].tolist() == [3, 2]


def test_accuracy_table_by_hand():
    predictions = pd.DataFrame(
        {
            "model": "i3d",
            "seed": 0,
            "video": list("abcd"),
            "class": ["x", "x", "y", "y"],
            "predicted": ["x", "y", "y", "y"],
        }
    )
    table = accuracy_table(predictions).set_index("class")
    assert table["accuracy"].to_dict() == {"all": 0.75, "x": 0.5, "y": 1.0}
    assert table["n_videos"].to_dict() == {"all": 4, "x": 2, "y": 2}
