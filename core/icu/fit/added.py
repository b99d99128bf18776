"""The critic of a policy from elsewhere: fitted Q evaluation on the forest that a run grew for its own policies."""

from __future__ import annotations

import numpy as np

from core.icu.ask.critics import fqe_q
from core.icu.fit.values import load_critic, on_grid
from core.icu.view import RunView
from core.policies.key import PolicyKey
from core.trajectories import make_transitions

FIRST = 3  # stays by which a policy is known to be none of the run's, before all are compared


def evaluated_q(view: RunView, probs: np.ndarray) -> np.ndarray:
    """Q (N, T, A) float32 of a policy (N, T, A) at every recorded step, learned from the run's training patients.

    Settings and trees are those of the run's own policies. A policy that the run has evaluated already, to the last
    bit, has its Q there: evaluated again it would differ by what is left when evaluation stops. `ArtifactError` where
    the run stored no forest.
    """
    same = _same_policy(view, probs)
    if same is not None:
        return fqe_q(view, same)
    from core.agents.fqi import FittedQEvaluation

    transitions = make_transitions(view.trajectories, view.split.train)
    after = probs[transitions.patient, transitions.next_step].astype(np.float32)
    fit = FittedQEvaluation(view.config.fqe, view.study.n_actions, view.study.names)
    for _ in fit.fit(transitions, after, load_critic(view.path / "fqe.npz").structure):
        pass
    return on_grid(fit.q_values, view)


def _same_policy(view: RunView, probs: np.ndarray) -> PolicyKey | None:
    """The evaluated policy of the run that gives these very probabilities; None where none does."""
    mask, few = view.trajectories.mask, np.arange(min(FIRST, len(probs)))
    some, real = view.only(few), mask[few]
    for key in view.evaluated:
        if np.array_equal(some.probs(key)[real], probs[few][real]) and np.array_equal(
            view.probs(key)[mask], probs[mask]
        ):
            return key
    return None
