"""The registry study, top to bottom: cohort -> screening -> Q-networks -> forests -> comparisons -> truth -> frontier.

Each stage reads what earlier stages stored in the run folder and stores its own results there; a finished stage is
never computed twice, so the same call resumes a run that was killed, and ends with the same result.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from core.base.errors import CohortError
from core.base.files import write_arrays, write_json, write_table
from core.base.rng import derive_seed, stream
from core.base.types import Progress
from core.registry.cohort.decisions import DecisionData, StateEncoder, decision_points
from core.registry.cohort.drugs import Combinations
from core.registry.cohort.load import save_registry
from core.registry.cohort.table import RegistryCohort
from core.registry.config import RegistryConfig
from core.registry.spec import RegistrySpec
from core.registry.view import RegistryView
from core.runs.study import Stage
from core.tables.split import Split, apportion

FEWEST_PATIENTS = 20


def stages_of(spec: RegistrySpec) -> dict[str, Stage[RegistryView]]:
    """The stages after the cohort's own."""
    screened = {f"screening {one.name}": Stage(partial(screen, one.name), 12) for one in spec.decisions}
    stages: dict[str, Stage[RegistryView]] = dict(screened)
    for name in spec.learned:
        stages[f"dqn {name}"] = Stage(partial(train_q_network, name), 8, (f"screening {name}",))
        stages[f"forest {name}"] = Stage(partial(grow_forest, name), 2)
        stages[f"reward {name}"] = Stage(partial(train_rewards, name), 5)
    learned = tuple(stages)
    return stages | {
        "accuracy": Stage(judge_screening, 3, tuple(screened)),
        "comparison": Stage(compare, 12, learned),
        "truth": Stage(store_truth, 20, learned),
        "frontier": Stage(store_frontier, 20, (*learned, "comparison", "truth", "accuracy")),
    }


def split_registry(n_patients: int, config: RegistryConfig) -> Split:
    """Random split by patient: test patients, and of the others a share that validates."""
    run = config.run
    learned = 1 - run.test_share
    shares = np.array([learned * (1 - run.valid_share), learned * run.valid_share, run.test_share])
    order = stream(run.seed, "registry", "split").permutation(n_patients)
    parts = np.split(order, np.cumsum(apportion(shares, n_patients))[:-1])
    return Split(*(np.sort(part) for part in parts))


def store_cohort(view: RegistryView, cohort: RegistryCohort) -> Iterator[Progress]:
    """cohort.parquet, report.json, split.npz; decisions.json: encoder, catalogs and inputs from learning patients."""
    from core.registry.fit.inputs import Inputs

    folder, config = view.path, view.config
    split = split_registry(cohort.n_patients, config)
    learned = split.learners
    save_registry(cohort, folder / "cohort.parquet")
    write_json(folder / "report.json", cohort.report.to_json())
    write_arrays(folder / "split.npz", train=split.train, valid=split.valid, test=split.test)
    encoder = StateEncoder.fit(cohort, learned)
    stored: dict[str, Any] = {"schema_version": 1, "encoder": encoder.to_json()}
    for decision in cohort.spec.decisions:
        data = decision_points(cohort, decision.name, encoder)
        here = data.of(learned)
        states, drugs = data.states[here], data.drugs[here]
        catalog = Combinations.fit(drugs, decision.drugs)
        least = config.screening.min_variance
        inputs = Inputs.fit(states, data.stage[here], data.names, decision.stages, least)
        stored[decision.name] = {"catalog": catalog.to_json(), "inputs": inputs.to_json()}
    write_json(folder / "decisions.json", stored)
    yield Progress("cohort", 1, 1, f"{cohort.n_patients:,} patients, {len(cohort.frame):,} rows")


def screen(decision: str, view: RegistryView) -> Iterator[Progress]:
    """screening_DECISION.safetensors, .json (temperature) and .parquet (losses by epoch)."""
    from core.registry.fit.layers import save_layers
    from core.registry.fit.screening import train_screening

    data, here, valid = _learning(view, decision)
    x = view.inputs[decision].transform(data.states[here], data.stage[here])
    actions = view.catalogs[decision].encode(data.drugs[here])
    config, seed = view.config.screening, view.config.run.seed
    steps = train_screening(config, x, actions, valid, len(view.catalogs[decision]), name=decision, seed=seed)
    history: list[dict[str, float]] = []
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            fitted = end.value
            break
        history.append({"epoch": len(history) + 1, **step.metrics})
        yield step
    stem = view.path / f"screening_{decision}"
    write_table(stem.with_suffix(".parquet"), pd.DataFrame(history))
    write_json(stem.with_suffix(".json"), {"schema_version": 1, "temperature": fitted.temperature})
    save_layers(stem.with_suffix(".safetensors"), fitted.network)


def train_q_network(decision: str, view: RegistryView) -> Iterator[Progress]:
    """dqn_DECISION.safetensors."""
    from core.registry.ask.moves import moves_of
    from core.registry.fit.dqn import train_dqn
    from core.registry.fit.layers import save_layers

    data, here, _ = _learning(view, decision)
    config, seed, n_actions = view.config.dqn, view.config.run.seed, len(view.catalogs[decision])
    moves = moves_of(view, decision, here & data.followed)
    network = yield from train_dqn(config, moves, n_actions, view.spec.gamma, name=decision, seed=seed)
    save_layers(view.path / f"dqn_{decision}.safetensors", network)


def grow_forest(decision: str, view: RegistryView) -> Iterator[Progress]:
    """forest_DECISION.npz."""
    from core.registry.fit.forest import fit_reward_forest

    x, drugs, rewards, _ = _rewarded(view, decision)
    forest = fit_reward_forest(view.config.forest, x, drugs, rewards, name=decision, seed=view.config.run.seed)
    forest.save(view.path / f"forest_{decision}.npz")
    yield Progress(f"forest {decision}", 1, 1, f"{forest.forest.n_trees} trees on {len(x):,} decisions")


