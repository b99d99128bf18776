"""Did the agents learn? Each learner's own account of itself against what the records say, with a light.

A learner of values is asked what its policy is worth at the first step, sum_a pi(a|s_0) Q(s_0, a) by its own Q. That
should be what the same policy is worth by the mix, or, for the agent of a phenotype and for the critic of the
clinicians, what was recorded in the same stays. It agrees where it lies in their 95 % interval, or no further from it
than `SLACK` standard deviations of the returns. A model of the clinicians should find their doses likelier than fixed
shares do. All of it on test patients, who taught none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pandas as pd

from core.base.statistics import Z95
from core.evaluation.learned import Light, chance_light, value_light
from core.evaluation.policies import state_values
from core.icu.ask.selected import advised_in
from core.icu.fit.baselines import baseline_action_values
from core.icu.view import RunView
from core.policies.families import expert_keys
from core.policies.key import CLINICIAN, NO_ENCODER, PolicyKey

CRITIC, NEIGHBORS, STACK = "critic", "clinicians by neighbors", "clinicians by the judge's models"


def learned_table(view: RunView, judgments: pd.DataFrame) -> pd.DataFrame:
    """One row a learner, the fields of `Light`; a policy's row carries its name. Empty without test patients."""
    test = view.split.test
    if not len(test):
        return pd.DataFrame(columns=list(Light.__dataclass_fields__))
    returns = _returns(view, test)
    lights = [*_experts(view, test, returns), *_baselines(view, test, judgments, returns.std())]
    lights += [_critic(view, test, returns), *_models(view, test)]
    return pd.DataFrame([asdict(light) for light in lights])


def _returns(view: RunView, patients: np.ndarray) -> np.ndarray:
    """Recorded discounted return of each stay (n,)."""
    data = view.trajectories
    rewards = np.where(data.transition_mask, data.rewards, 0)[patients]
    return np.asarray(rewards @ view.config.agents.gamma ** np.arange(rewards.shape[1]))


def _recorded(name: str, own: np.ndarray, returns: np.ndarray, unit: float) -> Light:
    """own (n,) value at the first step of the stays whose returns (n,) were recorded."""
    n = len(returns)
    half = Z95 * returns.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    mean = returns.mean() if n else np.nan
    said = own.mean() if n else np.nan
    return value_light(name, float(said), mean - half, mean + half, unit, n, "recorded returns")


def _experts(view: RunView, test: np.ndarray, returns: np.ndarray) -> Iterator[Light]:
    """Each phenotype's agent in the test stays of its phenotype."""
    k = view.n_clusters
    own, labels = view.agent_q(k)[test, 0], view.labels(k)[test]
    for index, key in enumerate(expert_keys(k)):
        here = labels == index
        values = state_values(view.probs(key)[test, 0], own[:, index])
        yield _recorded(key.policy, values[here], returns[here], returns.std())


def _baselines(view: RunView, test: np.ndarray, judgments: pd.DataFrame, unit: float) -> Iterator[Light]:
    """Each policy to compare with; cloning learns no values, and the ablation's agents are those of other stays."""
    for name in view.baselines:
        row = judgments[judgments["policy"] == name]
        read = baseline_action_values(view, name) if name != NO_ENCODER else None
        if row.empty or read is None:
            continue
        found = row.iloc[0]
        own = state_values(view.probs(PolicyKey(name))[test, 0], read(view.trajectories.states[test, 0]))
        low, high = float(found["mix_low"]), float(found["mix_high"])
        yield value_light(name, float(own.mean()), low, high, unit, int(found["n"]), "the mix")


def _critic(view: RunView, test: np.ndarray, returns: np.ndarray) -> Light:
    """Fitted Q evaluation of the clinicians."""
    key = PolicyKey(CLINICIAN)
    q = view.fqe_stack[view.evaluated.index(key)][test, 0]
    return _recorded(CRITIC, state_values(view.behavior[test, 0], q), returns, returns.std())


def _models(view: RunView, test: np.ndarray) -> Iterator[Light]:
    """The neighbors' clinicians on test patients; the judge's on the stays that each fold held out."""
    data, train = view.trajectories, view.split.train
    shares = np.bincount(data.actions[train][data.mask[train]], minlength=view.study.n_actions) + 1.0
    shares /= shares.sum()
    steps = data.mask[test]
    yield chance_light(NEIGHBORS, view.behavior[test][steps], data.actions[test][steps], shares, len(test))
    advised = advised_in(view)
    assert advised is not None
    seen = advised.histories.mask
    yield chance_light(STACK, advised.probs[seen], advised.histories.actions[seen], shares, len(seen))
