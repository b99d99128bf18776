"""A cohort says what its states may know: from its extraction, or that its file does not tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.cohort import load_cohort, simulate_cohort
from core.cohort.extract import ExtractOptions, extract_mimic_iv, save_extraction
from core.cohort.knowledge import AS_OF, UNTOLD, what_a_state_knows
from core.tables.origin import Origin
from core.tables.report import CohortReport


@pytest.mark.parametrize("as_of", ["start", "end"])
def test_the_file_of_an_extraction_tells_which_values_came_before_the_dose(
    as_of: str, shared_data: Path, tmp_path: Path
) -> None:
    options = ExtractOptions.build({"as_of": as_of, "population": "platelets"})
    save_extraction(extract_mimic_iv(shared_data / "mimic-iv-demo", options), tmp_path / "x.parquet")
    cohort = load_cohort(tmp_path / "x.parquet")
    assert what_a_state_knows(cohort.report, cohort.origin) == AS_OF[as_of]


def test_a_table_without_provenance_does_not_tell_and_a_simulated_one_need_not() -> None:
    assert what_a_state_knows(CohortReport(), Origin()) == UNTOLD
    cohort, _ = simulate_cohort("mimic-iv", 20, 1)
    assert what_a_state_knows(cohort.report, cohort.origin) == ""
