"""Intervals and tests against closed forms, scipy and simulated nulls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from voxplain.statistics import (
    adjust_p_values,
    bootstrap_interval,
    paired_test,
    rank_p_value,
    wilson_interval,
)


def test_wilson_interval_is_the_closed_form():
    z, n, p = stats.norm.ppf(0.975), 96, 75 / 96
    centre, half = (p + z**2 / (2 * n)) / (1 + z**2 / n), z / (1 + z**2 / n)
    half *= np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert wilson_interval(75, 96) == pytest.approx((centre - half, centre + half))
    assert np.isnan(wilson_interval(0, 0)).all()


def test_bootstrap_interval_has_the_width_of_the_normal_one():
    values = np.random.default_rng(1).normal(size=400)
    low, high = bootstrap_interval(values, resamples=4000)
    half = stats.norm.ppf(0.975) * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.015)


def test_bootstrap_covers_the_mean_when_seeds_and_videos_both_vary():
    rng, covered = np.random.default_rng(0), 0
    for trial in range(150):
        table = rng.normal(size=(1, 60)) + 0.5 * rng.normal(size=(8, 1)) + rng.normal(size=(8, 60))
        low, high = bootstrap_interval(table, resamples=400, seed=trial)
        covered += low <= 0 <= high
    assert covered / 150 > 0.85  # resampling 8 seeds is a little too sure, ignoring them would give 0.5


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
