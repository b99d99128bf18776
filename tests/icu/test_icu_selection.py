"""Named sets of patients and their text for links."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.icu.selection import LONGEST_NAME, Selection


@given(st.lists(st.integers(0, 3000), max_size=60))
def test_a_selection_survives_its_text(patients: list[int]) -> None:
    selection = Selection.of("some", patients)
    assert selection.patients.tolist() == sorted(set(patients))
    assert Selection.decode("some", selection.encode()) == selection


@given(st.text(max_size=60))
def test_a_foreign_text_never_raises(text: str) -> None:
    found = Selection.decode("x", text)
    assert found is None or all(p >= 0 for p in found.patients)


def test_a_text_that_unpacks_to_too_much_is_refused() -> None:
    import base64
    import zlib

    bomb = base64.urlsafe_b64encode(zlib.compress(b"\xff" * (1 << 24), 9)).decode().rstrip("=")
    assert Selection.decode("x", bomb) is None


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("phenotype 2 of 3, died, test", "phenotype 2 of 3, died, test"),
        ("gate: Platelets, mean × SOFA, last", "gate: Platelets, mean × SOFA, last"),
        ("[x](http://e.org) <b>![y]", "x(http://e.org) <b>y"),
        ("a\n  b", "a b"),
        ("`*#|", "selection"),
        ("", "selection"),
        ("long " * 40, ("long " * 40)[:LONGEST_NAME].strip()),
    ],
)
def test_a_name_keeps_its_plain_characters(given_name: str, kept: str) -> None:
    assert Selection.of(given_name, [1]).name == kept


def test_patients_beyond_the_end_of_another_cohort_are_dropped() -> None:
    selection = Selection.of("some", [0, 4, 9])
    assert selection.among(10) is selection
    assert selection.among(9) == Selection.of("some", [0, 4])
    assert np.flatnonzero(selection.marks(10)).tolist() == [0, 4, 9]


def test_selections_differ_by_name_and_by_patients() -> None:
    one = Selection.of("a", [1])
    assert one == Selection.of("a", [1])
    assert len({one, Selection.of("a", [1]), Selection.of("b", [1]), Selection.of("a", [2])}) == 3
    with pytest.raises(ValueError, match="read-only"):
        one.patients[0] = 5
