"""What a stage of a run says that it needs is all that it reads: where nothing else is there it writes the same files.

Stages are worked in any order that their needs allow, so one that reads another's file without saying so would fail, or
find other numbers, by whichever ends first.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from core.base.threads import allowed_threads, set_threads
from core.icu.pipeline import STAGES
from core.icu.study import ICU
from core.registry.pipeline import stages_of
from core.registry.spec import load_registry_spec
from core.registry.study import REGISTRY
from core.runs.integrity import digests
from core.runs.manifest import read_manifest
from core.runs.stages import WIDTH
from core.runs.study import FIRST, AnyStudy, Stage
from core.runs.work import Worked, worked


def needed(stages: Mapping[str, Stage], name: str) -> set[str]:
    """All that a stage rests on, however far back."""
    return {FIRST}.union(*({need} | needed(stages, need) for need in stages[name].needs))


def worked_alone(study: AnyStudy, run: Path, name: str, folder: Path) -> dict[str, str]:
    """Digests of what a stage writes in a folder that holds no more of a run than what the stage needs."""
    manifest = read_manifest(run)
    kept = {stage: manifest.stages[stage] for stage in needed(study.stages(study.open(run)), name)}
    for path in (path for record in kept.values() for path in record.files or {}):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(run / path, folder / path)
    manifest.model_copy(update={"stages": kept}).write(folder)
    view = study.open(folder)
    steps = worked(name, study.stages(view)[name].work(view))
    cores = allowed_threads(view.config.run.threads)
    set_threads(each := max(1, cores // WIDTH))
    with threadpool_limits(each if cores > 1 else None):  # as the run was worked
        *_, end = steps
    assert isinstance(end, Worked)
    return digests(folder, [path.relative_to(folder).as_posix() for path in end.files])


@pytest.mark.parametrize("name", STAGES)
def test_an_icu_stage_reads_what_it_needs_alone(name: str, tiny_run: Path, tmp_path: Path) -> None:
    assert worked_alone(ICU, tiny_run, name, tmp_path) == read_manifest(tiny_run).stages[name].files


@pytest.mark.parametrize("name", stages_of(load_registry_spec()))
def test_a_registry_stage_reads_what_it_needs_alone(name: str, tiny_registry: Path, tmp_path: Path) -> None:
    assert worked_alone(REGISTRY, tiny_registry, name, tmp_path) == read_manifest(tiny_registry).stages[name].files


@pytest.mark.parametrize("stages", [STAGES, stages_of(load_registry_spec())], ids=["icu", "registry"])
def test_the_last_stage_rests_on_all_others(stages: Mapping[str, Stage]) -> None:
    """So a run is whole where the last is done, whichever order they were worked in."""
    *others, last = stages
    assert needed(stages, last) == {FIRST, *others}
