"""A damaged run says so: flipped bits, files cut short, exchanged or lost give no number, and are made anew."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import core as pp
from core.base.errors import ArtifactError
from core.base.files import read_array, read_json, write_array, write_json
from core.cli.main import main
from core.cohort import load_cohort, make_cohort, save_cohort
from core.experiments.view import ExperimentView
from core.icu.study import ICU, run_study
from core.icu.view import RunView
from core.registry.study import REGISTRY
from core.report import write_report
from core.runs.integrity import damaged, open_run, verify
from core.runs.manifest import read_manifest, sealed
from core.runs.study import AnyStudy
from tests.manifests import before_checksums, edit_manifest

DAMAGES = 100  # of each study


def results(folder: Path) -> dict[str, bytes]:
    names = read_manifest(folder).files
    return {name: (folder / name).read_bytes() for name in names}


def strike(folder: Path, rng: np.random.Generator) -> str:
    """Damage one file of a run, or exchange two; what was done."""
    names = ["manifest.json", *read_manifest(folder).files]
    path = folder / names[rng.integers(len(names))]
    content = bytearray(path.read_bytes())
    kind = ("flip", "cut", "swap", "lose")[rng.integers(4)]
    if kind == "flip":
        content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        put(path, content)
    elif kind == "cut":
        put(path, content[: rng.integers(len(content))])
    elif kind == "lose":
        path.unlink()
    else:
        other = path
        while other.read_bytes() == content:
            other = folder / names[rng.integers(len(names))]
        put(path, other.read_bytes())
        put(other, content)
    return f"{kind} {path.relative_to(folder)}"


def put(path: Path, content: bytes | bytearray) -> None:
    """A file of its own in place of the link to the whole run's."""
    path.unlink()
    path.write_bytes(content)


@pytest.mark.parametrize("study", [ICU, REGISTRY], ids=lambda study: study.kind)
def test_no_damage_gives_a_number(study: AnyStudy, tiny_run: Path, tiny_registry: Path, tmp_path: Path) -> None:
    whole = tiny_run if study is ICU else tiny_registry
    before = read_manifest(whole).model_dump()
    rng = np.random.default_rng(17)
    silent = []
    for number in range(DAMAGES):
        folder = tmp_path / str(number)
        shutil.copytree(whole, folder, copy_function=os.link)
        done = strike(folder, rng)
        try:
            open_run(study, folder)
        except ArtifactError:
            pass
        else:  # a flip between two spellings of the same manifest
            if read_manifest(folder).model_dump() != before or "manifest.json" not in done:
                silent.append(done)
        shutil.rmtree(folder)
    assert silent == []


def test_every_result_has_its_checksum_and_its_stage(tiny_run: Path) -> None:
    manifest = verify(tiny_run)
    assert manifest.files["fqe_q.npy"] == hashlib.sha256((tiny_run / "fqe_q.npy").read_bytes()).hexdigest()
    assert "cohort.parquet" in (manifest.stages["cohort"].files or {})
    assert "encoder/encoder.safetensors" in (manifest.stages["encoder"].files or {})
    assert "z.npy" in (manifest.stages["representation"].files or {})
    hidden = {"manifest.json", "progress.json", ".lock", "complete"}
    on_disk = {path.relative_to(tiny_run).as_posix() for path in tiny_run.rglob("*") if path.is_file()}
    assert on_disk - hidden == set(manifest.files)


def test_a_damaged_run_names_the_file_and_resuming_makes_it_anew(tiny_run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_run, tmp_path / "run", ignore=shutil.ignore_patterns("complete", ".lock")))
    before = results(folder)
    damage = read_array(folder / "fqi_q.npy").copy()
    damage[0, 0, 0] += 1.0
    write_array(folder / "fqi_q.npy", damage)
    reason = r"fqi_q\.npy of stage 'values' is not as written.*keeps .*'audit' and earlier.*makes 'values' and all"
    with pytest.raises(ArtifactError, match=reason):
        open_run(ICU, folder)
    view = RunView(tiny_run)
    cohort = ICU.simulate(view.manifest.n_patients, view.manifest.origin.seed, {"memory": False})
    stages = {step.stage for step in run_study(cohort, view.config, folder)}
    assert {"values", "truth", "frontier", "judgment", "evaluation"} == stages
    assert results(folder) == before
    verify(folder)


def test_a_lost_table_is_named_on_the_command_line(tiny_registry: Path, tmp_path: Path, capsys) -> None:
    folder = Path(shutil.copytree(tiny_registry, tmp_path / "run"))
    assert main(["verify", str(folder)]) == 0
    assert "stages are as they were written" in capsys.readouterr().out
    (folder / "ope.parquet").unlink()
    assert main(["verify", str(folder)]) == 2
    assert "ope.parquet of stage 'comparison' is not as written" in capsys.readouterr().err


