"""A policy from outside, in whatever form it comes: in the end, one row of action probabilities a recorded step.

A policy that says what it would do in any state can also be rolled out where the truth is known; one that is a table
of probabilities can be judged, and has no true value, since nobody can ask it about states that were never recorded.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.base.errors import PolicyError
from core.cohort import Cohort, History
from core.study import StudySpec
from core.tables.keys import read_keys
from core.tables.read import read_table

TOLERANCE = 1e-3  # by which a row of probabilities may miss 1, as rounded files do
ROUNDED = 1e-6  # within which it is left as it is, so that what was read out of a run goes in unchanged
Rule = Callable[[pd.DataFrame], np.ndarray]


@dataclass(frozen=True, eq=False)
class BroughtPolicy:
    """probs (rows, A) float32 or float64, in the order of `Cohort.frame`, rows sum to 1; rule: physical states (a table
    with the study's columns) to (n, A), None where only the recorded steps are known."""

    name: str
    probs: np.ndarray = field(repr=False)
    rule: Rule | None = field(default=None, repr=False)

    @property
    def digest(self) -> str:
        """64 hex digits over the probabilities as float32."""
        return hashlib.sha256(np.ascontiguousarray(self.probs, dtype=np.float32).tobytes()).hexdigest()

    @property
    def n_bytes(self) -> int:
        return self.probs.nbytes

    def acts(self, study: StudySpec) -> Callable[[History], np.ndarray] | None:
        """The policy as a simulator calls it, None where it cannot act in states that were not recorded."""
        rule = self.rule
        if rule is None:
            return None
        return lambda history: rule(pd.DataFrame(history.state, columns=list(study.names)))


def bring(source: Any, cohort: Cohort, name: str = "policy") -> BroughtPolicy:
    """Ask a policy about every row of a cohort. A actions of the cohort's study, D columns.

    source is one of
      an array or table (rows, A) of probabilities, or (rows,) actions, one row a row of `cohort.frame`;
      the path of a table traj, step, p0 .. p(A-1) (Parquet or CSV), in any order, more rows allowed;
      a function of the physical states (a table with the study's columns) that gives either;
      a scikit-learn classifier of the action; a d3rlpy algorithm; a torch module that gives probabilities. Classifiers
      fitted on tables get one, all other models a float32 array (n, D) in physical units: where a model was trained on
      scaled states, wrap it in a function that scales.

    Nothing is unpickled or run but what the caller holds. Raises `PolicyError` where it does not fit the cohort.
    """
    study = cohort.study
    if isinstance(source, (str, Path)):
        return bring_table(read_table(Path(source)).frame, cohort, name, Path(source).name)
    if isinstance(source, (np.ndarray, pd.DataFrame, pd.Series, list)):
        return BroughtPolicy(name, _checked(np.asarray(source), study, len(cohort.frame)))
    answer = _answering(source, study)

    def rule(states: pd.DataFrame) -> np.ndarray:
        return _checked(np.asarray(answer(states)), study, len(states))

    states = cohort.frame.loc[:, list(study.names)]
    return BroughtPolicy(name, rule(states), rule)


def bring_table(frame: pd.DataFrame, cohort: Cohort, name: str = "policy", called: str = "the table") -> BroughtPolicy:
    """A policy from a table traj, step, p0 .. p(A-1) that was read from a file, `called` so in errors; see `bring`."""
    return BroughtPolicy(name, _checked(_by_step(frame, cohort, called), cohort.study, len(cohort.frame)))


def _answering(source: Any, study: StudySpec) -> Callable[[pd.DataFrame], Any]:
    """How a model or function is asked about physical states."""
    torch = sys.modules.get("torch")  # a torch module cannot be given without it
    if torch is not None and isinstance(source, torch.nn.Module):
        return lambda states: _forward(torch, source, states)
    if hasattr(source, "predict_proba"):
        return lambda states: _classified(source, states, study)
    if type(source).__module__.split(".")[0] == "d3rlpy":
        return lambda states: source.predict(states.to_numpy(np.float32))
    if callable(source):
        return lambda states: source(states)
    raise PolicyError(
        f"a policy of type {type(source).__name__} is not understood: give an array, a file, a function of the states, "
        "or a scikit-learn, d3rlpy or torch model."
    )


def _forward(torch: Any, module: Any, states: pd.DataFrame) -> np.ndarray:
    device = next((p.device for p in module.parameters()), "cpu")
    training = module.training
    module.eval()
    with torch.no_grad():
        output = module(torch.from_numpy(states.to_numpy(np.float32)).to(device)).cpu().numpy()
    module.train(training)
    return np.asarray(output)


def _classified(model: Any, states: pd.DataFrame, study: StudySpec) -> np.ndarray:
    """(n, A) probabilities by a classifier, 0 for actions that it never saw."""
    found = np.asarray(model.predict_proba(states if hasattr(model, "feature_names_in_") else states.to_numpy()))
    classes = np.asarray(model.classes_)
    if not np.isin(classes, np.arange(study.n_actions)).all():
        raise PolicyError(f"the classifier's classes are no actions 0..{study.n_actions - 1}: {classes.tolist()[:8]}.")
    probs = np.zeros((len(found), study.n_actions))
    probs[:, classes.astype(np.int64)] = found
    return probs


def _by_step(frame: pd.DataFrame, cohort: Cohort, called: str) -> np.ndarray:
    """(rows, A) of a table by traj and step."""
    n_actions = cohort.study.n_actions
    names = [f"p{a}" for a in range(n_actions)]
    missing = [name for name in ("traj", "step", *names) if name not in frame]
    if missing:
        raise PolicyError(f"{called} lacks {', '.join(missing)}; a policy's table has traj, step, p0 to {names[-1]}.")
    twice = [name for name in ("traj", "step", *names) if list(frame.columns).count(name) > 1]
    if twice:
        raise PolicyError(f"{called} has more than one column {', '.join(twice)}; keep one of each.")
    keys, step = read_keys(frame["traj"]), pd.to_numeric(frame["step"], errors="coerce")
    place = pd.MultiIndex.from_arrays([np.where(keys.missing, "", keys.names[keys.code]), step])
    if place.has_duplicates:
        raise PolicyError(f"{called} has {int(place.duplicated().sum()):,} rows whose traj and step came before.")
    wanted = pd.MultiIndex.from_arrays([cohort.frame["traj"].astype(object), cohort.frame["step"].astype(float)])
    found = place.get_indexer(wanted)
    if (found < 0).any():
        raise PolicyError(
            f"{called} has no row for {int((found < 0).sum()):,} of the cohort's {len(found):,} steps (by traj and "
            "step); give every step, or the file of the cohort that the policy was made for."
        )
    return np.asarray(frame[names].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)[found])


