"""Registry files of another form, read through a mapping: nothing misread, nothing lost without a word."""

from __future__ import annotations

import tomllib
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.base.errors import CohortError, ConfigError
from core.registry import RegistrySpec, check_registry, load_registry_spec, make_registry, prescription
from core.registry.cohort.mapping import parse_registry_mapping, registry_mapping_text
from core.study import STUDIES
from core.tables.text import report_text
from tests.registry import event_world

SPEC = RegistrySpec.from_values(tomllib.loads(event_world.SPEC), "public")
MAPPING = parse_registry_mapping(event_world.MAPPING)
MONTH = 365.25 / 12


def patient(**values: Any) -> dict[str, Any]:
    """One row of a public table: followed for 30 months, with nothing happening."""
    plain = {"pseudoid": "a", "agey": 40, "sex": 1, "dnrtype": 1, "gvhdgp": 1, "dead": 0, "intxsurv": 30.0}
    plain |= {"agvhd24": 0, "intxagvhd": 30.0, "cgvhd": 0, "intxcgvhd": 30.0, "rel": 0, "intxrel": 30.0}
    return plain | values


def stages(*rows: dict[str, Any], mapping: str = event_world.MAPPING) -> pd.DataFrame:
    frame = pd.DataFrame([row | {"pseudoid": f"p{i}"} for i, row in enumerate(rows)])
    return make_registry(frame, SPEC, mapping=parse_registry_mapping(mapping)).frame


def course(row: dict[str, Any]) -> list[tuple[int, int, int, int, int]]:
    """(day, alive, acute, chronic, relapse) of each stage."""
    frame = stages(row)
    return [tuple(map(int, line)) for line in frame[["stage", "alive", "agvhd", "cgvhd", "relapse"]].to_numpy()]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, [(0, 1, 0, 0, 0), (100, 1, 0, 0, 0), (365, 1, 0, 0, 0), (730, 1, 0, 0, 0)]),
        ({"intxsurv": 12.0}, [(0, 1, 0, 0, 0), (100, 1, 0, 0, 0), (365, 1, 0, 0, 0)]),  # 12 months are 365.25 days
        ({"intxsurv": 11.9}, [(0, 1, 0, 0, 0), (100, 1, 0, 0, 0)]),  # lost before one year
        ({"dead": 1, "intxsurv": 5.0}, [(0, 1, 0, 0, 0), (100, 1, 0, 0, 0), (365, 0, 0, 0, 0)]),
        ({"dead": 1, "intxsurv": 26.0}, [(0, 1, 0, 0, 0), (100, 1, 0, 0, 0), (365, 1, 0, 0, 0), (730, 1, 0, 0, 0)]),
        # acute GVHD of day 61 lasts 180 days: at 100 days, over at a year; of day 122: seen at a year, over at two
        ({"agvhd24": 1, "intxagvhd": 2.0}, [(0, 1, 0, 0, 0), (100, 1, 1, 0, 0), (365, 1, 0, 0, 0), (730, 1, 0, 0, 0)]),
        ({"agvhd24": 1, "intxagvhd": 4.0}, [(0, 1, 0, 0, 0), (100, 1, 0, 0, 0), (365, 1, 1, 0, 0), (730, 1, 0, 0, 0)]),
        # chronic GVHD and relapse stay; GVHD is over with death, a relapse is not undone by it
        ({"cgvhd": 1, "intxcgvhd": 8.0}, [(0, 1, 0, 0, 0), (100, 1, 0, 0, 0), (365, 1, 0, 1, 0), (730, 1, 0, 1, 0)]),
        (
            {"rel": 1, "intxrel": 2.0, "cgvhd": 1, "intxcgvhd": 2.0, "dead": 1, "intxsurv": 6.0},
            [(0, 1, 0, 0, 0), (100, 1, 0, 1, 1), (365, 0, 0, 0, 1)],
        ),
        # relapse was sought for five months only: nothing is known of the stages behind
        ({"intxrel": 5.0}, [(0, 1, 0, 0, 0), (100, 1, 0, 0, 0)]),
        # day 0 comes before all events
        ({"agvhd24": 1, "intxagvhd": 0.0}, [(0, 1, 0, 0, 0), (100, 1, 1, 0, 0), (365, 1, 0, 0, 0), (730, 1, 0, 0, 0)]),
    ],
)
def test_times_place_events_and_follow_up_ends_the_rows(change: dict[str, Any], expected: list[tuple]) -> None:
    assert course(patient(**change)) == expected


