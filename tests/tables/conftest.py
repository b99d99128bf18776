"""The small study and table of the cohort's tests, which the readers of tables are tested on as well."""

from tests.cohort.conftest import study, table

__all__ = ["study", "table"]
