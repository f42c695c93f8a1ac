"""Intervals and tests against closed forms, scipy, scikit-learn and simulated nulls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from voxplain.statistics import (
    FEWEST_UNITS,
    adjust_p_values,
    auroc,
    group_values,
    mean_interval,
    mean_p_value,
    paired_test,
    rank_correlation,
    rank_p_value,
    row_taus,
    shuffled_p_value,
    units_needed,
    wilson_interval,
)


def test_wilson_interval_is_the_closed_form():
    z, n, p = stats.norm.ppf(0.975), 96, 75 / 96
    centre, half = (p + z**2 / (2 * n)) / (1 + z**2 / n), z / (1 + z**2 / n)
    half *= np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert wilson_interval(75, 96) == pytest.approx((centre - half, centre + half))
    assert np.isnan(wilson_interval(0, 0)).all()


def test_paired_test_is_mcnemar_for_binary_outcomes():
    a = np.r_[np.ones(14), np.zeros(3), np.ones(20)]
    b = np.r_[np.zeros(14), np.ones(3), np.ones(20)]
    assert paired_test(a, b) == pytest.approx(stats.binomtest(3, 17).pvalue)
    assert paired_test(a, a) == 1.0


def test_sign_flips_agree_with_scipy():
    rng = np.random.default_rng(3)
    a, b = rng.random(12), rng.random(12) + 0.15
    exact = stats.permutation_test(
        (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert paired_test(a, b, flips=40_000) == pytest.approx(exact.pvalue, abs=0.01)


@pytest.mark.parametrize("levels", [None, 5])
def test_rank_p_values_are_uniform_or_larger_under_the_null(levels):
    rng = np.random.default_rng(0)
    draw = (
        (lambda n: rng.normal(size=n))
        if levels is None
        else (lambda n: rng.integers(levels, size=n) / levels)
    )
    p = np.concatenate([rank_p_value(draw(5), draw(99)) for _ in range(400)])
    for alpha in (0.05, 0.1, 0.2, 0.5):
        assert (p <= alpha).mean() < alpha + 0.03
    if levels is None:
        assert (p <= 0.2).mean() > 0.15


def test_paired_p_values_are_uniform_under_the_null():
    rng = np.random.default_rng(0)
    p = np.array([paired_test(rng.random(40), rng.random(40), flips=300, seed=i) for i in range(500)])
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_rank_p_value_by_hand():
    null = np.arange(1, 20) / 10
    assert rank_p_value(np.array([5.0, 1.0]), null) == pytest.approx([2 * 1 / 20, min(1, 2 * 11 / 20)])


def test_adjusted_p_values_by_hand():
    p = np.array([0.001, 0.02, np.nan, 0.03, 0.6])
    adjusted = adjust_p_values(p)
    assert np.isnan(adjusted[2])
    assert adjusted[[0, 1, 3, 4]] == pytest.approx([0.004, 0.04, 0.04, 0.6])  # p n / rank, made monotone


@pytest.mark.parametrize("seed", range(5))
def test_auroc_is_that_of_scikit_learn_with_ties(seed):
    rng = np.random.default_rng(seed)
    values, positive = rng.integers(0, 4, 40), rng.random(40) < 0.3
    assert auroc(values, positive) == pytest.approx(roc_auc_score(positive, values))


def test_auroc_of_one_class_is_unknown():
    assert np.isnan(auroc([1, 2], [True, True]))


def test_rank_correlation_is_that_of_scipy_with_ties():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 5, 50), rng.normal(size=50)
    assert rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert np.isnan(rank_correlation([1, 1, 1], [1, 2, 3]))


def test_p_values_are_uniform_where_nothing_is_related():
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(4), 6)
    found = [
        # Both depend on the group, which must not make them look related.
        shuffled_p_value(
            rank_correlation, rng.normal(size=24) + 3 * groups, rng.normal(size=24) + 3 * groups, groups,
            shuffles=99, seed=trial,
        )
        for trial in range(200)
    ]  # fmt: skip
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_p_value_of_a_perfect_order_is_the_smallest_possible():
    values = np.arange(12.0)
    assert shuffled_p_value(rank_correlation, values, values, np.zeros(12), shuffles=199) == pytest.approx(
        2 / 200
    )


def test_kendalls_tau_is_scipys_with_ties():
    values = np.random.default_rng(0).integers(0, 4, (20, 7)).astype(float)
    expected = [stats.kendalltau(row, values[0]).statistic for row in values]
    assert row_taus(values, values[0]) == pytest.approx(expected)
    assert np.isnan(row_taus(values, np.ones(7))).all()


# Standard deviations of seeds, units and the rest, from none of a seed to seeds alone.
SPREADS = [(0, 0.3, 0.3), (0.05, 0.3, 0.3), (0.2, 0.3, 0.3), (0.3, 0.05, 0.1)]


def drawn(rng, seeds, units, spread):
    of_seeds, of_units, rest = spread
    return (
        of_seeds * rng.normal(size=(seeds, 1))
        + of_units * rng.normal(size=(1, units))
        + rest * rng.normal(size=(seeds, units))
    )


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize(("seeds", "units"), [(1, 6), (3, 4), (3, 6), (3, 12), (3, 40)])
def test_the_interval_of_a_mean_covers_and_its_test_rejects_true_nulls_rarely(seeds, units, spread):
    spread = spread if seeds > 1 else (0, *spread[1:])
    rng = np.random.default_rng(0)
    tables = [drawn(rng, seeds, units, spread) for _ in range(2000)]
    covered = np.mean([low <= 0 <= high for low, high in map(mean_interval, tables)])
    # The test belongs to the interval; of one seed it is exact, and takes longer.
    some = tables[:300] if seeds == 1 else tables
    rejected = np.mean([mean_p_value(table) <= 0.05 for table in some])
    error = 2 * np.sqrt(0.05 * 0.95 / len(tables))
    # Above .97 where seeds add nothing to what chance gives them, or there are four units alone.
    assert 0.92 - error <= covered <= 0.985 + error
    assert rejected <= 0.08 + 2 * np.sqrt(0.05 * 0.95 / len(some))


def test_the_interval_of_a_mean_over_units_is_student_s():
    values = np.random.default_rng(0).normal(size=9)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert mean_interval(values) == pytest.approx((expected.low, expected.high))
    assert mean_interval([1, 1, 1, 0, 1, 1], share=True) == wilson_interval(5, 6)
    assert mean_interval(np.ones((3, 8)), share=True) == wilson_interval(8, 8)


def test_crossed_seeds_and_units_by_hand():
    # Row means 1 and 3, column means 1, 2, 3: squares 6, 2 and 0 over 1, 2 and 2 degrees of freedom.
    table = np.array([[0.0, 1, 2], [2, 3, 4]])
    error, freedom = np.sqrt(8 / 6), 64 / (36 + 2)
    low, high = mean_interval(table)
    assert (low + high) / 2 == pytest.approx(2)
    assert (high - low) / 2 == pytest.approx(error * stats.t.ppf(0.975, freedom))
    assert mean_p_value(table) == pytest.approx(2 * stats.t.sf(2 / error, freedom))


def test_too_few_units_have_no_interval():
    assert np.isnan(mean_interval([[0.1, 0.2], [0.3, 0.4]])).all()
    assert np.isnan(mean_interval([0.1, 0.2, np.nan])).all()
    assert np.isnan(mean_p_value([0.1, 0.2]))


def test_differences_of_0_and_1_are_no_outcomes():
    assert mean_interval([0.0, 0, 0, 0]) == (0, 0)  # of shares, Wilson's, which ends at .49
    # Of six units, one up and one down.
    assert mean_interval(np.zeros((3, 4)), change=True) == pytest.approx(
        (-1.959964 * 18**-0.5, 1.959964 * 18**-0.5), rel=1e-4
    )
    low, high = mean_interval([-1.0, -1, -1, 0], change=True)  # -1, -1, -1, 0, -1, 1: sum -3, squares 5
    assert low == -1 and high == pytest.approx(-0.5 + 1.959964 * ((5 / 6 - 0.25) / 6) ** 0.5, rel=1e-4)
    low, high = mean_interval([0.0, 1, 0, 0])
    assert low < 0 and (low + high) / 2 == pytest.approx(0.25)


def test_units_needed_are_those_of_the_tables():
    """Cohen's tables: half a standard deviation takes 34 pairs, a whole one 10, a fifth 199 (power 80 %, two-sided 5 %)."""
    assert [units_needed(1.0, effect) for effect in (0.2, 0.5, 1.0)] == [199, 34, 10]
    assert units_needed(0.01, 1.0) == FEWEST_UNITS


