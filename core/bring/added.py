"""Policies from elsewhere in a run: added with everything that is asked of the run's own, listed, and removed again.

An added policy is stored as numbers (see `core.icu.added`), so pages, reports and `evaluate` treat it as they treat the
run's own policies, and nothing of it is ever run. Only one that can act in any state has a true value.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from core.base.errors import ConfigError, RunError
from core.base.files import write_array, write_table
from core.bring.card import Card, read_card, write_card
from core.bring.evidence import Evidence, judge_beside, judge_sets_beside
from core.bring.judgment import Judgment, on_grid
from core.bring.policy import BroughtPolicy, bring
from core.bring.sets import bring_sets
from core.bring.sets_added import write_sets
from core.bring.sets_bench import RunBench
from core.cohort import TrueValue
from core.icu.added import FILES, AddedPolicy, added_to, check_name
from core.icu.ask.compare import compare_policies
from core.icu.ask.judge import judgment_rows
from core.icu.fit.added import evaluated_q
from core.icu.fit.truth import COLUMNS, true_columns
from core.icu.stays import Beside
from core.icu.view import RunView
from core.policies.key import PolicyKey
from core.registry.added import FILES as SET_FILES
from core.registry.added import AddedSets
from core.registry.added import added_to as sets_added_to
from core.registry.added import check_name as check_set_name
from core.registry.view import RegistryView
from core.runs.added import policy_folder, write_record
from core.runs.lock import changing

AnyView = RunView | RegistryView
AnyAdded = AddedPolicy | AddedSets
View = TypeVar("View", RunView, RegistryView)


def add_policy(view: AnyView, name: str, source: Any, owner: str = "", replace: bool = False) -> Evidence:
    """Judge and value a policy on the test patients of a run as the run's own were, and keep it beside them.

    source: as `bring` (of a registry run: `bring_sets`) takes it, for all of the run's cohort; or what that made of it.
    owner: whose it is, see `owner_of`; empty: seen by all who see the run. replace: in place of the owner's policy of
    that name. Open the run again to see it there. `ConfigError` for a name that is not free, `PolicyError` for a policy
    that does not fit, `RunError` for an unfinished run.
    """
    if not view.complete:
        raise RunError(f"run '{view.manifest.name}' is not finished; resume it, then add policies to it.")
    own = owner if replace else None
    check_policy_name(view, name, (owner,), own)
    if isinstance(view, RegistryView):
        bench = RunBench.of(view)
        sets = dataclasses.replace(bring_sets(source, bench.asked, name), name=name)
        evidence, files = judge_sets_beside(bench, sets), SET_FILES
        write = partial(write_sets, bench=bench, policy=sets, found=evidence.judgment)
    else:
        brought = source if isinstance(source, BroughtPolicy) else bring(source, view.cohort, name)
        policy = dataclasses.replace(brought, name=name)
        evidence, files = judge_beside(view, policy), FILES
        write = partial(_write, view=view, policy=policy, found=evidence.judgment, name=name)
    folder = policy_folder(view.path, name, owner)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent) as made:
        whole = Path(made) / name
        whole.mkdir()
        write(whole)
        write_card(evidence.card, whole / "card.html")
        write_record(whole, view.path, name, owner, files)
        with changing(folder.parent):  # judging takes a while: another tab may have given the name meanwhile
            check_policy_name(view, name, (owner,), own)
            if folder.exists():
                folder.rename(Path(made) / "before")
            whole.rename(folder)
    return evidence


def _write(folder: Path, view: RunView, policy: BroughtPolicy, found: Judgment, name: str) -> None:
    """All files of an added policy but its card and its record."""
    key, survival = PolicyKey(name), found.survival
    probs = on_grid(view.cohort, policy.probs)
    q, test = evaluated_q(view, probs), view.split.test
    beside = Beside(view, test, name, probs[test], q[test])
    write_array(folder / "policy.npy", policy.probs)
    write_array(folder / "q.npy", q)
    floor = view.config.evaluation.ess_floor
    write_table(folder / "judgments.parquet", judgment_rows([key], [found.judged], [survival], floor, found.left_out))
    write_table(
        folder / "evaluations.parquet", compare_policies(beside, np.arange(len(test)), [key], view.survival_curve)
    )
    known = found.truth if isinstance(found.truth, TrueValue) else None
    true = [] if known is None else [{**key.row, **true_columns(known), "n": known.n}]
    write_table(folder / "truth.parquet", pd.DataFrame(true, columns=list(COLUMNS)))


def check_policy_name(view: AnyView, name: str, owners: Sequence[str] = (), replace: str | None = None) -> None:
    """`ConfigError` for a name that is not free in a run; see `core.runs.added.check_free`."""
    check = check_set_name if isinstance(view, RegistryView) else check_name
    check(view.path, name, owners, replace)


def policies_in(view: AnyView, owners: Sequence[str] = ()) -> tuple[Mapping[str, AnyAdded], dict[str, str]]:
    """Policies that were added to a run as it is now and may be seen, and those that cannot be used with the reason."""
    if isinstance(view, RegistryView):
        return sets_added_to(view.path, owners)
    return added_to(view.path, owners)


def remove_policy(run: Path, name: str, owner: str = "") -> None:
    """Delete an added policy; `ConfigError` where this owner has none of that name."""
    folder = policy_folder(run, name, owner)
    if not folder.is_dir():
        raise ConfigError(f"no policy '{name}' was added to the run in {run.name}; see `policy list`.")
    shutil.rmtree(folder)


def added_cards(view: AnyView) -> dict[str, Card]:
    """Evidence cards of the policies that were added to a run and may be seen, by name."""
    return {name: read_card(one.folder / "card.json") for name, one in view.added_policies.items()}


def open_again(view: View, owners: Sequence[str] | None = None) -> View:
    """The same run with the policies that were added since."""
    return type(view)(view.path, view.owners if owners is None else owners)
