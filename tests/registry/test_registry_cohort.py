"""Registry files: what is planted is named by row, column and rule; what is mended is counted; nothing raises."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.base.errors import CohortError
from core.registry import (
    NO_DRUG,
    RegistryCohort,
    StateEncoder,
    check_registry,
    decision_points,
    load_registry,
    load_registry_spec,
    make_registry,
    prescription,
    save_registry,
    simulate_registry,
    state_rewards,
)
from core.registry.cohort.describe import state_table
from core.tables.report import CohortReport
from core.tables.text import report_text

SPEC = load_registry_spec()
BASE: dict[str, Any] = {
    "age": 40.0,
    "gender": "female",
    "diabetes": "no",
    "seizure": "no",
    "hypertension": "yes",
    "lung_disease": "no",
    "heart_disease": "no",
    "donor_relation": "unrelated",
    "donor_gender": "male",
    "hla_match": "matched",
    "alive": 1,
    "acute_gvhd": 0,
    "chronic_gvhd": 0,
    "relapse": 0,
    "conditioning": "",
    "prophylaxis": "",
    "acute": "",
    "chronic": "",
}


def row(patient: object, day: object, **values: Any) -> dict[str, Any]:
    return {"patient": patient, "stage": day} | BASE | values


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(rows))


def course() -> list[dict[str, Any]]:
    """Two patients: one with GVHD who is followed to the end, one who dies at 180 days."""
    return [
        row(1, 0, conditioning="busulfan + cyclophosphamide", prophylaxis="tacrolimus+MMF + ATG"),
        row(1, 100, acute_gvhd=1, acute="Systemic Corticosteroids", chronic=NO_DRUG),
        row(1, 180, chronic_gvhd=1, chronic="sirolimus"),
        row(1, 365, chronic_gvhd=1, acute_gvhd=1),
        row(1, 730),
        row(1, 1460),
        row(2, 0, age=12.0),
        row(2, 100),
        row(2, 180, alive=0, age=12.0),
    ]


def found(frame: pd.DataFrame) -> dict[str, tuple[str | None, int | None]]:
    """{rule: (column, row)} of the first problem of each rule."""
    rules: dict[str, tuple[str | None, int | None]] = {}
    for problem in check_registry(frame).problems:
        rules.setdefault(problem.rule, (problem.column, problem.row))
    return rules


@pytest.fixture(scope="module")
def simulated() -> RegistryCohort:
    return simulate_registry(300, seed=4)[0]


def test_text_columns_become_drug_columns() -> None:
    cohort = make_registry(table(*course()))
    assert tuple(cohort.frame.columns) == SPEC.columns
    drugs = [prescription(given, SPEC.decision("prophylaxis").drugs) for given in cohort.drugs("prophylaxis")]
    assert drugs[0] == "tacrolimus + MMF + ATG"
    assert set(drugs[1:]) == {NO_DRUG}
    assert cohort.drugs("acute")[1].sum() == 1
    assert cohort.n_patients == 2
    assert cohort.lengths.tolist() == [6, 3]


@pytest.mark.parametrize(
    ("change", "rule", "column"),
    [
        ({1: {"acute": "aspirin"}}, "unknown-drug", "acute"),
        ({8: {"chronic": "sirolimus"}}, "drug-after-death", "chronic"),
        ({1: {"stage": 0}}, "duplicate-stage", "stage"),
        ({1: {"stage": 50}}, "unknown-stage", "stage"),
        ({1: {"stage": "soon"}}, "not-a-number", "stage"),
        ({1: {"patient": None}}, "missing-value", "patient"),
        ({3: {"relapse": 1}}, "relapse-undone", "relapse"),
        ({3: {"alive": 0, "acute_gvhd": 0, "chronic_gvhd": 0}}, "alive-after-death", "alive"),
        ({4: {"relapse": 0.5}}, "not-binary", "relapse"),
        ({4: {"alive": None}}, "missing-value", "alive"),
        ({4: {"age": 400.0}}, "impossible-value", "age"),
        ({4: {"age": "old"}}, "not-a-number", "age"),
        ({4: {"hla_match": "fine"}}, "unknown-category", "hla_match"),
        ({2: {"prophylaxis": "MMF"}}, "drug-outside-stage", "prophylaxis"),
    ],
)
def test_a_planted_error_is_named(change: dict[int, dict[str, Any]], rule: str, column: str) -> None:
    rows = course()
    for at, values in change.items():
        rows[at] |= values
    frame = table(*rows)
    report = check_registry(frame)
    problems = [problem for problem in report.errors if problem.rule == rule and problem.column == column]
    assert problems, report_text(report)
    assert problems[0].row is not None
    assert problems[0].remedy
    with pytest.raises(CohortError, match=column):
        make_registry(frame)


def test_errors_name_the_row_of_the_file() -> None:
    rows = course()
    rows[8] |= {"acute": "MMF"}
    (problem,) = check_registry(table(*rows)).errors
    assert (problem.row, problem.column, problem.value) == (9, "acute", "MMF")
    rows = course()
    rows[1] |= {"acute": "tacrolimus + sirolimos"}
    (problem,) = check_registry(table(*rows)).errors
    assert (problem.row, problem.value) == (2, "sirolimos")
    assert "sirolimus" in problem.remedy


def test_columns_that_lack_or_are_there_twice() -> None:
    frame = table(*course())
    assert found(frame.drop(columns="age"))["missing-column"][0] == "age"
    assert found(frame.drop(columns="acute"))["missing-column"][0] == "acute"
    assert found(frame.assign(Notes=1))["ignored-column"] == (None, None)
    assert check_registry(frame.assign(Notes=1)).ok
    assert found(frame.assign(**{"acute:MMF": 0}))["two-layouts"][0] == "acute"
    twice = pd.concat([frame, frame[["age"]]], axis=1)
    assert found(twice)["duplicate-column"][0] == "age"
    shouted = frame.rename(columns={"age": " AGE "})
    assert check_registry(shouted).ok


def test_drug_columns_are_all_there_known_and_binary(simulated: RegistryCohort) -> None:
    frame = simulated.frame.copy()
    assert found(frame.drop(columns="acute:MMF"))["missing-column"][0] == "acute:MMF"
    assert found(frame.assign(**{"acute:aspirin": 0}))["unknown-drug"][0] == "acute:aspirin"
    frame["acute:MMF"] = frame["acute:MMF"].astype(float)
    frame.loc[3, "acute:MMF"] = 7
    assert found(frame)["not-binary"] == ("acute:MMF", 4)


def test_mended_faults_are_counted_warnings() -> None:
    rows = course()
    rows[1] |= {"age": 41.0}
    rows[2] |= {"hla_match": None}
    rows.append(row(2, 365, alive=0))
    frame = table(*rows[::-1])
    report = check_registry(frame)
    assert report.ok, report_text(report)
    rules = {problem.rule for problem in report.warnings}
    assert rules >= {"row-order", "static-changes", "missing-value", "rows-after-death"}
    cohort = make_registry(frame)
    assert cohort.frame["age"].tolist() == [40.0] * 6 + [12.0] * 3  # the first value of each patient by stage
    assert set(cohort.frame["hla_match"]) == {"matched"}
    assert report.attrition[-1].rows == 1
    assert report.attrition[-1].rows_left == len(cohort.frame) == 9


def test_a_flag_kept_after_death_is_said_and_read_as_over() -> None:
    rows = course()
    rows[8] |= {"chronic_gvhd": 1, "relapse": 1}
    report = check_registry(table(*rows))
    assert report.ok, report_text(report)
    (said,) = [problem for problem in report.warnings if problem.rule == "flag-after-death"]
    assert (said.column, said.row, said.count) == ("chronic_gvhd", 9, 1)
    last = make_registry(table(*rows)).frame.iloc[-1]
    assert (last["alive"], last["chronic_gvhd"], last["relapse"]) == (0, 0, 1)  # a relapse before death stays


def test_patients_without_stages_are_kept_and_counted() -> None:
    rows = course()
    del rows[5], rows[2]  # a gap at 180 days, lost before 1460 days
    rules = found(table(*rows))
    assert {"stage-gap", "lost-to-follow-up"} <= rules.keys()
    counts = state_table(make_registry(table(*rows))).pivot(index="day", columns="state", values="patients")
    assert counts["absent"].tolist() == [0, 0, 1, 0, 0, 0]
    assert counts["lost"].tolist() == [0, 0, 0, 0, 0, 1]
    assert counts["dead"].tolist() == [0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame(columns=list(SPEC.columns)),
        pd.DataFrame({"patient": [1]}),
        pd.DataFrame(np.zeros((2, 2))),
        table(*course()).assign(age=None),
    ],
)
def test_useless_tables_are_refused_with_reasons(frame: pd.DataFrame) -> None:
    report = check_registry(frame)
    assert not report.ok
    with pytest.raises(CohortError):
        make_registry(frame)


class Mute:
    """An object without text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 2000),
    st.floats(),
    st.sampled_from([Mute(), pd.NA, pd.NaT, b"\xff", 10**400, 1 + 2j, [1], {"a": 1}, "MMF+", "+", "dead", "1e999"]),
    st.text(max_size=5),
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_the_check_answers_any_table_with_a_report(data: st.DataObject) -> None:
    frame = table(*course()).astype(object)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(frame) - 1))
        frame.iat[at, data.draw(st.integers(0, frame.shape[1] - 1))] = data.draw(CELLS)
    if data.draw(st.booleans()):
        frame = frame.drop(columns=data.draw(st.sampled_from(list(frame.columns))))
    if data.draw(st.booleans()):
        frame = frame.sample(frac=data.draw(st.sampled_from([0.0, 0.5, 1.0])), random_state=0)
    report = check_registry(frame)
    assert isinstance(report, CohortReport)
    assert isinstance(report_text(report), str)
    if report.ok:
        again = check_registry(make_registry(frame).frame)
        assert again.ok
        assert {"rows-after-death", "static-changes", "row-order"}.isdisjoint({p.rule for p in again.problems})
    else:
        with pytest.raises(CohortError):
            make_registry(frame)


