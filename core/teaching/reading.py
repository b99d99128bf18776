"""A reader study: cases, and what each reader decided before and after what his arm showed him.

A decision once kept stands: who has seen the advice cannot go back to before it, in another tab either. Times are
those of the server's clock since a case was first shown, so that a reload neither loses nor shortens them; a break
counts.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import Field

from core.base.config import Config
from core.base.errors import ConfigError, PhenoPolicyError
from core.base.text import plain
from core.study import Actions, StudySpec
from core.teaching.arms import Arm, arms_of, order_of
from core.teaching.cases import Case, ReadingSettings
from core.teaching.kept import change_kept, read_kept, write_kept

MOST_READERS = 99
MOST_STUDIES = 50  # of one visitor on one run
LONGEST_NAME = 60


class Answer(Config):
    """What one reader said of one case; `order` from 1 is the place at which he met it. Doses are bins, confidence is
    0 to 100, opened, first and second are times in seconds since 1970."""

    reader: int
    order: int
    opened: float
    before: int | None = None
    confidence_before: int | None = None
    first: float | None = None
    after: int | None = None
    confidence_after: int | None = None
    second: float | None = None


class ReaderStudy(Config):
    """One reader study on one run, with all answers so far."""

    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    data_hash: str
    settings: ReadingSettings
    cases: tuple[Case, ...]
    answers: tuple[Answer, ...] = ()

    @property
    def planted(self) -> np.ndarray:
        """(C,) cases whose advice is wrong on purpose."""
        return np.array([case.planted for case in self.cases])

    @property
    def readers(self) -> list[int]:
        return sorted({answer.reader for answer in self.answers})

    def seen(self, reader: int, order: int) -> tuple[Case, Arm]:
        """The case that a reader meets at a place from 1, and with what."""
        case = int(order_of(len(self.cases), reader, self.settings.seed)[order - 1])
        return self.cases[case], arms_of(self.planted, reader, self.settings.seed)[case]

    def answer(self, reader: int, order: int) -> Answer | None:
        return next((a for a in self.answers if (a.reader, a.order) == (reader, order)), None)

    def next_order(self, reader: int) -> int | None:
        """Place of the first case that a reader has not finished; None after the last."""
        done = {a.order for a in self.answers if a.reader == reader and a.second is not None}
        return next((order for order in range(1, len(self.cases) + 1) if order not in done), None)

    def table(self, study: StudySpec) -> pd.DataFrame:
        """One row a finished decision, in the order in which they were made; the outcome of no patient is in it."""
        done = sorted((a for a in self.answers if a.second is not None), key=lambda a: a.second or 0.0)
        return pd.DataFrame([self._row(answer, study) for answer in done], columns=list(COLUMNS))

    def _row(self, a: Answer, study: StudySpec) -> dict[str, object]:
        case, arm = self.seen(a.reader, a.order)
        before, after, first, second = _whole(a)
        doses = {"advice": case.shown, "before": before, "after": after, "given": case.given}
        return {
            "study": self.name,
            "reader": a.reader,
            "order": a.order,
            "patient": case.key,
            "step": case.step + 1,
            "hours": case.hours,
            "arm": arm,
            "planted": case.planted,
            **doses,
            **{f"{name}_dose": study.actions.label(dose) for name, dose in doses.items()},
            "confidence_before": a.confidence_before,
            "confidence_after": a.confidence_after,
            "seconds_before": round(first - a.opened, 1),
            "seconds_after": round(second - first, 1),
            "seconds": round(second - a.opened, 1),
        }


COLUMNS = (
    *("study", "reader", "order", "patient", "step", "hours", "arm", "planted", "advice", "before", "after", "given"),
    *("advice_dose", "before_dose", "after_dose", "given_dose", "confidence_before", "confidence_after"),
    *("seconds_before", "seconds_after", "seconds"),
)


def _whole(answer: Answer) -> tuple[int, int, float, float]:
    """What a finished answer holds."""
    found = answer.before, answer.after, answer.first, answer.second
    if found[0] is None or found[1] is None or found[2] is None or found[3] is None:
        raise ConfigError(f"reader {answer.reader} has not finished case {answer.order}; it has no row yet.")
    return found[0], found[1], found[2], found[3]


def start_study(folder: Path, name: str, data_hash: str, settings: ReadingSettings, cases: tuple[Case, ...]) -> Path:
    """Keep a new study in a folder of its visitor; returns its file. `ConfigError` for no name, or too many studies."""
    name = plain(name).strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise ConfigError(f"a reader study needs a name of 1 to {LONGEST_NAME} characters; give it one.")
    if len(list_studies(folder)) >= MOST_STUDIES:
        raise ConfigError(f"there are {MOST_STUDIES} reader studies on this run already; delete one first.")
    path = folder / f"{secrets.token_hex(6)}.json"
    write_kept(path, ReaderStudy(name=name, data_hash=data_hash, settings=settings, cases=cases))
    return path


def list_studies(folder: Path) -> dict[str, ReaderStudy]:
    """Studies kept in a folder by the stem of their file, by name; broken files are left out."""
    found = {}
    for path in folder.glob("*.json"):
        try:
            found[path.stem] = read_kept(path, ReaderStudy)
        except PhenoPolicyError:
            continue
    return dict(sorted(found.items(), key=lambda item: (item[1].name, item[0])))


def open_case(path: Path, reader: int, now: float) -> tuple[ReaderStudy, int | None]:
    """Note when a reader first sees his next case; returns the study and the case's place, None after the last."""
    _check_reader(reader)

    def move(study: ReaderStudy) -> ReaderStudy:
        order = study.next_order(reader)
        if order is None or study.answer(reader, order) is not None:
            return study
        opened = Answer(reader=reader, order=order, opened=now)
        return study.model_copy(update={"answers": (*study.answers, opened)})

    study = change_kept(path, ReaderStudy, move)
    return study, study.next_order(reader)