ICU_DOORS = {
    "verify": ["verify", "RUN"],
    "evaluate": ["evaluate", "RUN", "--cohort", "RUN/cohort.parquet", "--out", "OUT"],
    "report": ["report", "RUN", "--out", "OUT"],
    "model card": ["report", "RUN", "--card", "OUT"],
    "bundle": ["bundle", "RUN", "--out", "OUT"],
    "policy": ["policy", "add", "RUN", "RUN/brought.parquet"],
}
REGISTRY_DOORS = {
    "registry": ["verify", "RUN"],
    "registry evaluate": ["registry", "evaluate", "RUN", "--cohort", "RUN/cohort.parquet", "--out", "OUT"],
    "registry report": ["report", "RUN", "--out", "OUT"],
}


@pytest.fixture(scope="module")
def flipped(tiny_run: Path, tiny_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each study in which one bit of one array is not as written, by kind."""
    found = {}
    for kind, whole, name in (("icu", tiny_run, "fqe_q.npy"), ("registry", tiny_registry, "ope.parquet")):
        found[kind] = Path(shutil.copytree(whole, tmp_path_factory.mktemp(kind) / "run"))
        content = bytearray((found[kind] / name).read_bytes())
        content[len(content) // 2] ^= 1
        (found[kind] / name).write_bytes(content)
    return found


@pytest.mark.parametrize("door", [*ICU_DOORS, *REGISTRY_DOORS])
def test_every_verb_that_reads_a_run_refuses_a_flipped_bit(flipped, door: str, tmp_path: Path, capsys) -> None:
    run = flipped["icu" if door in ICU_DOORS else "registry"]
    words = (ICU_DOORS | REGISTRY_DOORS)[door]
    out = tmp_path / "out.html"
    assert main([word.replace("RUN", str(run)).replace("OUT", str(out)) for word in words]) == 2
    said = capsys.readouterr()
    assert "is not as written" in said.err
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


def test_every_function_that_opens_a_run_refuses_a_flipped_bit(flipped, tiny_run: Path, tmp_path: Path) -> None:
    cell = tmp_path / "experiment" / "cells" / "quick-0"
    shutil.copytree(flipped["icu"], cell)
    doors: tuple[Callable[[], object], ...] = (
        lambda: pp.open_run(flipped["icu"]),
        lambda: pp.open_run(flipped["registry"], "registry"),
        lambda: ExperimentView(tmp_path / "experiment").run("quick", 0),
        lambda: write_report(flipped["icu"], tmp_path / "report.html"),
    )
    for opens in doors:
        with pytest.raises(ArtifactError, match="is not as written"):
            opens()
    assert pp.open_run(tiny_run)


def test_a_run_from_before_checksums_opens_and_says_so(tiny_run: Path, tmp_path: Path, capsys) -> None:
    folder = before_checksums(Path(shutil.copytree(tiny_run, tmp_path / "run")))
    manifest = read_manifest(folder)
    assert not manifest.has_checksums
    assert damaged(folder, manifest) == {}
    assert open_run(ICU, folder).complete
    assert main(["verify", str(folder)]) == 0
    assert "damage to its files cannot be told" in capsys.readouterr().out


def test_a_manifest_changed_by_hand_is_refused(tiny_run: Path, tmp_path: Path) -> None:
    stored = read_json(tiny_run / "manifest.json")
    write_json(tmp_path / "manifest.json", stored | {"n_patients": 161})
    with pytest.raises(ArtifactError, match="not as it was written"):
        read_manifest(tmp_path)
    write_json(tmp_path / "manifest.json", stored | {"schema_version": 2})
    with pytest.raises(ArtifactError, match="unknown key 'checksum'"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("path", ["../other/file", "/etc/passwd", "a/../../b", "a\\b", ""])
def test_a_manifest_names_no_file_outside_its_folder(tiny_run: Path, tmp_path: Path, path: str) -> None:
    shutil.copy(tiny_run / "manifest.json", tmp_path)
    edit_manifest(tmp_path, lambda manifest: manifest["stages"]["cohort"]["files"].update({path: "0" * 64}))
    with pytest.raises(ArtifactError, match="a file of a run lies in its folder"):
        read_manifest(tmp_path)


def test_stays_in_another_order_than_the_arrays_are_refused(tiny_run: Path, tmp_path: Path) -> None:
    """Also where no checksum tells."""
    folder = before_checksums(Path(shutil.copytree(tiny_run, tmp_path / "run")))
    cohort = load_cohort(folder / "cohort.parquet", RunView(folder).study)
    position = np.repeat(np.arange(cohort.n_patients), cohort.lengths)
    frame = cohort.frame.assign(traj=(position + 1) % cohort.n_patients)  # stays are sorted by their key
    save_cohort(make_cohort(frame, cohort.study), folder / "cohort.parquet")
    with pytest.raises(ArtifactError, match=r"cohort\.parquet holds other stays, or in another order"):
        _ = RunView(folder).cohort


def test_the_seal_does_not_depend_on_the_order_of_keys() -> None:
    assert sealed({"a": 1, "b": [1.5, "é"]})["checksum"] == sealed({"b": [1.5, "é"], "a": 1})["checksum"]
    assert sealed(sealed({"a": 1})) == sealed({"a": 1})
