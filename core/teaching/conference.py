"""A case conference: a class commits doses to a case step by step, blind, until the teacher reveals it.

A conference holds one case after another. Every move is a function from the conference before to the one after, so
that `core.teaching.rooms` can make it under the file's lock; a move that is not allowed is a `ConfigError`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from core.base.config import Config
from core.base.errors import ConfigError
from core.base.text import plain
from core.study import Actions

Pace = Literal["together", "own"]
MOST_MEMBERS = 100
MOST_STEPS = 12  # decisions of one case
MOST_CASES = 12
LONGEST_NICKNAME = 24


class Member(Config):
    """Somebody who joined: id (from the browser's key, which it does not tell) and nickname, which is text."""

    id: str
    nickname: str


class Commit(Config):
    """A dose bin that a member chose at a step (from 0) of the conference's case with this number; it stands."""

    member: str
    case: int
    step: int
    action: int


class CaseSteps(Config):
    """Which steps of which stay are asked: patient (position), first step from 0, and how many from there."""

    patient: int = Field(ge=0)
    first: int = Field(ge=0)
    n: int = Field(ge=1, le=MOST_STEPS)

    @property
    def steps(self) -> range:
        return range(self.first, self.first + self.n)


class Conference(Config):
    """One conference on a run (its folder's name and data hash).

    pace: "together", the teacher leads from step to step, or "own", everybody goes on alone until the reveal. step: the
    one that is asked, together. `revealed`: of the last case; all cases before it are.
    """

    code: str
    teacher: str
    run: str
    data_hash: str
    opened: float
    pace: Pace
    cases: tuple[CaseSteps, ...]
    step: int
    revealed: bool = False
    members: tuple[Member, ...] = ()
    commits: tuple[Commit, ...] = ()

    @property
    def case(self) -> int:
        """Number of the case that is played."""
        return len(self.cases) - 1

    @property
    def asked(self) -> CaseSteps:
        return self.cases[-1]

    @property
    def stage(self) -> tuple[int, int, bool]:
        """Changes whenever everybody's screen has to."""
        return self.case, self.step, self.revealed

    def member(self, who: str) -> Member | None:
        return next((member for member in self.members if member.id == who), None)

    def committed(self, step: int) -> set[str]:
        """Members who have chosen at a step of the case that is played."""
        return {c.member for c in self.commits if (c.case, c.step) == (self.case, step)}

    def choices(self, member: str, case: int) -> dict[int, int]:
        """Doses of a member by step of a case."""
        return {c.step: c.action for c in self.commits if (c.member, c.case) == (member, case)}

    def step_of(self, member: str) -> int | None:
        """The step that a member is asked now; None where there is nothing to choose but to wait."""
        if self.revealed:
            return None
        chosen = self.choices(member, self.case)
        if self.pace == "together":
            return None if self.step in chosen else self.step
        return next((step for step in self.asked.steps if step not in chosen), None)

    def votes(self, case: int, n_actions: int) -> np.ndarray:
        """(steps of the case, A) how many members chose each dose."""
        counts = np.zeros((self.cases[case].n, n_actions), dtype=np.int64)
        for commit in self.commits:
            if commit.case == case:
                counts[commit.step - self.cases[case].first, commit.action] += 1
        return counts


def join(conference: Conference, who: str, nickname: str) -> Conference:
    """Take a member in under a nickname that nobody else has; who is in already stays under the name of before."""
    if conference.member(who) is not None:
        return conference
    name = " ".join(plain(nickname).split())
    if not 1 <= len(name) <= LONGEST_NICKNAME:
        raise ConfigError(f"a nickname has 1 to {LONGEST_NICKNAME} characters; choose one.")
    if any(member.nickname.casefold() == name.casefold() for member in conference.members):
        raise ConfigError("this nickname is taken in this conference; choose another one.")
    if len(conference.members) >= MOST_MEMBERS:
        raise ConfigError(f"this conference is full: it holds {MOST_MEMBERS} members.")
    return conference.model_copy(update={"members": (*conference.members, Member(id=who, nickname=name))})


def commit(conference: Conference, who: str, step: int, action: int, actions: Actions) -> Conference:
    """Keep a member's action at the step that he is asked."""
    if conference.member(who) is None:
        raise ConfigError(f"only members of a conference commit {actions.words}; join it first.")
    if step != conference.step_of(who):
        raise ConfigError("this step is not asked any more, or was answered already, perhaps in another tab.")
    actions.check(action)
    said = Commit(member=who, case=conference.case, step=step, action=action)
    return conference.model_copy(update={"commits": (*conference.commits, said)})


def advance(conference: Conference, who: str) -> Conference:
    """Ask the next step; after the last one only the reveal is left."""
    _check_teacher(conference, who)
    if conference.revealed or conference.step + 1 not in conference.asked.steps:
        raise ConfigError("the last step of this case is reached; reveal it.")
    return conference.model_copy(update={"step": conference.step + 1})


def reveal(conference: Conference, who: str) -> Conference:
    """Show everybody what was given, how it went on, and what the choices are worth."""
    _check_teacher(conference, who)
    return conference.model_copy(update={"revealed": True})


def next_case(conference: Conference, who: str, asked: CaseSteps) -> Conference:
    """Play another case with the same class; the case before must be revealed."""
    _check_teacher(conference, who)
    if not conference.revealed:
        raise ConfigError("reveal this case first, then open the next one.")
    if len(conference.cases) >= MOST_CASES:
        raise ConfigError(f"a conference has at most {MOST_CASES} cases; open another conference.")
    played = (*conference.cases, asked)
    return conference.model_copy(update={"cases": played, "step": asked.first, "revealed": False})


def _check_teacher(conference: Conference, who: str) -> None:
    if who != conference.teacher:
        raise ConfigError("only the teacher who opened a conference leads it.")