def test_codes_become_categories_and_drugs_stand_at_the_first_stage() -> None:
    frame = stages(patient(), patient(gvhdgp=4, sex=2, dnrtype=99))
    first, second = frame[frame["stage"] == 0].to_dict("records")
    assert (first["donor"], first["sex"], first["age"]) == ("sibling", "male", 40.0)
    assert (pd.isna(second["donor"]), second["sex"]) == (True, "female")
    columns = list(SPEC.decision("prophylaxis").columns)
    given = [prescription(row, SPEC.decision("prophylaxis").drugs) for row in frame[columns].to_numpy()]
    assert given == ["tacrolimus + MTX", *["no drug"] * 3, "PTCy", *["no drug"] * 3]


def test_those_of_whom_something_is_unknown_are_left_out_and_counted() -> None:
    rows = [patient(), patient(gvhdgp=99), patient(cgvhd=-2), patient(dead=-2), patient(rel=1, intxrel=-2), patient()]
    frame = pd.DataFrame([row | {"pseudoid": f"p{i}"} for i, row in enumerate(rows)])
    report = check_registry(frame, SPEC, MAPPING)
    assert report.ok, report_text(report)
    removed = {step.reason: step.patients for step in report.attrition if step.patients}
    assert removed == {
        "follow-up not recorded": 1,
        "cgvhd or its time not recorded": 1,
        "relapse or its time not recorded": 1,
        "prophylaxis not recorded": 1,
    }
    assert report.attrition[-1].left == (2, 8)


def test_competing_risks_are_named_with_their_numbers() -> None:
    rows = [
        patient(cgvhd=1, intxcgvhd=8.0),
        patient(dead=1, intxsurv=5.0),
        patient(rel=1, intxrel=5.0),
        patient(intxsurv=7.0),
    ]
    frame = pd.DataFrame([row | {"pseudoid": f"p{i}"} for i, row in enumerate(rows)])
    notes = check_registry(frame, SPEC, MAPPING).notes
    assert any(
        "cgvhd: 1 patients had it; 2 died or had relapse without it (competing risks); 1 were followed" in note
        for note in notes
    )


@pytest.mark.parametrize(
    ("change", "rule", "said"),
    [
        ({"dead": 7}, "event-code", "'7' (1)"),
        ({"intxsurv": -5.0}, "event-time", "no time"),
        ({"intxcgvhd": "soon", "cgvhd": 1}, "event-time", "'soon'"),
        ({"agvhd24": 1, "intxagvhd": 40.0}, "event-after-end", "more than 31 days"),
        ({"sex": 3}, "unknown-category", "'3' is no category"),
        ({"gvhdgp": 8}, "unknown-drug", "'8' is no drug"),
        ({"agey": 140}, "impossible-value", "140 is impossible"),
    ],
)
def test_what_contradicts_itself_is_named_at_the_row_of_the_file(change: dict[str, Any], rule: str, said: str) -> None:
    frame = pd.DataFrame([patient(), patient(**change)]).assign(pseudoid=["p1", "p2"])
    errors = check_registry(frame, SPEC, MAPPING).errors
    assert [problem.rule for problem in errors][:1] == [rule]
    assert (errors[0].row, said in errors[0].message) == (2, True), errors[0]
    with pytest.raises(CohortError):
        make_registry(frame, SPEC, mapping=MAPPING)


def test_a_registry_with_later_drugs_cannot_come_from_one_row_a_patient() -> None:
    mapping = event_world.MAPPING.replace("events.agvhd", "events.acute_gvhd").replace(
        "events.cgvhd", "events.chronic_gvhd"
    )
    mapping = (
        mapping.replace('donor = "dnrtype"\n', "").split("[codes.donor]")[0] + mapping[mapping.index("[missing]") :]
    )
    errors = check_registry(pd.DataFrame([patient()]), load_registry_spec(), parse_registry_mapping(mapping)).errors
    assert {(problem.rule, problem.column) for problem in errors} == {
        ("later-decision", "acute"),
        ("later-decision", "chronic"),
    }


def test_a_file_without_keys_is_numbered_and_one_with_two_rows_a_patient_is_refused() -> None:
    frame = pd.DataFrame([patient(), patient()])
    errors = check_registry(frame, SPEC, MAPPING).errors
    assert [(problem.rule, problem.row) for problem in errors] == [("patient-twice", 2)]
    plain = parse_registry_mapping(event_world.MAPPING.replace('patient = "pseudoid"\n', ""))
    cohort = make_registry(frame.drop(columns="pseudoid"), SPEC, mapping=plain)
    assert cohort.patients.tolist() == ["1", "2"]


