"""What docs/study.md says of a study's file is what the model says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from core.cohort.define.keys import key_table
from core.study import STUDIES, StudySpec

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `\[*([\w.]+)\]*` \|", re.MULTILINE)


def test_the_table_of_keys_is_that_of_the_model() -> None:
    text = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")
    assert key_table() in text, "run `python -m core study keys` and put its table into docs/study.md"
    assert set(StudySpec.model_fields) <= set(ROW.findall(key_table()))


def test_every_key_has_a_meaning() -> None:
    for line in key_table().splitlines()[2:]:
        assert all(cell.strip() for cell in line.strip("|").split(" | ")), line


def test_every_key_of_the_shipped_study_is_in_the_table() -> None:
    known, stored = set(ROW.findall(key_table())), tomllib.loads((STUDIES / "thrombocytopenia.toml").read_text("utf-8"))

    def keys(values: dict, place: str = "") -> set[str]:
        found = set()
        for name, value in values.items():
            found.add(f"{place}{name}")
            for part in value if isinstance(value, list) else [value]:
                found |= keys(part, f"{place}{name}.") if isinstance(part, dict) else set()
        return found

    assert keys(stored) <= known