def keep_first(
    path: Path, reader: int, order: int, dose: int, confidence: int, now: float, actions: Actions
) -> ReaderStudy:
    """Keep what a reader would give before his arm is shown; `ConfigError` where he has said so already."""
    _check_said(dose, confidence, actions)

    def move(study: ReaderStudy) -> ReaderStudy:
        answer = _at_hand(study, reader, order)
        if answer.first is not None:
            raise ConfigError("a first answer to this case was kept already, perhaps in another tab; it stands.")
        return _with(study, answer, {"before": dose, "confidence_before": confidence, "first": now})

    return change_kept(path, ReaderStudy, move)


def keep_second(
    path: Path, reader: int, order: int, dose: int, confidence: int, now: float, actions: Actions
) -> ReaderStudy:
    """Keep what a reader would give after it; `ConfigError` where the first answer is missing or this one is kept."""
    _check_said(dose, confidence, actions)

    def move(study: ReaderStudy) -> ReaderStudy:
        answer = _at_hand(study, reader, order)
        if answer.first is None:
            raise ConfigError("this case has no first answer yet; give it before the advice is shown.")
        return _with(study, answer, {"after": dose, "confidence_after": confidence, "second": now})

    return change_kept(path, ReaderStudy, move)


def _at_hand(study: ReaderStudy, reader: int, order: int) -> Answer:
    """The open answer to the case that a reader is at."""
    _check_reader(reader)
    answer = study.answer(reader, order)
    if answer is None or order != study.next_order(reader):
        raise ConfigError(f"reader {reader} is not at case {order}; it was answered already, or is still to come.")
    return answer


def _with(study: ReaderStudy, answer: Answer, said: dict[str, object]) -> ReaderStudy:
    answers = tuple(a.model_copy(update=said) if a is answer else a for a in study.answers)
    return study.model_copy(update={"answers": answers})


def _check_reader(reader: int) -> None:
    if not 1 <= reader <= MOST_READERS:
        raise ConfigError(f"readers have numbers from 1 to {MOST_READERS}, not {reader}.")


def _check_said(dose: int, confidence: int, actions: Actions) -> None:
    actions.check(dose)
    if not 0 <= confidence <= 100:
        raise ConfigError(f"confidence is a number from 0 to 100, not {confidence}.")