def test_the_long_form_takes_names_codes_and_commas() -> None:
    """A file of stages with its own names, a decimal comma, codes and drugs written as people write them."""
    rows = [
        {"id": "7", "stage": day, "Alter": "40,5", "dnr": 2, "sex": "M", "alive": 1, "agvhd": 0, "cgvhd": 0,
         "relapse": 0, "gift": gift}
        for day, gift in ((0, "FK506/MTX"), (100, ""), (365, None), (730, ""))
    ]  # fmt: skip
    mapping = parse_registry_mapping(
        'decimal = ","\n[columns]\npatient = "id"\nage = "Alter"\ndonor = "dnr"\n[codes.donor]\n2 = "unrelated"\n'
        '[codes.sex]\nM = "male"\n[drugs.prophylaxis]\ncolumn = "gift"\n'
    )
    cohort = make_registry(pd.DataFrame(rows), SPEC, mapping=mapping)
    first = cohort.frame.iloc[0]
    assert (first["patient"], first["age"], first["donor"], first["sex"]) == ("7", 40.5, "unrelated", "male")
    assert prescription(cohort.drugs("prophylaxis")[0], SPEC.decision("prophylaxis").drugs) == "tacrolimus + MTX"
    (said,) = [problem for problem in cohort.report.warnings if problem.rule == "usual-drug-name"]
    assert "'FK506/MTX' as tacrolimus + MTX (1)" in said.message
    assert parse_registry_mapping(cohort.report.mapping) == mapping


def test_a_mapping_is_read_back_as_it_was_written() -> None:
    assert parse_registry_mapping(registry_mapping_text(MAPPING)) == MAPPING
    assert MAPPING.missing["*"] == ("99", "-2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[columns]\na = "x"\nb = "x"', "given to two"),
        ('[events.agvhd]\ncolumn = "a"\ntime = "b"', "needs .follow_up."),
        ('[follow_up]\ncolumn = "a"\ntime = "b"\nunit = "moons"', "unit"),
        ('[follow_up]\ncolumn = "a"\ntime = "b"\nunit = "days"\nhappened = [0]', "cannot mean both"),
        ("colour = 1", "colour"),
        ("[", "not valid TOML"),
    ],
)
def test_a_wrong_mapping_is_refused_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_registry_mapping(text)


def test_names_that_the_registry_or_the_file_lacks_are_said() -> None:
    mapping = parse_registry_mapping('[columns]\nage = "agey"\nsize = "agex"\n[drugs.surgery]\ncolumn = "op"')
    errors = check_registry(pd.DataFrame([patient()]), SPEC, mapping).errors
    said = " ".join(map(str, errors))
    assert "[columns] names 'size'" in said
    assert "[drugs] names 'surgery'" in said
    assert "'agex', which the file does not have" in said
    assert "'op', which the file does not have" in said


def test_staging_agrees_with_the_loop_of_the_made_up_world() -> None:
    """Rewards of patients who were never lost, by the stages of a file, against the world's own reading of times."""
    from core.registry import state_rewards

    people = event_world.draw(300, 4)
    until = np.minimum(people.death, 60.0)
    table = pd.DataFrame(
        {"pseudoid": [f"p{i:03d}" for i in range(300)], "agey": 40, "sex": 1, "dnrtype": 1, "gvhdgp": 1}
    )
    for column, name, time in (
        ("agvhd24", "intxagvhd", people.acute), ("cgvhd", "intxcgvhd", people.chronic),
        ("rel", "intxrel", people.relapse),
    ):  # fmt: skip
        table[column], table[name] = (time < until).astype(int), np.minimum(time, until)
    table["dead"], table["intxsurv"] = (people.death < 60).astype(int), until
    cohort = make_registry(table, SPEC, mapping=MAPPING)
    earned = (
        state_rewards(cohort.indicators, SPEC) * SPEC.gamma ** (cohort.stage_index - 1.0) * (cohort.stage_index > 0)
    )
    value, _ = event_world.value_of(people)
    assert np.bincount(cohort.patient_index, earned).mean() == pytest.approx(value)


def test_the_documented_mapping_and_registry_are_read() -> None:
    text = (STUDIES.parents[1] / "docs" / "format.md").read_text(encoding="utf-8")
    section = text.split("### A registry file of another form")[1]
    mapping = parse_registry_mapping(section.split("```toml")[1].split("```")[0])
    assert mapping.follow_up is not None
    assert (mapping.events["agvhd"].lasts, mapping.drugs["prophylaxis"].names["9"]) == (180, "")
    part = tomllib.loads(text.split("## A registry\n")[1].split("```toml")[1].split("```")[0])
    whole = load_registry_spec().model_dump(mode="json") | part
    spec = RegistrySpec.from_values(whole, "docs")
    assert (spec.learned, spec.passing) == (("antibiotics",), ("fever",))
