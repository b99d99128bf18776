"""Nothing optional is carried along unread: each optional column of a cohort file and each optional field of a cohort
and a study changes what a reader says when it differs from its default."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any, Literal, get_origin

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from core.base.errors import CohortError
from core.cohort import Cohort, CohortReport, Exclusion, Origin, check_cohort, make_cohort, simulate_cohort
from core.cohort.columns import OPTIONAL, resolve_columns
from core.cohort.describe import attrition_table, cohort_facts, missing_by_column, table_one
from core.evaluation import knn_behavior_policy
from core.experiments.published import published
from core.hazard import Condition, Hazard
from core.icu.ask.find import outcome_words
from core.icu.ask.hazards import hit_at
from core.icu.fit.baselines import not_indicated
from core.policies.courses import courses_of
from core.policies.hazards import band_text, default_warnings
from core.policies.rules import rule_of
from core.rewards import step_rewards
from core.study import Column, Indication, OtherUnit, Published, RewardTerm, StudySpec, load_study
from core.tables.sense import usual_range
from core.trajectories import fit_scaler, make_trajectories, make_transitions
from pages.components.patient.course import hour_0, stay_of
from pages.components.shell.patients import horizon_words

STUDY = load_study()
PLATELETS = STUDY.index("Platelets")


@cache
def cohort() -> Cohort:
    return simulate_cohort("mimic-iv", 12, seed=1)[0]


def with_column(name: str, values: Any) -> Cohort:
    """The cohort as read from a file that has the optional column."""
    plain = cohort().frame
    return make_cohort(plain.assign(**{name: values}), STUDY)


def with_field(**changes: Any) -> StudySpec:
    return STUDY.model_copy(update=changes)


def with_platelets(**changes: Any) -> StudySpec:
    """The study with another column `Platelets`."""
    columns = [c.model_copy(update=changes) if c.name == "Platelets" else c for c in STUDY.columns]
    return with_field(columns=tuple(columns))


def table_of(study: StudySpec) -> pd.DataFrame:
    return table_one(replace(cohort(), study=study))


def measured(study: StudySpec) -> Any:
    view: Any = SimpleNamespace(cohort=replace(cohort(), study=study), study=study)
    return stay_of(view, 0).measurement("Platelets")


def words(study: StudySpec) -> list[str]:
    view: Any = SimpleNamespace(cohort=cohort(), study=study)
    return list(np.unique(outcome_words(view)))


def died(study: StudySpec) -> int:
    return int(replace(cohort(), study=study).died.sum())


def decisions(study: StudySpec) -> int:
    found = replace(cohort(), study=study)
    return len(make_transitions(make_trajectories(found, fit_scaler(found, np.arange(12)))))


def paid(study: StudySpec) -> Any:
    """The rewards that a file with such a column gives."""
    last = cohort().frame["outcome"] != 0
    return make_cohort(cohort().frame.assign(paid=np.where(last, 0.0, 1.0)), study).given_rewards


def indicated(study: StudySpec) -> Any:
    data = make_trajectories(cohort(), fit_scaler(cohort(), np.arange(12)))
    view: Any = SimpleNamespace(cohort=cohort(), study=study, trajectories=data)
    found = not_indicated(view, make_transitions(data))
    return None if found is None else found.sum()


def rewarded(study: StudySpec) -> float:
    states = cohort().states
    return float(step_rewards(states[:-1], states[1:], study, np.ones(STUDY.n_columns)).sum())


def nearest(study: StudySpec) -> np.ndarray:
    weights, states = np.array([column.behavior_weight for column in study.columns]), cohort().states
    return knn_behavior_policy(states, cohort().actions, states[:5], STUDY.n_actions, 4, weights).neighbors


def known_units(study: StudySpec) -> list[str]:
    frame = cohort().frame.assign(Platelets=cohort().frame["Platelets"] * 1000)
    return [p.rule for p in check_cohort(frame, study, units={"Platelets": "per liter"}).problems]


def binary_notes(study: StudySpec) -> list[str]:
    frame = cohort().frame.assign(Platelets=0.5)
    return [p.rule for p in check_cohort(frame, study).problems if p.column == "Platelets"]


def read_by_its_mapping(study: StudySpec) -> bool:
    """Whether a file whose column has another name can be read."""
    file = cohort().frame.rename(columns={"Platelets": "plt"})
    try:
        make_cohort(file, study)
    except CohortError:
        return False
    return True


def met(hazard: Hazard) -> list[Any]:
    """What a rule says, where it applies and, of HIT, what it says of a step."""
    rule, study = rule_of(hazard), with_field(warnings=(hazard,))
    view: Any = SimpleNamespace(cohort=replace(cohort(), study=study), study=study)
    applies = rule.applies(courses_of(cohort(), rule.columns))
    return [rule.text(study), applies.tolist(), hit_at(view, 0, int(cohort().lengths[0]) - 1)]


def given_to(name: str) -> Callable[[Cohort], Any]:
    return lambda read: read.amounts(0).get(name, pd.Series(dtype=float)).tolist()


RANGE = RewardTerm(name="in range", kind="range", column="Platelets", coefficient=1.0, low=50.0, high=100.0)
FALL = Hazard(kind="fall", column="Platelets", percent=10.0, hours=24.0)
HIT = Hazard(kind="hit", column="Platelets", other_cause="definite")
OTHER = OtherUnit(unit="per liter", factor=0.001)
ROWS = cohort().frame["step"].to_numpy()
IMPUTED = np.broadcast_to(True, cohort().states.shape)
# what: (a reader, what it reads by default, the same where the column or field differs)
CASES: dict[str, tuple[Callable[[Any], Any], Any, Any]] = {
    **{
        f"column {name}": (given_to(name), cohort(), with_column(name, 100.0 * ROWS))
        for name in OPTIONAL
        if name.startswith("dose")
    },
    "column hours": (lambda c: c.hours.tolist(), cohort(), with_column("hours", 4.0 * ROWS)),
    "column subject": (lambda c: c.persons.max(), cohort(), with_column("subject", "one person")),
    "Cohort.origin": (lambda c: cohort_facts(c)["simulated"], cohort(), replace(cohort(), origin=Origin())),
    "Cohort.report": (
        lambda c: len(attrition_table(c.report)),
        replace(cohort(), report=CohortReport()),
        replace(cohort(), report=CohortReport((), (Exclusion("rows read", 0, 0, 12, len(ROWS)),))),
    ),
    "Cohort.imputed": (lambda c: missing_by_column(c)["missing"].sum(), cohort(), replace(cohort(), imputed=IMPUTED)),
    "Cohort.extra": (lambda c: c.timed, cohort(), replace(cohort(), extra=pd.DataFrame({"hours": 4.0 * ROWS}))),
    "Cohort.twins": (lambda c: c.persons.max(), cohort(), replace(cohort(), twins=np.zeros(12, dtype=int))),
    "StudySpec.start_hours": (
        lambda study: replace(cohort(), study=study).hours.min(),
        STUDY,
        with_field(start_hours=2.0),
    ),
    "StudySpec.outcome_labels": (
        lambda study: "outcome" in resolve_columns(["alive"], study, None).positions,
        STUDY,
        with_field(outcome_labels=("alive",)),
    ),
    "StudySpec.survived_label": (words, STUDY, with_field(survived_label="went home")),
    "StudySpec.died_label": (words, STUDY, with_field(died_label="lost")),
    "StudySpec.weight": (lambda study: study.per_kg_hour(4800.0, 80.0), STUDY, with_field(weight="")),
    "StudySpec.onset": (lambda study: hour_0(study.onset), STUDY, with_field(onset="")),
    "StudySpec.outcome_horizon": (horizon_words, STUDY, with_field(outcome_horizon="by day 28")),
    "StudySpec.rewards": (rewarded, STUDY, with_field(rewards=())),
    "StudySpec.indication": (
        indicated,
        with_field(indication=None),
        with_field(indication=Indication(column="Platelets", at_least=60.0)),
    ),
    "StudySpec.hazards": (lambda study: band_text(study, 1), STUDY, with_field(hazards=())),
    "StudySpec.published": (lambda study: "mimic_iv_mean" in table_of(study), STUDY, with_field(published=None)),
    "StudySpec.mapping": (read_by_its_mapping, STUDY, with_field(mapping={"columns": {"Platelets": "plt"}})),
    "StudySpec.warnings": (
        lambda study: [w.text(study) for w in default_warnings(study)],
        STUDY,
        with_field(warnings=()),
    ),
    **{
        f"Hazard.{name}": (met, hazard, hazard.model_copy(update={name: value}))
        for name, hazard, value in (
            ("kind", STUDY.hazards[0].model_copy(update={"percent": 30.0, "hours": 24.0}), "fall"),
            ("name", STUDY.hazards[0], "low count"),
            ("operator", STUDY.hazards[0], ">"),
            ("threshold", STUDY.hazards[0], 500.0),
            ("or_when", STUDY.hazards[0], (Condition(column="INR", operator="<", threshold=9.0),)),
            ("from_action", STUDY.hazards[0], 3),
            ("percent", FALL, 90.0),
            ("hours", FALL, 3.0),
            ("exposure", HIT, "Gender"),
            ("thrombosis", HIT, "Ventilation"),
            ("other_cause", HIT, "none"),
            ("cause", HIT, "dilution"),
        )
    },
    "Published.policies": (
        lambda named: published("mimic-iv", "clinician", with_field(published=named)),
        STUDY.published,
        STUDY.published.model_copy(update={"policies": ""}),
    ),
    "Published.columns": (
        lambda named: "mimic_iv_mean" in table_of(with_field(published=named)),
        STUDY.published,
        STUDY.published.model_copy(update={"columns": ""}),
    ),
    "StudySpec.outcome": (died, STUDY, with_field(outcome="number")),
    "StudySpec.last_row": (decisions, STUDY, with_field(last_row="decision")),
    "StudySpec.reward_column": (paid, STUDY, with_field(reward_column="paid")),
    "Column.label": (
        lambda study: table_of(study).set_index("column")["label"]["Platelets"],
        STUDY,
        with_platelets(label="Thrombocytes"),
    ),
    "Column.decimals": (lambda study: study.column("Platelets").text(149.44), STUDY, with_platelets(decimals=3)),
    "Column.binary": (binary_notes, STUDY, with_platelets(binary=True)),
    "Column.reference": (lambda study: measured(study).reference, STUDY, with_platelets(reference=(1.0, 2.0))),
    "Column.target": (lambda study: measured(study).target, STUDY, with_platelets(target=(1.0, 2.0))),
    "Column.usual": (lambda study: usual_range(study.columns[PLATELETS]), STUDY, with_platelets(usual=(1.0, 2.0))),
    "Column.other_units": (known_units, with_platelets(other_units=()), with_platelets(other_units=(OTHER,))),
    "Column.behavior_weight": (nearest, STUDY, with_platelets(behavior_weight=100.0)),
    "OtherUnit.offset": (lambda unit: unit.ours(1.0), OTHER, OTHER.model_copy(update={"offset": 3.0})),
    **{
        f"RewardTerm.{name}": (
            lambda term: rewarded(with_field(rewards=(term,))),
            RANGE,
            RANGE.model_copy(update={name: value}),
        )
        for name, value in (("low", 20.0), ("high", 300.0))
    },
}


def optional() -> Iterator[str]:
    """Every optional column and field, as `CASES` names them; a constant cannot differ."""
    yield from (f"column {name}" for name in OPTIONAL)
    for field in dataclasses.fields(Cohort):
        if field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING:
            yield f"Cohort.{field.name}"
    model: type[BaseModel]
    for model in (StudySpec, Column, OtherUnit, RewardTerm, Indication, Hazard, Published):
        for name, info in model.model_fields.items():
            constant = get_origin(info.annotation) is Literal and len(info.annotation.__args__) == 1
            if not info.is_required() and info.default is not PydanticUndefined and not constant:
                yield f"{model.__name__}.{name}"


def test_every_optional_column_and_field_is_swept() -> None:
    assert set(optional()) == set(CASES), "give each optional column and field a reader, and a case here"


@pytest.mark.parametrize("what", CASES)
def test_what_differs_is_read(what: str) -> None:
    reader, default, changed = CASES[what]
    before, after = reader(default), reader(changed)
    assert not np.array_equal(np.asarray(before, dtype=object), np.asarray(after, dtype=object)), f"{what} is not read"
