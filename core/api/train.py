"""Functions of the library: train a run, open one, judge a policy, verify a card."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, overload

import pandas as pd
from tqdm import TqdmWarning

from core.api.finished import Run
from core.api.registry import RegistryRun
from core.base.errors import RunError
from core.base.types import Progress
from core.bring import Evidence, JudgeConfig, Verdict, judge_policy, verify_card
from core.cohort import Cohort, load_cohort
from core.cohort.load import make_cohort
from core.icu.config import RunConfig, load_preset
from core.icu.study import ICU, run_study
from core.registry.cohort.table import RegistryCohort
from core.registry.study import REGISTRY
from core.registry.view import RegistryView
from core.runs import integrity
from core.runs.folders import private_files
from core.study import StudySpec

Data = Cohort | pd.DataFrame | str | Path


def run(
    cohort: Data,
    preset: str = "quick",
    folder: str | Path | None = None,
    *,
    study: StudySpec | str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    name: str = "",
    progress: bool = True,
) -> Run:
    """Run the whole study on a cohort and return what came of it; the same call again opens what is done already.

    cohort: a checked `Cohort`, a table or a file of one. preset: "quick", "standard" or "published"; settings change
    it, as {"encoder.epochs": 5}. folder: where the run is kept (default: one of its own for these data and settings,
    in the app's folder of runs, so that the app shows it). progress: a bar, in a notebook or a terminal. Raises
    `CohortError`, `ConfigError` or `RunError`, each with what to do.
    """
    data, config = _cohort(cohort, study), _config(preset, settings)
    where = _folder(data, config, folder)
    with (
        _bar()(total=100, disable=not progress, bar_format="{l_bar}{bar}| {elapsed} {postfix}") as bar,
        private_files(),
    ):
        for step in run_study(data, config, where, name):
            bar.set_postfix_str(f"{step.stage}: {step.message}"[:60], refresh=False)
            bar.set_description(step.stage, refresh=False)
            bar.n = 100 * step.fraction
            bar.refresh()
    return open_run(where)


def run_steps(
    cohort: Data,
    preset: str = "quick",
    folder: str | Path | None = None,
    *,
    study: StudySpec | str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    name: str = "",
) -> Iterator[Progress]:
    """`run` as a generator of its steps, for those who show them themselves; nothing is done until it is drained."""
    data, config = _cohort(cohort, study), _config(preset, settings)
    return run_study(data, config, _folder(data, config, folder), name)


@overload
def open_run(folder: str | Path, kind: Literal["icu"] = "icu") -> Run: ...
@overload
def open_run(folder: str | Path, kind: Literal["registry"]) -> RegistryRun: ...
def open_run(folder: str | Path, kind: str = "icu") -> Run | RegistryRun:
    """A finished run, of this library or of the app; kind "registry" for one of the registry study.

    `RunError` where it is not finished, `ArtifactError` where it is of another kind or its files are not as written.
    """
    where, study = Path(folder), REGISTRY if kind == "registry" else ICU
    study.manifest(where)
    view = integrity.open_run(REGISTRY, where) if kind == "registry" else integrity.open_run(ICU, where)
    if not view.complete:
        raise RunError(f"the run in {folder} is not finished; call run(...) with the same data to resume it.")
    return RegistryRun(view) if isinstance(view, RegistryView) else Run(view)


def judge(
    cohort: Data | RegistryCohort,
    policy: Any,
    name: str = "policy",
    *,
    study: StudySpec | str | Path | None = None,
    **settings: Any,
) -> Evidence:
    """What a policy from anywhere is worth on a cohort, against the clinicians (experts); no run is needed.

    policy: (rows, actions) probabilities in the order of `cohort.frame`, a function of the physical states, a
    scikit-learn, d3rlpy or torch model, or a file; see `core.bring.bring`. Of a `RegistryCohort` it gives sets of
    drugs; see `core.bring.bring_sets`. settings: of `core.bring.JudgeConfig`, as gamma, seed, n_bootstrap. The evidence
    prints itself; `.save("card.html")` writes its card.
    """
    data = cohort if isinstance(cohort, RegistryCohort) else _cohort(cohort, study)
    usual = {"gamma": data.spec.gamma} if isinstance(data, RegistryCohort) else {}
    settings = usual | settings
    return judge_policy(data, policy, name, JudgeConfig.build(settings, "judge"))


def verify(
    card: str | Path,
    judged_on: Data | RegistryCohort | Run | RegistryRun | None = None,
    policy: Any = None,
    *,
    study: StudySpec | str | Path | None = None,
) -> Verdict:
    """Check a card's seal and, given what it was judged on and the policy, compute it anew; `ArtifactError` if not.

    study: of a cohort that is given as a file or table, as in `judge`.
    """
    if isinstance(judged_on, (Run, RegistryRun)):
        return verify_card(card, judged_on.view, policy)
    if judged_on is None or isinstance(judged_on, RegistryCohort):
        return verify_card(card, judged_on, policy)
    return verify_card(card, _cohort(judged_on, study), policy)


def _cohort(data: Data, study: StudySpec | str | Path | None) -> Cohort:
    if isinstance(data, Cohort):
        return data
    return make_cohort(data, study) if isinstance(data, pd.DataFrame) else load_cohort(data, study)


def _config(preset: str, settings: Mapping[str, Any] | None) -> RunConfig:
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in (settings or {}).items()}
    return load_preset(preset, texts)


def _folder(cohort: Cohort, config: RunConfig, folder: str | Path | None) -> Path:
    """The folder asked for, or one named by data and settings."""
    if folder is not None:
        return Path(folder)
    settings = hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:8]
    return ICU.folder / f"{config.preset}-{cohort.data_hash[:8]}-{settings}"


def _bar() -> Any:
    """tqdm for where one is: a widget in a notebook that has widgets, text elsewhere, without a word about the lack."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)
        from tqdm.auto import tqdm
    return tqdm
