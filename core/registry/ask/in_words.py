"""What a policy of a registry run gives at one decision, in words: a small tree on what is known of the patient.

Hundreds of combinations are too many to tell: the tree tells the few that the policy or the experts use most, and all
others as one. It is grown on what the policy does at the decisions of the patients whom it may know, and asked of the
test patients (`core.policies.in_words`). As a policy the tree gives each group of states what the policy gives there on
the whole, every single combination; it is judged as all policies are, at this decision alone, the others left to the
experts. So is the policy itself, beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from core.base.remembered import remembered_by
from core.base.rng import derive_seed
from core.evaluation.judging.grade import GradeSettings, judged_row
from core.evaluation.judging.groups import FEWEST_STAYS
from core.policies.in_words import InWords, Parts, fidelity, given_shares, group_table, with_effects
from core.policies.tree import PolicyTree, grow_tree
from core.policies.tree_words import TreeWords
from core.registry.ask.compared import GREEDY
from core.registry.ask.judge import Bench
from core.registry.ask.ope import WORDS, Advice, Plan, Recorded
from core.registry.ask.own import beside_known, policy_probs
from core.registry.ask.policies import SimulatedPolicy, TreatmentModels
from core.registry.ask.tables import Evaluation
from core.registry.ask.true_values import longest_treatment
from core.registry.cohort.decisions import DecisionData, StateEncoder
from core.registry.cohort.drugs import Combinations
from core.registry.simulate import DecisionState, Policy, draw_combinations, registry_truth
from core.registry.spec import Feature, RegistrySpec
from core.registry.view import RegistryView
from core.study import Column

MOST_TOLD = 7  # combinations that are told apart
OTHERS, AS_EXPERTS = "another combination", "as experts do"


class Category(Column):
    """A 0/1 column with the words of 0 and 1 beside it: a category's may hold the comma that parts a unit's codes."""

    words: tuple[str, str]

    def word(self, value: float) -> str:
        """The word of a value."""
        return self.words[int(value)]


@dataclass(frozen=True, eq=False)
class SetTree:
    """The tree of a policy at one decision. catalog: the combinations that the policy chooses among; probs (L, A) its
    mean over them in each group; told (A,) which outcome of the tree a combination is."""

    tree: PolicyTree
    catalog: Combinations
    probs: np.ndarray
    told: np.ndarray


@dataclass(frozen=True, eq=False)
class Spoken:
    """A policy at a decision in words, and what the words mean."""

    found: InWords
    words: TreeWords


@remembered_by(6)
def decision_in_words(view: RegistryView, decision: str, policy: str) -> Spoken:
    """A policy of the run, its own or added, by name, at a learned decision that it does not leave to the experts."""
    data, (catalog, probs) = view.points[decision], policy_probs(view, decision, policy)
    learned, test = data.of(view.split.learners), data.of(view.split.test)
    states = tree_states(view.spec, view.encoder, data.states, data.stage)
    told, names = _told(catalog, probs[learned], data.drugs[learned])
    targets = _summed(probs, told, len(names))
    tree = grow_tree(states[learned], targets[learned])
    group = tree.groups(states)
    whole = SetTree(tree, catalog, _mean_by(group[learned], probs[learned], len(tree.limits)), told)
    at, person = _grid(data, test)
    given = np.append(told, len(names) - 2)[catalog.encode(data.drugs)]  # -1: no combination of the catalog
    here, does, gave = at(group, -1), at(targets, 0), at(given, 0)
    groups = group_table(gave, tree, here, person, np.full(len(names) - 1, np.nan))
    alike, weighted = fidelity(does, tree, here, person)
    common = targets[learned].mean(axis=0).argmax()
    judged, groups = _judged(view, decision, policy, whole, probs, group, groups)
    found = InWords(
        policy=policy,
        tree=tree,
        fidelity=alike,
        weighted=weighted,
        plain=float((targets[test].argmax(axis=1) == common).mean()),
        steps=int(test.sum()),
        stays=len(person),
        judged=judged,
        groups=groups,
        given=given_shares(gave, here, tree.probs.shape),
    )
    return Spoken(found, _words(view, decision, names))


# States in words


def tree_states(spec: RegistrySpec, encoder: StateEncoder, states: np.ndarray, stage: np.ndarray) -> np.ndarray:
    """(n, D + 1) encoded states (n, D) in the registry's own units, and the day of the stage (n,)."""
    own = states.astype(np.float64)
    numbers = [encoder.names.index(feature.name) for feature in spec.features if feature.kind == "number"]
    own[:, numbers] = own[:, numbers] * encoder.scale + encoder.mean
    days = np.array([one.day for one in spec.stages], dtype=np.float64)
    return np.column_stack([own, days[stage]])


