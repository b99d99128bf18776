"""A case worth looking at: where the run's advice departs from what was given, and a hazard rule says why one should
ask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.icu.ask.coloring import departures
from core.icu.ask.hazards import rule_applies
from core.icu.ask.options import refused_steps
from core.icu.view import RunView
from core.policies.rules import Rule

FEWEST_BEFORE = 3  # steps of a course that stand on screen before the question


def telling_case(view: RunView, rules: Sequence[Rule]) -> tuple[int, int] | None:
    """Position of a test patient and the step to open it at; None where the run has no advice, or it never departs.

    At the step the advice has another dose than was given, and doses can be ranked. Steps at which a rule applies and
    calls the advised dose hazardous come first, then those at which a rule applies; of these the first step of the stay
    that has most of them. How stays end has no say, so that the choice tells nothing of it.
    """
    if view.advice is None or not len(view.split.test):
        return None
    departs, dose = departures(view, None, "given")
    asked = departs & ~refused_steps(view)
    asked[:, :FEWEST_BEFORE] = False
    asked[np.setdiff1d(np.arange(len(asked)), view.split.test)] = False
    met, against = np.zeros_like(asked), np.zeros_like(asked)
    for rule in rules:
        applies = rule_applies(view, rule, np.arange(len(asked)))
        met |= applies
        against |= applies & (dose >= rule.from_action)
    for steps in (asked & against, asked & met, asked):
        if steps.any():
            patient = int(steps.sum(axis=1).argmax())
            return patient, int(steps[patient].argmax())
    return None
