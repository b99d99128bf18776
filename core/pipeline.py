"""Door to the ICU study's pipeline; it stands in `core.icu`."""

from core.icu.study import run_study

__all__ = ["run_study"]
