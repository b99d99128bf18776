"""Critics of a run: Q* by fitted Q iteration, and Q of policies by fitted Q evaluation (see `evaluated_keys`).

Fitted on training patients; their values at every state are stored on the grid of the stays, and the forests as plain
arrays, so that another cohort can be valued without refitting. All policies share each sparse product of evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.base.errors import ArtifactError
from core.base.files import write_array, write_table
from core.base.types import Progress
from core.icu.view import RunView
from core.policies.families import evaluated_keys
from core.trajectories import Transitions, make_transitions

if TYPE_CHECKING:
    from core.agents.q_forest import QForest

LAYOUTS = ("joint", "per_action")
PARTS = ((0, 250), (250, 500), (500, 900), (900, 1000))  # of the stage: both layouts, own policies, baselines


def fit_critics(view: RunView) -> Iterator[Progress]:
    """fqi.npz, fqi_q.npy, fqi_sd.npy, fqi_history.parquet, fqi_{joint,per_action}_q.npy; fqe.npz, fqe_q.npy."""
    transitions = make_transitions(view.trajectories, view.split.train)
    yield from fit_optimal(view, transitions)
    yield from _fit_evaluated(view, transitions)


def fit_optimal(view: RunView, transitions: Transitions) -> Iterator[Progress]:
    """Q* in the chosen layout, and in the other one so that both can be seen beside each other: a joint forest (the
    published layout) is nearly flat over the actions."""
    from core.agents.fqi import FittedQIteration

    config, study = view.config.fqi, view.study
    boosted = config.boosted
    frozen = {"method": "frozen", "estimator": "extra_trees" if boosted else config.estimator}
    for part, layout in zip(PARTS[:2], sorted(LAYOUTS, key=lambda name: name == config.layout), strict=True):
        chosen = layout == config.layout
        settings = config if chosen else config.model_copy(update={"layout": layout, "structure_fits": 1, **frozen})
        fit = FittedQIteration(settings, study.n_actions, study.names)
        yield from _part(fit.fit(transitions), f"Fitted Q iteration, {layout.replace('_', ' ')} forest", part)
        q = on_grid(fit.q_values, view)
        write_array(view.path / f"fqi_{layout}_q.npy", q)
        if chosen:
            write_array(view.path / "fqi_q.npy", q)
            write_table(view.path / "fqi_history.parquet", fit.history)
            spread = np.full_like(q, np.nan) if boosted else on_grid(fit.q_spread, view)
            write_array(view.path / "fqi_sd.npy", spread)
            if not boosted:
                fit.save(view.path / "fqi.npz")


def _fit_evaluated(view: RunView, transitions: Transitions) -> Iterator[Progress]:
    from core.agents.fqi import FittedQEvaluation

    after = transitions.patient, transitions.next_step
    policies = view.evaluated
    probs = np.empty((len(policies), len(transitions), view.study.n_actions), dtype=np.float32)
    for row, key in enumerate(policies):
        probs[row] = view.probs(key)[after]
    # The trees grow on the study's own policies alone, so that their values do not depend on the baselines beside them.
    lambda_, nothing = view.config.fusion.lambda_, view.study.actions.has_nothing
    own = len(evaluated_keys(view.k_values, view.n_clusters, lambda_, (), nothing))
    fit = FittedQEvaluation(view.config.fqe, view.study.n_actions, view.study.names)
    part = PARTS[2] if own < len(policies) else (PARTS[2][0], PARTS[3][1])
    yield from _part(fit.fit(transitions, probs[:own]), f"Fitted Q evaluation of {own} policies", part)
    forest = fit.forest
    if own < len(policies):
        rest = FittedQEvaluation(view.config.fqe, view.study.n_actions, view.study.names)
        steps = rest.fit(transitions, probs[own:], forest.structure)
        yield from _part(steps, f"Fitted Q evaluation of {len(policies) - own} baselines", PARTS[3])
        forest = forest.with_policies(rest.forest)
    forest.save(view.path / "fqe.npz")
    write_array(view.path / "fqe_q.npy", on_grid(forest.q_values, view))


def on_grid(function: Callable[[np.ndarray], np.ndarray], view: RunView) -> np.ndarray:
    """Values of the real steps, states (n, D) -> (..., n, A), on the grid of the stays (..., N, T, A), 0 on padding."""
    mask = view.trajectories.mask
    values = function(view.trajectories.states[mask])
    grid = np.zeros((*values.shape[:-2], *mask.shape, values.shape[-1]), dtype=np.float32)
    grid[..., mask, :] = values
    return grid


def load_critic(path: Path) -> QForest:
    """A stored forest of the run; `ArtifactError` where the run's settings left none."""
    from core.agents.q_forest import load_q_forest

    if not path.is_file():
        raise ArtifactError(
            f"{path.name} is missing in {path.parent}: boosted trees are not stored, so no other cohort can be valued; "
            "train with fqi.estimator=extra_trees or random_forest."
        )
    return load_q_forest(path)


def _part(steps: Iterator[Progress], message: str, part: tuple[int, int]) -> Iterator[Progress]:
    """Progress of one fit within the stage."""
    begin, end = part
    for step in steps:
        yield Progress("values", begin + round((end - begin) * step.fraction), PARTS[-1][1], message, step.metrics)
