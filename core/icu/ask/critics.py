"""Which Q speaks for a policy: its own where it was evaluated, else what can be mixed from those that were."""

from __future__ import annotations

import numpy as np

from core.base.errors import ArtifactError
from core.icu.stays import Stays
from core.policies.families import expert_keys
from core.policies.key import FUSED, NO_ENCODER, SINGLE_EXPERT, PolicyKey


def has_fqe(stays: Stays, key: PolicyKey) -> bool:
    """True where the Q of this very policy was evaluated."""
    return key in stays.evaluated or key.policy in stays.added


def fqe_q(stays: Stays, key: PolicyKey) -> np.ndarray:
    """Q of a policy by fitted Q evaluation, (N, T, A); `ArtifactError` for one that was not evaluated."""
    if not has_fqe(stays, key):
        raise ArtifactError(f"the run holds no fitted Q evaluation of '{key.policy}' at K = {key.n_clusters}.")
    if key.policy in stays.added:
        return stays.added_q(key.policy)
    return np.asarray(stays.fqe_stack[list(stays.evaluated).index(key)])


def critic(stays: Stays, key: PolicyKey) -> np.ndarray:
    """Q (N, T, A) for a policy: its own fitted Q evaluation; for other fused policies sum_k w_k Q^{pi_k}; for a version
    of a policy that of the policy."""
    own = key.plain
    if own.base == NO_ENCODER:
        own = PolicyKey(NO_ENCODER, own.n_clusters, stays.config.fusion.lambda_, own.mode)
    if has_fqe(stays, own) or own.base not in (FUSED, SINGLE_EXPERT):
        return fqe_q(stays, own)
    weights = stays.weights(own.n_clusters, own.lambda_, own.mode)
    experts = [fqe_q(stays, expert) for expert in expert_keys(own.n_clusters)]
    return np.asarray(sum(weights[..., k, None] * q for k, q in enumerate(experts)))


def control_variate(stays: Stays, key: PolicyKey) -> np.ndarray:
    """Q (N, T, A) in PHWDR. Doubly robust estimates stay consistent under any Q while the propensities hold, so the
    mixed critic, which costs nothing per lambda, serves as well as an own one; the source takes Q*."""
    if stays.config.evaluation.control_variate == "fqi":
        return stays.fqi_q
    return critic(stays, key)
