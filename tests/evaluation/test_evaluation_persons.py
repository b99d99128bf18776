"""Intervals resample persons: all stays of a person are drawn together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from core.base.types import OPEResult
from core.evaluation import (
    Critic,
    Recorded,
    direct,
    direct_many,
    phwdr,
    phwis,
    weighted_draws,
    weighted_many,
)
from core.evaluation.resampling import bootstrap_seed, resample_counts

N, B = 60, 200
ESTIMATORS = {
    "phwis": lambda d, rows, **options: phwis(*(a[rows] for a in d.ope), **options),
    "phwdr": lambda d, rows, **options: phwdr(*(a[rows] for a in (*d.ope, d.q, d.v)), **options),
    "direct": lambda d, rows, **options: direct(d.v[rows], d.mask[rows], **options),
}
each = pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS.keys())


def width(result: OPEResult) -> float:
    return result.high - result.low


@each
def test_a_stay_written_twice_under_one_person_adds_no_certainty(data, estimator: Callable[..., OPEResult]) -> None:
    once = estimator(data, np.arange(N), n_bootstrap=B)
    rows = np.repeat(np.arange(N), 2)
    together = estimator(data, rows, n_bootstrap=B, persons=rows)
    assert [together.value, together.low, together.high] == pytest.approx([once.value, once.low, once.high])
    assert together.n == 2 * once.n
    assert width(estimator(data, rows, n_bootstrap=B)) < 0.85 * width(once)  # taken for separate patients: too sure


@each
def test_every_resample_is_the_estimate_from_the_stays_of_the_persons_drawn(data, estimator) -> None:
    person = np.random.default_rng(1).integers(0, 25, N)
    _, number = np.unique(person, return_inverse=True)
    counts = np.concatenate(list(resample_counts(int(number.max()) + 1, B, bootstrap_seed(None))))
    values = []
    for drawn in counts.astype(int):
        rows = [row for key, times in enumerate(drawn) for _ in range(times) for row in np.flatnonzero(number == key)]
        values.append(estimator(data, np.array(rows)).value)
    result = estimator(data, np.arange(N), n_bootstrap=B, persons=person)
    assert [result.low, result.high] == pytest.approx(np.percentile(values, [2.5, 97.5]))


@each
def test_persons_of_one_stay_each_are_the_default(data, estimator) -> None:
    mask = data.mask.copy()
    mask[[0, 7]] = False  # rows without a step are left out, and so are their persons
    data = type(data)(data.rewards, mask, data.evaluation, data.behavior, data.q, data.v)
    default = estimator(data, np.arange(N), n_bootstrap=B)
    assert estimator(data, np.arange(N), n_bootstrap=B, persons=np.arange(N) + 100) == default


def test_several_policies_and_paired_draws_share_the_resamples_of_persons(data) -> None:
    person, options = np.arange(N) // 3, {"n_bootstrap": B, "rng": None}
    policies = np.stack([data.evaluation, data.behavior])
    recorded = Recorded(data.rewards, data.mask, data.behavior, persons=person)
    for name, critic in (("phwis", None), ("phwdr", Critic(data.q, data.v))):
        many = weighted_many(name, recorded, policies, critic, B)
        draws = weighted_draws(name, recorded, policies, critic, B)
        assert np.percentile(draws, 97.5, axis=0) == pytest.approx([result.high for result in many])
    values = np.stack([data.v, data.v + 1])
    first, second = direct_many(values, data.mask, persons=person, **options)
    assert second.low - first.low == pytest.approx(1)


def test_keys_of_any_kind_and_wrong_ones(data) -> None:
    person = np.arange(N) // 3
    by_name = phwis(*data.ope, n_bootstrap=B, persons=np.array([f"p{key:02d}" for key in person]))
    assert by_name == phwis(*data.ope, n_bootstrap=B, persons=person)
    with pytest.raises(ValueError, match=r"persons has shape \(59,\), expected \(60,\)"):
        phwis(*data.ope, persons=person[1:])
    with pytest.raises(ValueError, match="persons must not be missing"):
        phwis(*data.ope, persons=np.where(person == 0, np.nan, person))
