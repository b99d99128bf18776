"""Door to the ICU study's pipeline; it stands in `core.icu.pipeline`."""

from core.icu.pipeline import run_study

__all__ = ["run_study"]
