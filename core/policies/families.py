"""Lists of policies that go together: what a run compares, values, and holds its own against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from core.agents.catalog import CATALOG
from core.base.text import plain_name
from core.policies.key import (
    BOOSTED,
    FOREST,
    FUSED,
    MODES,
    NO_ENCODER,
    PROSPECTIVE,
    SIMPLE,
    SINGLE_EXPERT,
    ZERO_DRUG,
    PolicyKey,
)

# What a policy from elsewhere may not be called, whatever a run holds: names of policies, and words that figures and
# tables use in the place of one.
_TAKEN = (*SIMPLE, FUSED, SINGLE_EXPERT, FOREST, BOOSTED, "gb-fqi", NO_ENCODER, *CATALOG)
_WORDS = ("clinicians", "given", "recorded", "advice", "no-drug", "none", "all")


def is_taken(name: str) -> bool:
    """True for a name that reads as that of a built-in policy, or as a word that stands in the place of one.

    Capitals, '-', '_' and '.' make no difference: "Fused", "single_expert" and "Phenotype-3" are taken too.
    """
    plain = plain_name(name)
    agent = plain.startswith("phenotype") and plain.removeprefix("phenotype").isdigit()
    return agent or plain in {plain_name(taken) for taken in (*_TAKEN, *_WORDS)}


def simple_names(nothing: bool = True) -> tuple[str, ...]:
    """Clinicians, random dosing, and no drug, where the study has such an action (`Actions.has_nothing`)."""
    return SIMPLE if nothing else tuple(name for name in SIMPLE if name != ZERO_DRUG)


def simple_keys(nothing: bool = True) -> list[PolicyKey]:
    """Keys of `simple_names`."""
    return [PolicyKey(name) for name in simple_names(nothing)]


def expert_keys(n_clusters: int) -> list[PolicyKey]:
    """The policy of each phenotype's agent at one K."""
    return [PolicyKey.of_expert(index, n_clusters) for index in range(n_clusters)]


def policy_keys(
    k_values: Iterable[int], lambdas: Sequence[float], modes: Sequence[str], nothing: bool = True
) -> list[PolicyKey]:
    """The simple policies, then for every K its phenotype policies, and fused and single expert in each mode."""
    keys = simple_keys(nothing)
    for k in k_values:
        keys += expert_keys(k)
        for mode in modes:
            keys += [PolicyKey(FUSED, k, float(value), mode) for value in lambdas if np.isfinite(value)]
            keys.append(PolicyKey(SINGLE_EXPERT, k, np.inf, mode))
    return keys


def baseline_keys(names: Sequence[str], n_clusters: int, lambda_: float, modes: Sequence[str]) -> list[PolicyKey]:
    """Keys of a run's baselines; the ablation without encoder is fused at K and lambda, in each mode."""
    keys = [PolicyKey(name) for name in names if name != NO_ENCODER]
    return keys + [PolicyKey(NO_ENCODER, n_clusters, lambda_, mode) for mode in modes if NO_ENCODER in names]


def evaluated_keys(
    k_values: Sequence[int], n_clusters: int, lambda_: float, baselines: Sequence[str] = (), nothing: bool = True
) -> list[PolicyKey]:
    """Policies whose Q a run evaluates, in the order it stores them: the simple ones, the phenotype policies of every
    K, at the run's own K the single expert and the fused policy at its own lambda in both modes, and the baselines."""
    keys = simple_keys(nothing) + [key for k in k_values for key in expert_keys(k)]
    for mode in MODES:
        keys.append(PolicyKey(FUSED, n_clusters, lambda_, mode))
        keys.append(PolicyKey(SINGLE_EXPERT, n_clusters, np.inf, mode))
    return keys + baseline_keys(baselines, n_clusters, lambda_, MODES)


def rolled_out_keys(
    k_values: Sequence[int], n_clusters: int, lambda_: float, lambdas: Sequence[float], baselines: Sequence[str] = ()
) -> list[PolicyKey]:
    """Policies whose true value a run of simulated patients finds out: the simple ones, at its own K the phenotype
    policies, single expert and a few lambdas, at every other K the fused policy at its lambda, and the baselines."""
    few = lambdas[:: max(1, len(lambdas) // 4)]
    keys = simple_keys() + expert_keys(n_clusters)
    keys += [PolicyKey(FUSED, n_clusters, value, PROSPECTIVE) for value in sorted({*few, lambda_})]
    keys.append(PolicyKey(SINGLE_EXPERT, n_clusters, np.inf, PROSPECTIVE))
    keys += [PolicyKey(FUSED, k, lambda_, PROSPECTIVE) for k in k_values if k != n_clusters]
    return keys + baseline_keys(baselines, n_clusters, lambda_, (PROSPECTIVE,))


def names_at(
    n_clusters: int,
    baselines: Sequence[str] = (),
    own_n_clusters: int = 0,
    added: Sequence[str] = (),
    nothing: bool = True,
) -> list[str]:
    """Names of the policies that stand beside each other at one K, in the order of tables: baselines, then added ones,
    last.

    own_n_clusters: the K at which the run holds the ablation without encoder; nothing: see `simple_names`.
    """
    experts = [key.policy for key in expert_keys(n_clusters)]
    clinicians, *others = simple_names(nothing)
    held = [name for name in baselines if name != NO_ENCODER or n_clusters == own_n_clusters]
    return [clinicians, *experts, FUSED, SINGLE_EXPERT, *others, *held, *added]
