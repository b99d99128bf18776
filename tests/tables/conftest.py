"""The small study and its table of four stays, as the tests of cohorts use them."""

from tests.cohort.conftest import study, table

__all__ = ["study", "table"]
