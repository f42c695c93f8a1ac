"""Random streams by name."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from voxplain.streams import seed_of, stream

NAMES = [(0,), (1,), (0, "a"), (0, "b"), (0, "a", "b"), (0, "b", "a"), (0, "ab"), (0, ""), (0, "", "")]


def test_a_stream_is_the_same_wherever_it_is_asked_for():
    first = [stream(3, "edit", "r3d", "v1", 0).random(4).tolist() for _ in range(2)]
    assert first[0] == first[1] == stream(3, "edit", "r3d", "v1", "0").random(4).tolist()


@pytest.mark.parametrize(("a", "b"), list(combinations(NAMES, 2)), ids=str)
def test_streams_of_other_names_have_nothing_in_common(a, b):
    ours, theirs = stream(*a).integers(2**63, size=200), stream(*b).integers(2**63, size=200)
    assert not np.intersect1d(ours, theirs).size


def test_streams_of_many_names_are_unrelated():
    drawn = np.stack([stream(0, f"v{number}").standard_normal(64) for number in range(200)])
    correlation = np.corrcoef(drawn)[np.triu_indices(200, 1)]
    assert abs(correlation.mean()) < 0.005 and correlation.std() == pytest.approx(1 / 8, abs=0.01)


def test_seeds_by_name_are_whole_numbers_that_differ():
    assert seed_of(0, "a") == seed_of(0, "a")
    assert len({seed_of(seed, name) for seed in range(20) for name in "abcdefghij"}) == 200
