"""Suspicion of infection and Sepsis-3 on a hand-made hospital, against a plain reading of the definition."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.base.errors import ConfigError, ExtractError
from core.cohort.extract import Extraction, ExtractOptions, extract_mimic_iv
from tests.cohort.hospital import Rows, at, hospital, measured, write


def infected(
    folder: Path,
    drugs: list[tuple[float, str, str]],
    cultures: list[tuple[float | None, int]],
    extra: Rows | None = None,
    **options: object,
) -> Extraction:
    """Person 1 with prescriptions (hour, drug, route) and cultures (hour or None, day of the chart date)."""
    tables = hospital()
    tables["hosp/prescriptions"] = [
        {"subject_id": 1, "hadm_id": 100, "starttime": at(hour), "drug": drug, "drug_type": "MAIN", "route": route}
        for hour, drug, route in drugs
    ]
    tables["hosp/microbiologyevents"] = [
        {
            "micro_specimen_id": i,
            "subject_id": 1,
            "chartdate": at(24 * day),
            "charttime": "" if hour is None else at(hour),
        }
        for i, (hour, day) in enumerate(cultures)
    ]
    tables["hosp/labevents"] += extra or []
    return extract_mimic_iv(write(tables, folder), ExtractOptions.build(options))


CULTURE = [(10.0, 0)]


@pytest.mark.parametrize(
    ("drugs", "cultures", "suspected"),
    [
        ([(12, "Vancomycin", "IV")], [(10, 0)], 10),  # the culture came first
        ([(12, "Vancomycin", "IV")], [(-59, -3)], None),  # 71 h before: no score so near to it
        ([(12, "Vancomycin", "IV")], [(-61, -3)], None),  # 73 h before
        ([(12, "CefePIME", "IV")], [(35, 1)], 12),  # 23 h after: the antibiotic came first
        ([(12, "CefePIME", "IV")], [(37, 1)], None),  # 25 h after
        ([(12, "Cefepime", "IV")], [(None, 0)], 0),  # a culture with a date alone is of its midnight
        ([(12, "Bacitracin/Polymyxin", "IV")], [(10, 0)], None),
        ([(12, "Erythromycin", "LEFT EYE")], [(10, 0)], None),
        ([(12, "Gentamicin cream", "IV")], [(10, 0)], None),
        ([(12, "Vancomycin", "TP")], [(10, 0)], None),
        ([(41, "Vancomycin", "IV")], [(38, 1)], None),  # after discharge from the unit
        ([(-5, "Vancomycin", "IV")], [(-6, 0)], None),  # before admission to it
        ([(30, "Vancomycin", "IV"), (12, "Zosyn", "IV")], [(10, 0)], 10),
    ],
)
def test_when_infection_is_suspected(
    tmp_path: Path,
    drugs: list[tuple[float, str, str]],
    cultures: list[tuple[float | None, int]],
    suspected: float | None,
) -> None:
    def made() -> Extraction:
        return infected(
            tmp_path, drugs, cultures, population="sepsis-3", onset="infection", start_hours=0, end_hours=40
        )

    if suspected is None:
        with pytest.raises(ExtractError, match="suspected infection: 0 left"):
            made()
        return
    frame = made().frame
    assert set(frame["traj"]) == {10}
    assert (frame["hours"] == 0).sum() == 1
    # Platelets fall below 150 at hour 20 of the stay: so many hours after the suspicion of infection.
    low = frame.loc[frame["Platelets"] == 140, "hours"]
    assert low.min() == 4 * ((20 - suspected) // 4) + 4  # as of the start of a step


def test_a_score_of_two_is_needed_around_the_suspicion(tmp_path: Path) -> None:
    """Person 1 scores 1 for coma from hour 13; platelets of 140 at hour 20 make it 2, and a pressor more."""
    late = [(12.0, "Vancomycin", "IV")]
    made = infected(tmp_path / "a", late, CULTURE, population="sepsis-3")
    assert set(made.frame["traj"]) == {10}
    assert made.counts["sepsis3"] == 1
    tables = hospital()
    for name in ("icu/chartevents", "icu/inputevents", "icu/outputevents"):
        tables[name] = [row for row in tables[name] if row["itemid"] in (220045, 225158, 226633)]
    tables["hosp/labevents"] = [measured(1, 20, 51265, 140)]
    tables["hosp/prescriptions"] = [
        {"subject_id": 1, "hadm_id": 100, "starttime": at(12), "drug": "Zosyn", "route": "IV"}
    ]
    tables["hosp/microbiologyevents"] = [
        {"micro_specimen_id": 1, "subject_id": 1, "chartdate": at(0), "charttime": at(10)}
    ]
    with pytest.raises(ExtractError, match="no SOFA of 2 or more around a suspected infection: 0 left"):
        extract_mimic_iv(write(tables, tmp_path / "b"))


@pytest.mark.parametrize(("onset", "hour"), [("platelets", 20), ("infection", 10), ("later", 20)])
def test_onset_by_platelets_by_infection_or_the_later(tmp_path: Path, onset: str, hour: int) -> None:
    drugs = [(12.0, "Vancomycin", "IV")]
    made = infected(
        tmp_path, drugs, CULTURE, population="sepsis-3", onset=onset, as_of="end", start_hours=0, end_hours=20
    )
    platelets = made.frame.set_index("hours")["Platelets"]
    assert platelets.loc[4 * ((20 - hour) // 4)] == 140


def test_the_default_is_sepsis3_where_the_source_can_tell(tmp_path: Path) -> None:
    made = infected(tmp_path / "a", [(12.0, "Vancomycin", "IV")], CULTURE)
    assert '"population": "sepsis-3"' in made.provenance["Options"]
    without = extract_mimic_iv(write(hospital(), tmp_path / "b"))
    assert '"population": "codes"' in without.provenance["Options"]
    assert any("sepsis is taken from diagnosis codes" in loss for loss in without.losses)
    assert not any("suspected sepsis" in note.lower() for note in without.notes)
    with pytest.raises(ExtractError, match="population sepsis-3 needs antibiotics and cultures"):
        extract_mimic_iv(tmp_path / "b", ExtractOptions(population="sepsis-3"))


def test_an_onset_by_infection_needs_sepsis3() -> None:
    with pytest.raises(ConfigError, match="onset by later needs the population sepsis-3"):
        ExtractOptions.build({"population": "codes", "onset": "later"})