def tree_columns(spec: RegistrySpec) -> list[Column]:
    """The columns of `tree_states`, as a tree tells them."""
    columns = [column for feature in spec.features for column in _columns_of(feature)]
    titles = {indicator.name: indicator.title for indicator in spec.indicators}
    columns += [_yes_or_no(name, titles.get(name, name)) for name in spec.indicator_names]
    return [*columns, _number("day", "Day of decision", "1")]


def _columns_of(feature: Feature) -> Iterator[Column]:
    label = feature.label or feature.name
    if feature.kind == "number":
        yield _number(feature.name, label, feature.unit or "1")
        return
    shown = feature.categories[1:] if len(feature.categories) == 2 else feature.categories
    for value in shown:
        below = feature.categories[0] if len(feature.categories) == 2 else f"not {value}"
        words = f"{label}: {below}", f"{label}: {value}"
        yield Category(**_yes_or_no(feature.name, words[1]).model_dump(), words=words)


def _number(name: str, label: str, unit: str) -> Column:
    return Column(name=name, label=label, unit=unit, kind="temporal", plausible=(-1e9, 1e9))


def _yes_or_no(name: str, label: str) -> Column:
    return Column(name=name, label=label, unit="1", kind="temporal", binary=True, plausible=(0, 1))


def _words(view: RegistryView, decision: str, names: Sequence[str]) -> TreeWords:
    title = view.spec.decision(decision).title
    return TreeWords(
        columns=tree_columns(view.spec),
        outcomes=tuple(names),
        who="experts",
        action="combination",
        actions="combinations",
        steps="decisions",
        earned="sum of rewards",
        doses=False,
        about=f"{title}: combinations of drugs",
    )


# What is told apart


