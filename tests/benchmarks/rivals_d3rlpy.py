"""d3rlpy against this project's agents and fitted Q evaluation, at batch sizes 32 and 256.

Both train the same network (36 -> 128 -> 5 with batch normalization) on the same transitions; a unit is one update of
one agent. d3rlpy trains one agent after another, ours all phenotypes' at once, so ours are shown both ways.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from core.agents import FittedQEvaluation, action_probs, train_agents
from core.icu.config import load_preset
from tests.benchmarks import split
from tests.benchmarks import workspace as ws
from tests.benchmarks.harness import SUITE, Skip, Task

D3RLPY = "d3rlpy"
HIDDEN = 128
BATCHES = (32, 256)
UPDATE, POLICY = "update of an agent", "policy"
PASSES = 3  # over all transitions, that one evaluation of a policy takes: as many as an agent's training
RULES = {"double_dqn": "DoubleDQNConfig", "cql": "DiscreteCQLConfig"}
WHOLE = 1000  # updates that times are quoted for


def _library() -> Any:
    """d3rlpy without its log; `Skip` where it is not installed."""
    try:
        import d3rlpy
    except ImportError as error:
        raise Skip(f"d3rlpy is not installed ({error}); `make bench` installs it") from None
    import logging

    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    return d3rlpy


def _dataset(d3rlpy: Any, work: ws.Workspace) -> Any:
    """The training patients' transitions as episodes; each ends with its stay."""
    t = work.transitions
    last = np.append(np.diff(t.patient) != 0, True).astype(np.float32)
    return d3rlpy.dataset.MDPDataset(
        t.states,
        t.actions[:, None],
        t.rewards[:, None],
        last,
        action_space=d3rlpy.constants.ActionSpace.DISCRETE,
        action_size=work.study.n_actions,
    )


def _network(d3rlpy: Any) -> Any:
    return d3rlpy.models.VectorEncoderFactory(hidden_units=[HIDDEN], use_batch_norm=True)


def _fit(d3rlpy: Any, learner: Any, data: Any, updates: int) -> None:
    quiet = d3rlpy.logging.NoopAdapterFactory()
    learner.fit(data, n_steps=updates, n_steps_per_epoch=updates, logger_adapter=quiet, show_progress=False)


def _their_agent(rule: str, batch: int, work: ws.Workspace) -> Task:
    d3rlpy, updates = _library(), 100 * work.size.part
    data = _dataset(d3rlpy, work)
    config = getattr(d3rlpy.algos, RULES[rule])(batch_size=batch, encoder_factory=_network(d3rlpy), gamma=ws.GAMMA)
    return Task(partial(_fit, d3rlpy, config.create(device="cpu:0"), data, updates), work=updates)


def _our_agents(rule: str, batch: int, stacked: bool, work: ws.Workspace) -> Task:
    """Updates of one agent on all transitions, or of the agents of every phenotype of every K at once."""
    z, fitted, most = work.array("z"), work.phenotypes, 100 * work.size.part * batch
    patient = work.transitions.patient
    members = [np.arange(len(patient))]
    if stacked:
        labels = {k: fitted.labels(z, k)[patient] for k in fitted.k_values}
        members = [np.flatnonzero(labels[k] == index) for k in labels for index in range(k)]
    members = [rows[:most] for rows in members]
    config = ws.agent_config().model_copy(update={"algorithm": rule, "batch_size": batch, "epochs": 1})
    updates = sum(max(1, len(rows) // batch) for rows in members)

    def run() -> object:
        return split.finish(train_agents(config, work.transitions, members, n_actions=work.study.n_actions))

    return Task(run, work=updates, facts=lambda _: {"agents": len(members)})


def _their_evaluation(batch: int, work: ws.Workspace) -> Task:
    d3rlpy, updates = _library(), 100 * work.size.part
    data = _dataset(d3rlpy, work)
    algorithm = d3rlpy.algos.DoubleDQNConfig(batch_size=batch, encoder_factory=_network(d3rlpy)).create(device="cpu:0")
    algorithm.build_with_dataset(data)
    config = d3rlpy.ope.FQEConfig(batch_size=batch, encoder_factory=_network(d3rlpy), gamma=ws.GAMMA)
    evaluation = d3rlpy.ope.DiscreteFQE(algo=algorithm, config=config, device="cpu:0")
    needed = PASSES * len(work.transitions) / batch
    return Task(partial(_fit, d3rlpy, evaluation, data, updates), work=updates / needed)


@SUITE.case("fqe", "Fitted Q evaluation of 44 policies on one forest", D3RLPY, unit=POLICY, repeats=1, warmup=0)
def our_evaluation(work: ws.Workspace) -> Task:
    t, n_actions = work.transitions, work.study.n_actions
    q = np.random.default_rng(0).normal(size=(44, len(t), n_actions)).astype(np.float32)
    probs = action_probs(q, 1.0).astype(np.float32)
    config = load_preset("standard").fqe

    def run() -> FittedQEvaluation:
        fit = FittedQEvaluation(config, n_actions)
        split.finish(fit.fit(t, probs))
        return fit

    return Task(run, work=len(probs), facts=lambda fit: {"iterations": len(fit.history)})


for _batch in BATCHES:
    for _rule, _theirs in RULES.items():
        _ours = f"{_rule}-{_batch}"
        _shared: dict[str, Any] = {"unit": UPDATE, "whole": WHOLE, "repeats": 2}
        for _stacked, _name, _what in ((True, _ours, "44 agents at once"), (False, f"{_ours}-alone", "one agent")):
            SUITE.case(_name, f"{_rule}, batch {_batch}, {_what}", D3RLPY, **_shared)(
                partial(_our_agents, _rule, _batch, _stacked)
            )
        SUITE.case(
            f"d3rlpy-{_ours}",
            f"d3rlpy {_theirs.removesuffix('Config')}, batch {_batch}",
            D3RLPY,
            against=(_ours, f"{_ours}-alone"),
            **_shared,
        )(partial(_their_agent, _rule, _batch))
    SUITE.case(
        f"d3rlpy-fqe-{_batch}",
        f"d3rlpy DiscreteFQE, batch {_batch}",
        D3RLPY,
        against=("fqe",),
        unit=POLICY,
        repeats=2,
        note=f"{PASSES} passes over the transitions for a policy",
    )(partial(_their_evaluation, _batch))
