"""The documentation names every key of a mapping as the model has it."""

from __future__ import annotations

from pathlib import Path

from core.tables.mapping import TableMapping, mapping_text, parse_mapping, read_mapping
from core.tables.mapping_keys import mapping_keys, mapping_keys_table

DOCS = Path(__file__).resolve().parents[2] / "docs" / "format.md"


def test_the_docs_hold_the_table_of_the_model() -> None:
    assert mapping_keys_table() in DOCS.read_text(encoding="utf-8")
    named = {key.split("]")[0].strip("[").split(" ")[0] for key, *_ in mapping_keys()}
    assert named == set(TableMapping.model_fields)
    assert all(says and says != "None" for *_, says in mapping_keys())


def test_evidence_stands_beside_what_it_speaks_of_and_is_no_toml() -> None:
    mapping = parse_mapping(
        {
            "columns": {"Platelets": "PLT"},
            "units": {"Age": {"factor": 0.5, "unit": "d"}},
            "codes": {"Gender": {"M": 0}},
            "time": {"column": "at"},
        }
    )
    why = {"Platelets": "seen\nleave_out = ['Age']", "Age": "in days", "Gender": "letters", "step": "times"}
    text = mapping_text(mapping, why)
    assert read_mapping(text) == mapping
    assert "# seen leave_out = ['Age']\nPlatelets = " in text
    assert "# in days\n[units.Age]" in text
    assert "# letters\n[codes.Gender]" in text
    assert "# times\n[time]" in text
