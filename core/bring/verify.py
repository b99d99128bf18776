"""Recompute an evidence card: is it sealed, made of these files, and do the numbers come out again?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.base.errors import ArtifactError
from core.base.judging import NOT_CENTERED, judging_version, judging_words
from core.bring.card import Card, make_card, read_card
from core.bring.evidence import run_bench
from core.bring.judgment import SETS, judge_on, make_bench
from core.bring.policy import bring
from core.bring.sets import Asked, BroughtSets, bring_sets
from core.bring.sets_bench import RunBench, SetBench, judge_sets_on, make_set_bench
from core.cohort import Cohort
from core.icu.view import RunView
from core.registry.cohort.table import RegistryCohort
from core.registry.view import RegistryView

JudgedOn = Cohort | RegistryCohort | RunView | RegistryView
CLOSE = 1e-6  # relative; another machine may add in another order


@dataclass(frozen=True)
class Verdict:
    """What held. lines: a sentence a check; recomputed: False where only the seal could be looked at."""

    lines: tuple[str, ...]
    recomputed: bool

    def __str__(self) -> str:
        return "\n".join(self.lines)


def verify_card(path: str | Path, judged_on: JudgedOn | None = None, policy: Any = None) -> Verdict:
    """Check a card, with what it was judged on and its policy (as `bring` or `bring_sets` takes it) by computing it
    anew.

    judged_on: the cohort or registry, or the run that the policy was added to; a run's own copy of the policy is taken
    where none is given.

    Raises `ArtifactError` where the seal, the data, the policy or a number differs, saying which and how.
    """
    card = read_card(Path(path))
    sealed = f"The seal fits: nothing was changed since the card was made, by {judging_words(card.judging)}."
    of_run = isinstance(judged_on, (RunView, RegistryView))
    cohort = judged_on.cohort if isinstance(judged_on, (RunView, RegistryView)) else judged_on
    if isinstance(judged_on, (RunView, RegistryView)) and policy is None:
        policy = _kept(judged_on, card)
    if judged_on is None or cohort is None or policy is None:
        here = _judged_here(card, judged_on)
        told = ", or ".join(judging_words(version) for version in here)
        other = [] if here == (card.judging,) else [f"This program judges by {told}."]
        lines = (sealed, *other, "Nothing was recomputed: that takes the policy, and the cohort or run.")
        return Verdict(lines, False)
    if (card.basis == "run") != of_run:
        raise ArtifactError(f"the card was judged on a {card.basis}; give that {card.basis}.")
    if cohort.data_hash != card.data_hash:
        raise ArtifactError(f"the card was made on other data ({card.data_hash}) than this ({cohort.data_hash}).")
    again = _again(card, judged_on, policy)
    different = _differences(card, again)
    if different:
        told = "; ".join(different[:5])
        raise ArtifactError(f"the card's numbers do not come out again: {told}. {_why(card, again)}")
    known = again.true_value is None and card.true_value is not None
    rest = "Every number comes out again" + (", but the truth: a table cannot be rolled out." if known else ".")
    return Verdict((sealed, "Data and policy are those of the card.", rest), True)


def _judged_here(card: Card, judged_on: JudgedOn | None) -> tuple[int, ...]:
    """The version by which this program would judge the same anew; two for an unnumbered card of a run not at hand."""
    if isinstance(judged_on, RunView):
        return (judging_version(judged_on.centered),)
    if card.basis == "run" and card.judging is None and card.form != SETS:
        return judging_version(), judging_version(centered=False)
    return (judging_version(centered=card.basis != "run" or card.judging not in NOT_CENTERED),)


def _why(card: Card, again: Card) -> str:
    """What numbers that differ say about the card: a change of the judges is no sign of a forged one."""
    if card.judging != again.judging:
        return (
            f"It was made by {judging_words(card.judging)}, and this is {judging_words(again.judging)}: other numbers "
            "are to be expected and say nothing against the card, nor for it. Verify it with the program that made it, "
            "or judge anew."
        )
    names = [name for name in again.versions if card.versions.get(name) != again.versions[name]]
    libraries = ", ".join(f"{name} {card.versions.get(name, 'unknown')}, here {again.versions[name]}" for name in names)
    if libraries:
        return f"Judges are of the same version as here, but not all software is ({libraries}): try with the card's."
    return "Judges and software are of the same versions as here: the card does not say what these files give."


def _again(card: Card, judged_on: JudgedOn, policy: Any) -> Card:
    """The card made once more; a table has no truth to be rolled out, so what the card says of it is compared only
    where it can be."""
    if isinstance(judged_on, (RegistryView, RegistryCohort)):
        asked = Asked.of_run(judged_on) if isinstance(judged_on, RegistryView) else Asked.of_cohort(judged_on)
        sets = bring_sets(policy, asked, card.policy)
        _check_policy(card, sets.digest)
        run = judged_on if isinstance(judged_on, RegistryView) else None
        bench: SetBench = make_set_bench(asked, card.config) if run is None else RunBench.of(run)
        found = judge_sets_on(bench, sets, choices=card.choices is not None)
        return make_card(found, sets, asked.cohort, bench.config, basis=card.basis)
    cohort = judged_on.cohort if isinstance(judged_on, RunView) else judged_on
    brought = bring(policy, cohort, card.policy)
    _check_policy(card, brought.digest)
    plain = run_bench(judged_on) if isinstance(judged_on, RunView) else make_bench(judged_on, card.config)
    found = judge_on(plain, brought, choices=card.choices is not None)
    return make_card(found, brought, cohort, plain.config, basis=card.basis, centered=plain.centered)


def _check_policy(card: Card, digest: str) -> None:
    if digest != card.policy_digest:
        raise ArtifactError("the card was made of another policy: the probabilities' digests differ.")


def _kept(view: RunView | RegistryView, card: Card) -> Any:
    """The policy as the run keeps it; None where it has none of that name."""
    if isinstance(view, RegistryView):
        sets = view.added_policies.get(card.policy)
        return None if sets is None else BroughtSets(card.policy, sets.choices)
    held = view.added_policies.get(card.policy)
    return None if held is None else held.probs


def _differences(card: Card, again: Card) -> list[str]:
    """Which numbers differ, in words."""
    left_out = set() if again.true_value is not None else {"true_value", "true_difference"}
    if card.gamma is None:  # a card from before unrecorded causes were asked about
        left_out.add("gamma")
    before, after = (_flat({k: v for k, v in one.numbers.items() if k not in left_out}) for one in (card, again))
    return [
        f"{name} is {before.get(name)} in the card and {after.get(name)} now"
        for name in sorted(before.keys() | after.keys())
        if not _same(before.get(name), after.get(name))
    ]


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """{"difference.low": -1.2, "hazards.0.text": ...}"""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        return {name: value}
    return {key: found for k, v in items for key, found in _flat(v, f"{name}.{k}".lstrip(".")).items()}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)
    return bool(one == other)