def _checked(given: np.ndarray, study: StudySpec, rows: int) -> np.ndarray:
    """(rows, A) probabilities, from those or from actions (rows,)."""
    n_actions = study.n_actions
    if given.shape == (rows,):
        return _one_hot(given, n_actions)
    if given.shape != (rows, n_actions):
        raise PolicyError(
            f"the policy has shape {given.shape}, expected ({rows}, {n_actions}): a row a step of the cohort, a "
            f"column each of the {n_actions} actions."
        )
    probs = given.astype(np.float64)
    total = probs.sum(axis=1)
    wrong = ~(np.isfinite(probs).all(axis=1) & (probs >= 0).all(axis=1) & (np.abs(total - 1) <= TOLERANCE))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise PolicyError(
            f"{int(wrong.sum()):,} of {rows:,} rows are no probabilities (row {first} sums to {total[first]:.4g}); "
            "each must be 0 or more and sum to 1. Turn Q values or logits into those first, by softmax or argmax."
        )
    return _narrow(probs / np.where(np.abs(total - 1) <= ROUNDED, 1.0, total)[:, None])


def _one_hot(actions: np.ndarray, n_actions: int) -> np.ndarray:
    """Probability 1 on each action taken."""
    chosen = actions.astype(np.int64) if actions.dtype.kind in "iub" else np.full(len(actions), -1)
    if len(chosen) and (chosen.min() < 0 or chosen.max() >= n_actions):
        raise PolicyError(f"actions must be whole numbers 0..{n_actions - 1}, one a step of the cohort.")
    return _narrow(np.eye(n_actions)[chosen])


def _narrow(probs: np.ndarray) -> np.ndarray:
    """In float32, as a run's own policies are, where that loses nothing."""
    single = probs.astype(np.float32)
    return single if np.array_equal(single, probs) else probs