@pytest.mark.parametrize("content", [b"", b"\x00", b"patient\n", b"a,b\n1\n", b"PAR1", "ü".encode("latin-1")])
def test_files_that_are_no_table_are_cohort_errors(content: bytes) -> None:
    with pytest.raises(CohortError):
        load_registry(io.BytesIO(content))


@pytest.mark.parametrize("name", ["r.parquet", "r.csv", "r.csv.gz"])
def test_files_keep_the_data(tmp_path: Path, simulated: RegistryCohort, name: str) -> None:
    again = load_registry(save_registry(simulated, tmp_path / name))
    pd.testing.assert_frame_equal(again.frame, simulated.frame)
    assert again.data_hash == simulated.data_hash
    assert again.origin.simulated == name.endswith("parquet")


def test_the_hash_sees_every_column_but_not_the_keys(simulated: RegistryCohort) -> None:
    def changed(column: str, value: Any) -> str:
        frame = simulated.frame.copy()
        frame.loc[0, column] = value
        return RegistryCohort(simulated.spec, frame).data_hash

    assert changed("age", 1.25) != simulated.data_hash
    assert changed("hla_match", "other") != simulated.data_hash
    first = simulated.frame["acute:MMF"].iloc[0]
    assert changed("acute:MMF", 1 - first) != simulated.data_hash
    renamed = simulated.frame.assign(patient="p" + simulated.frame["patient"])
    assert RegistryCohort(simulated.spec, renamed).data_hash == simulated.data_hash