def train_rewards(decision: str, view: RegistryView) -> Iterator[Progress]:
    """reward_DECISION.safetensors: the network of the model-based comparison."""
    from core.registry.fit.evaluate import train_reward_model
    from core.registry.fit.layers import save_layers

    x, drugs, rewards, valid = _rewarded(view, decision)
    config, seed = view.config.reward_model, view.config.run.seed
    network = yield from train_reward_model(config, x, drugs, rewards, valid, name=decision, seed=seed)
    save_layers(view.path / f"reward_{decision}.safetensors", network)


def judge_screening(view: RegistryView) -> Iterator[Progress]:
    """accuracy.parquet, calibration.parquet on test patients; combinations.parquet on learning patients."""
    from core.registry.ask.recommend import combination_rewards
    from core.registry.ask.tables import Evaluation

    accuracy, calibration = Evaluation.own(view).screening_tables()
    write_table(view.path / "accuracy.parquet", accuracy)
    write_table(view.path / "calibration.parquet", calibration)
    parts, seed = [], derive_seed(view.config.run.seed, "registry", "combinations")
    for decision in view.decisions:
        data, here, _ = _learning(view, decision)
        catalog = view.catalogs[decision]
        actions, rewards = catalog.encode(data.drugs[here]), data.rewards[here]
        draws = min(view.config.evaluation.n_bootstrap, 500)
        table = combination_rewards(data.patient[here], actions, rewards, len(catalog), draws, seed)
        parts.append(table.assign(decision=decision, name=catalog.names, count=catalog.counts))
    write_table(view.path / "combinations.parquet", pd.concat(parts, ignore_index=True))
    yield Progress("accuracy", 1, 1, "Experts' choices predicted on test patients")


def compare(view: RegistryView) -> Iterator[Progress]:
    """matched.parquet, modeled.parquet, ope.parquet and learned.parquet on test patients."""
    from core.registry.ask.learned import learned_table
    from core.registry.ask.tables import Evaluation

    own = Evaluation.own(view)
    write_table(view.path / "matched.parquet", own.matched())
    yield Progress("comparison", 1, 3, "Matched rewards")
    write_table(view.path / "modeled.parquet", own.modeled())
    yield Progress("comparison", 2, 3, "Predicted rewards")
    write_table(view.path / "ope.parquet", own.off_policy())
    write_table(view.path / "learned.parquet", learned_table(view))
    yield Progress("comparison", 3, 3, "Off-policy estimates, and whether models learned")


def store_truth(view: RegistryView) -> Iterator[Progress]:
    """truth.parquet and step_truth.parquet: what the policies are really worth, on simulated patients only."""
    from core.registry.ask.true_values import roll_out_truth

    course = steps = pd.DataFrame()
    for progress, course, steps in roll_out_truth(view):  # noqa: B007 - the last tables are whole
        yield progress
    write_table(view.path / "step_truth.parquet", steps)
    write_table(view.path / "truth.parquet", course)


def store_frontier(view: RegistryView) -> Iterator[Progress]:
    """frontier.parquet, judgments.parquet and advice.json on test patients, frontier_truth.parquet on simulated ones:
    from the experts to each policy; atlas.npz: leaf means of each forest under other rewards."""
    from core.registry.ask.atlas import reward_atlas
    from core.registry.ask.frontier import frontier, frontier_truth
    from core.registry.ask.tables import Evaluation

    evaluation = Evaluation.own(view)
    found = frontier(evaluation)
    write_table(view.path / "frontier.parquet", found.values)
    write_table(view.path / "judgments.parquet", found.judgments)
    atlas = reward_atlas(evaluation, found.advice)
    write_arrays(view.path / "atlas.npz", **atlas.means)
    advice = found.advice.model_copy(update={"atlas": atlas.record})
    write_json(view.path / "advice.json", advice.model_dump(mode="json"))
    table = pd.DataFrame()
    for progress, table in frontier_truth(view):  # noqa: B007 - the last table is whole
        yield progress
    write_table(view.path / "frontier_truth.parquet", table)


def _learning(view: RegistryView, decision: str) -> tuple[DecisionData, np.ndarray, np.ndarray]:
    """Points of a decision, which of them are learned from (n,) bool, and of these which validate."""
    from core.registry.ask.tables import learned

    data = view.points[decision]
    here = data.of(learned(view))
    return data, here, data.of(view.split.valid)[here]


def _rewarded(view: RegistryView, decision: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, drugs and rewards of the learning points whose reward is known, and which of them validate."""
    data, here, _ = _learning(view, decision)
    used = here & data.followed
    x = view.inputs[decision].transform(data.states[used], data.stage[used])
    return x, data.drugs[used], data.rewards[used], data.of(view.split.valid)[used]


def check_learnable(cohort: RegistryCohort) -> None:
    """Refuse what cannot be learned from, in a sentence."""
    if cohort.n_patients < FEWEST_PATIENTS:
        raise CohortError(
            f"the registry has {cohort.n_patients} patients; the study needs at least {FEWEST_PATIENTS} to learn from "
            "and to test on."
        )
    if not cohort.spec.learned:
        raise CohortError(
            f"registry '{cohort.spec.name}' has no decision for which a policy is to be learned; say 'learned = true' "
            "of one in its definition."
        )
    for decision in cohort.spec.decisions:
        data = decision_points(cohort, decision.name)
        if data.followed.sum() < FEWEST_PATIENTS:
            raise CohortError(
                f"{decision.title} was decided and followed {int(data.followed.sum())} times; at least "
                f"{FEWEST_PATIENTS} decisions are needed."
            )