@pytest.mark.parametrize("seeds", [1, 3])
def test_values_that_are_all_equal_have_the_p_value_of_flipped_signs(seeds):
    assert mean_p_value(np.full((seeds, 8), 0.5)) == pytest.approx(2 / 2**8, rel=0.5)  # drawn, not all flips
    assert mean_p_value(np.ones((seeds, 8))) == pytest.approx(2 / 2**8)  # exact
    assert mean_p_value(np.zeros((seeds, 8))) == 1
    assert np.isnan(mean_p_value(np.ones((seeds, 2))))


def test_values_of_groups_have_the_units_mean_and_the_groups_spread():
    values = np.array([[1.0, 0, 1, 1, 0], [0.0, 0, 1, 1, np.nan]])
    groups = ["a", "a", "b", "b", "c"]
    # The unit without a value in one seed is left out in all, as without groups; the rest are of one size.
    np.testing.assert_array_equal(group_values(values, groups), [[0.5, 1], [0, 1]])
    np.testing.assert_array_equal(group_values(values, None), values)
    # Of several sizes large groups count more. The mean is .6; without a or b it is 1 / 2, without c 3 / 4, 7 / 12 on average.
    found = group_values(np.array([1.0, 1, 0, 1, 0]), ["a", "a", "a", "b", "c"])
    # The means without a, b and c have variances 1 / 2, 1 / 4, 1 / 4 and covariances 1 / 8, 1 / 8, 3 / 16 of a unit's.
    # About their mean that is a matrix of trace 3 / 8 and squares 13 / 128: 18 / 13 degrees of freedom in place of 2.
    stretch = stats.t.ppf(0.975, 18 / 13) / stats.t.ppf(0.975, 2)
    np.testing.assert_allclose(found, 0.6 + stretch * np.array([[2 / 12, 2 / 12, -4 / 12]]))
    assert found.mean() == pytest.approx(0.6)
    of_seeds = group_values(np.array([[1.0, 1, 0, 1, 0], [0, 0, 0, 0, 1]]), ["a", "a", "a", "b", "c"])
    np.testing.assert_allclose(of_seeds[:1], found)
    assert of_seeds[1].mean() == pytest.approx(0.2)
    assert (group_values(np.ones(5), ["a", "a", "a", "b", "c"]) == 1).all()
    assert group_values(np.full(3, np.nan), ["a", "b", "c"]).shape == (1, 0)


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("alike", [0.5, 1.0])  # share of the variance that a group's videos have in common
@pytest.mark.parametrize(
    "sizes, most",  # by the delta method the second covers 76 %, by the jackknife alone 90 %
    [
        ([1] * 8 + [4] * 4 + [10] * 2, 0.97),
        ([1] * 10 + [12], 0.995),
        ([1] * 8 + [10] * 2, 0.985),
        ([1, 1, 2, 2, 8, 9], 0.985),
    ],
)
def test_intervals_cover_where_few_groups_hold_most(sizes, most, alike, seeds):
    """What docs/method.md says of it: 92 to 97 % where groups differ, and more where one or two hold most."""
    rng, groups = np.random.default_rng(0), np.repeat(np.arange(len(sizes)), sizes)
    covered, rejected = [], []
    for _ in range(400):
        own = alike**0.5 * rng.standard_normal(len(sizes))[groups] + (1 - alike) ** 0.5 * rng.standard_normal(
            len(groups)
        )
        of = group_values(own + 0.3 * (seeds > 1) * rng.standard_normal((seeds, len(groups))), groups)
        low, high = mean_interval(of)
        covered.append(low <= 0 <= high)
        rejected.append(mean_p_value(of) <= 0.05)
    assert 0.92 - 0.022 <= np.mean(covered) <= most + 0.01
    assert np.mean(rejected) <= 0.07 + 0.026


@pytest.mark.parametrize("seeds", [1, 3])
def test_intervals_over_groups_of_several_sizes_cover(seeds):
    """Videos of a group are alike: over videos the interval would be too narrow."""
    rng, sizes = np.random.default_rng(seeds), np.array([1, 2, 3, 4] * 5)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    covered = []
    for _ in range(600):
        own = 0.2 * rng.standard_normal(len(sizes))[groups] + 0.05 * rng.standard_normal((seeds, len(groups)))
        low, high = mean_interval(group_values(0.5 + own, groups))
        covered.append(low <= 0.5 <= high)
    assert 0.92 <= np.mean(covered) <= 0.97