def test_decision_points_of_a_known_course() -> None:
    cohort = make_registry(table(*course()))
    acute, chronic = decision_points(cohort, "acute"), decision_points(cohort, "chronic")
    assert list(zip(acute.patient, acute.stage, strict=True)) == [(0, 1), (0, 2), (1, 1)]
    assert acute.rewards.tolist() == [0.7, 0.7, 0.0]  # both GVHD count as the worse one
    assert acute.next.tolist() == [1, -1, -1]
    assert acute.terminal.tolist() == [False, True, True]
    assert chronic.rewards.tolist() == [0.7, 0.7, 1.0, 1.0, 0.0]
    assert chronic.next.tolist() == [1, 2, 3, -1, -1]
    assert chronic.followed.all()
    assert acute.n_censored == 0
    assert decision_points(cohort, "prophylaxis").rewards.tolist() == [0.8, 1.0]


def test_lost_points_have_no_reward_and_are_no_transitions() -> None:
    rows = course()
    del rows[2]  # day 180 of the first patient
    rows = rows[:3]  # day 0, 100, 365
    chronic = decision_points(make_registry(table(*rows)), "chronic")
    assert chronic.stage.tolist() == [1, 3]
    assert chronic.followed.tolist() == [False, False]
    assert np.isnan(chronic.rewards).all()
    assert chronic.next.tolist() == [-1, -1]
    assert not chronic.terminal.any()
    assert chronic.n_censored == 2


