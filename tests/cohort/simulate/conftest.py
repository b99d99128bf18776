"""Simulated cohorts of the published sizes, made once."""

import pytest

from core.cohort.simulate import simulate_cohort


@pytest.fixture(scope="session")
def mimic():
    return simulate_cohort("mimic-iv", 13_355, 0)


@pytest.fixture(scope="session")
def eicu():
    return simulate_cohort("eicu", 6_066, 0)


@pytest.fixture(scope="session")
def mimic_memory():
    return simulate_cohort("mimic-iv", 13_355, 0, memory=True)


@pytest.fixture(scope="session")
def eicu_memory():
    return simulate_cohort("eicu", 6_066, 0, memory=True)


@pytest.fixture(scope="session")
def small():
    return simulate_cohort("mimic-iv", 400, 3)