def _told(catalog: Combinations, probs: np.ndarray, drugs: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """(A,) outcome of each combination, and the outcomes' names: those most given by policy and experts together, then
    all others, then to do as experts do."""
    used = catalog.encode(drugs)
    experts = np.bincount(used[used >= 0], minlength=len(catalog)) / max(len(drugs), 1)
    most = np.argsort(-(probs.mean(axis=0) + experts), kind="stable")[:MOST_TOLD]
    told = np.full(len(catalog), len(most))
    told[most] = np.arange(len(most))
    return told, [*(catalog.name(int(action)) for action in most), OTHERS, AS_EXPERTS]


def _summed(probs: np.ndarray, told: np.ndarray, n: int) -> np.ndarray:
    """(n_points, n) probabilities (n_points, A) by outcome."""
    return np.asarray(probs.astype(np.float64) @ np.eye(n)[told])


def _mean_by(group: np.ndarray, probs: np.ndarray, n: int) -> np.ndarray:
    """(n, A) mean of probabilities in each group; over all in one that holds nobody."""
    inside = [group == number for number in range(n)]
    return np.stack([probs[one if one.any() else ~one].mean(axis=0) for one in inside]).astype(np.float32)


def _grid(data: DecisionData, here: np.ndarray) -> tuple[partial[np.ndarray], np.ndarray]:
    """How values of all points become a grid of patients by stages of those here, (points,) bool, and the patients."""
    person, row = np.unique(data.patient[here], return_inverse=True)
    places = here, (row, data.stage[here]), (len(person), int(data.stage.max(initial=0)) + 1)
    return partial(_placed, *places), person


def _placed(
    here: np.ndarray, at: tuple[np.ndarray, np.ndarray], shape: tuple[int, int], values: np.ndarray, empty: float
) -> np.ndarray:
    grid = np.full((*shape, *values.shape[1:]), empty, dtype=values.dtype)
    grid[at] = values[here]
    return grid


# What it is worth


def _judged(
    view: RegistryView,
    decision: str,
    policy: str,
    whole: SetTree,
    probs: np.ndarray,
    group: np.ndarray,
    groups: pd.DataFrame,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`with_effects` of the policy, its tree, the tree where it departs, and each departing group alone."""
    parts, evaluation = Parts.of(groups, FEWEST_STAYS), Evaluation.own(view)
    bench = Bench.of(evaluation.judging, evaluation.recorded, evaluation.learned)
    everywhere, says = np.ones(len(group), dtype=bool), whole.probs[group]
    asked = [(probs, everywhere)]
    asked += [(says, everywhere if only is None else np.isin(group, only)) for only in parts.followed]
    both, floor = (evaluation.recorded, evaluation.learned), evaluation.judging.probability_floor
    plans = [
        [_plan(part, decision, whole.catalog, chances, followed, floor) for part in both] for chances, followed in asked
    ]
    settings = GradeSettings(ess=evaluation.judging.ess_floor)
    table = pd.DataFrame([judged_row(one, settings, WORDS) for one in bench.judge(plans)])
    table[["true_difference", "true_difference_se"]] = _true(view, decision, policy, whole, parts)
    return with_effects(table, groups, parts)


def _plan(
    part: Recorded, decision: str, catalog: Combinations, probs: np.ndarray, followed: np.ndarray, floor: float
) -> Plan:
    """What is done at recorded courses by who follows probabilities at some of the decision's points, (points,) bool,
    and leaves all others, and all other decisions, to the experts."""
    plan: dict[str, Advice] = {}
    for name, points in part.treatments.items():
        plan[name] = points.as_given()
        if name == decision:
            wide = points.widened(catalog)
            own, here = wide.advice(wide.learned(probs[wide.place]), floor), followed[wide.place]
            plan[name] = _where(here, own, wide.as_given())
    return plan


def _where(here: np.ndarray, own: Advice, given: Advice) -> Advice:
    """One's own advice at some points, (n,) bool, at the others what was given."""
    return replace(
        own,
        taken=np.where(here, own.taken, given.taken),
        drugs=np.where(here[:, None], own.drugs, given.drugs),
        rare=here & own.rare,
        distance=np.where(here, own.distance, 0.0),
    )


class SimulatedTree:
    """A tree as the simulator asks it. only: groups in which it is followed (None: all); in the others experts choose,
    as the screening network predicts them, which is how dials from the experts are rolled out too."""

    def __init__(
        self, view: RegistryView, models: TreatmentModels, whole: SetTree, only: Sequence[int] | None = None
    ) -> None:
        self.view, self.models, self.whole, self.only = view, models, whole, only

    def __call__(self, state: DecisionState) -> np.ndarray:
        view, whole, stage = self.view, self.whole, np.full(len(state), state.stage)
        states = view.encoder.transform(state.frame)
        group = whole.tree.groups(tree_states(view.spec, view.encoder, states, stage))
        probs = whole.probs[group]
        if self.only is not None:
            usual = beside_known(self.models.expert_probs(states, stage), whole.catalog)
            probs = np.where(np.isin(group, self.only)[:, None], probs, usual)
        return draw_combinations(whole.catalog, probs, state.uniform)


def _true(view: RegistryView, decision: str, policy: str, whole: SetTree, parts: Parts) -> np.ndarray:
    """(1 + parts, 2) true difference to the experts and its standard error, at this decision alone, on simulated
    patients: of the policy itself (NaN of one from elsewhere, which says nothing of new patients) and of its tree."""
    known, n = np.full((1 + len(parts.followed), 2), np.nan), view.config.evaluation.truth_patients
    truth = registry_truth(view.cohort)
    if truth is None or n == 0:
        return known
    models, seed = view.models(decision), derive_seed(view.config.run.seed, "registry", "truth", "in words")
    earned_by = partial(truth.returns, n=n, seed=seed, decision=longest_treatment(view))
    experts = earned_by({})
    acting: list[Policy | None] = [None]
    if policy in GREEDY:
        acting = [SimulatedPolicy(models, view.encoder, policy, view.screen)]
    acting += [SimulatedTree(view, models, whole, only) for only in parts.followed]
    for place, one in enumerate(acting):
        if one is not None:
            known[place] = earned_by({decision: one}).less(experts)
    return known