def test_relapse_ends_the_decisions() -> None:
    cohort = make_registry(table(row(1, 0), row(1, 100), row(1, 180, relapse=1), row(1, 365, relapse=1)))
    chronic = decision_points(cohort, "chronic")
    assert chronic.stage.tolist() == [1]
    assert chronic.rewards.tolist() == [0.0]
    assert chronic.terminal.tolist() == [True]


def test_links_join_neighbouring_stages_of_one_patient(simulated: RegistryCohort) -> None:
    for decision in SPEC.decisions:
        points = decision_points(simulated, decision.name)
        linked = np.flatnonzero(points.next >= 0)
        after = points.next[linked]
        assert (points.patient[after] == points.patient[linked]).all()
        assert (points.stage[after] == points.stage[linked] + 1).all()
        assert (points.followed == (points.terminal | (points.next >= 0))).all()
        assert not (points.terminal & (points.next >= 0)).any()
        assert (np.isnan(points.rewards) == ~points.followed).all()
        assert np.isin(points.rewards[points.followed], (0.0, 0.7, 0.8, 1.0)).all()


def test_rewards_of_every_state() -> None:
    states = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 0], [1, 0, 0, 1], [0, 0, 0, 0]])
    assert state_rewards(states, SPEC).tolist() == [1.0, 0.8, 0.7, 0.7, 0.0, 0.0]


def test_states_are_standardized_over_the_patients_they_were_fitted_on(simulated: RegistryCohort) -> None:
    patients = np.arange(0, 200)
    encoder = StateEncoder.fit(simulated, patients)
    states = encoder.transform(simulated.frame.iloc[simulated.starts])
    assert states.shape == (300, len(encoder.names))
    assert states[patients, 0].mean() == pytest.approx(0, abs=1e-5)
    assert states[patients, 0].std() == pytest.approx(1, abs=1e-5)
    relation = states[
        :, [encoder.names.index(f"donor_relation={c}") for c in SPEC.feature("donor_relation").categories]
    ]
    assert (relation.sum(axis=1) == 1).all()
    again = StateEncoder.from_json(encoder.to_json(), SPEC)
    assert (again.transform(simulated.frame.iloc[:50]) == encoder.transform(simulated.frame.iloc[:50])).all()


def test_missing_features_read_as_the_mean_and_no_category(simulated: RegistryCohort) -> None:
    encoder = StateEncoder.fit(simulated)
    frame = simulated.frame.iloc[:1].copy()
    frame["age"], frame["hla_match"] = np.nan, None
    state = dict(zip(encoder.names, encoder.transform(frame)[0].tolist(), strict=True))
    assert state["age"] == 0
    assert all(value == 0 for name, value in state.items() if name.startswith("hla_match"))


def test_a_part_of_the_patients_is_a_registry_of_its_own(simulated: RegistryCohort) -> None:
    part = simulated.only(np.array([5, 2]))
    assert part.patients.tolist() == [simulated.patients[2], simulated.patients[5]]
    assert (part.row_of >= -1).all()
    assert part.lengths.tolist() == simulated.lengths[[2, 5]].tolist()
