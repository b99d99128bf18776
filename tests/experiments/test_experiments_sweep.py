"""Sweeps: each cell is a single evaluation, the grid is checked, and cores and a Dask cluster give the same table."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.base.errors import ConfigError
from core.cli.main import main
from core.cohort import load_cohort
from core.experiments import sweep
from core.experiments.parallel import in_parallel, shares
from core.experiments.sweep import Grid, load_grid, read_sweep, run_sweep
from core.icu.pipeline import evaluate_run
from core.icu.view import RunView
from core.study import load_study
from tests.experiments.stub_study import copied

GRID = Grid(presets=("quick",), seeds=(1, 2), n_clusters=(2, 4), lambdas=(0.0, 4.0, np.inf))


@pytest.fixture
def cohort_file(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny run's cohort; runs of a sweep on it are copies of the tiny run."""
    monkeypatch.setattr(sweep, "run_study", copied(tiny_run))
    return tiny_run / "cohort.parquet"


def test_every_cell_equals_a_single_evaluation(cohort_file: Path, tmp_path: Path) -> None:
    assert [step.done for step in run_sweep(cohort_file, tmp_path, GRID, jobs=1)] == [0, 1, 2]
    table = read_sweep(tmp_path)
    assert len(table) == 2 * 2 * 3
    view, cohort = RunView(tmp_path / "quick-1"), load_cohort(cohort_file)
    for row in table[table["seed"] == 1].to_dict("records"):
        lambda_ = row["lambda_"] if np.isfinite(row["lambda_"]) else 0.0
        single = evaluate_run(view, cohort, row["n_clusters"], lambda_, row["mode"]).policies[row["policy"]]
        for estimator in ("phwis", "phwdr"):
            assert row[estimator] == pytest.approx(getattr(single, estimator).value)
            assert row[f"{estimator}_low"] == pytest.approx(getattr(single, estimator).low)
        assert (row["support"], row["ess"]) == (single.support, pytest.approx(single.phwis.ess))


def test_reward_weights_are_swept_under_the_names_of_their_terms(cohort_file: Path, tmp_path: Path) -> None:
    grid = Grid(presets=("quick",), seeds=(1,), n_clusters=(2,), lambdas=(4.0,), rewards={"C_3": (0.05, 0.2)})
    list(run_sweep(cohort_file, tmp_path, grid, jobs=1))
    assert read_sweep(tmp_path)[["rewards.C_3", "seed"]].to_numpy().tolist() == [[0.05, 1], [0.2, 1]]
    assert (tmp_path / "quick-1-C_3=0.05").is_dir()
    configs = [grid.config(*task) for task in grid.tasks]
    assert [dict(config.rewards.apply(load_study()).rewards[3])["coefficient"] for config in configs] == [0.05, 0.2]
    unknown = Grid(rewards={"clearance": (1.0,)})
    with pytest.raises(ConfigError, match="no reward term clearance"):
        list(run_sweep(cohort_file, tmp_path / "other", unknown, jobs=1))
    assert not (tmp_path / "other").exists()


def test_a_dask_cluster_of_two_workers_gives_the_same_table(cohort_file: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    list(run_sweep(cohort_file, tmp_path / "cores", GRID, jobs=1))
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp"
    ) as cluster:
        assert len(cluster.workers) == 2
        list(run_sweep(cohort_file, tmp_path / "dask", GRID, dask=cluster.scheduler_address))
    pd.testing.assert_frame_equal(read_sweep(tmp_path / "dask"), read_sweep(tmp_path / "cores"))


def test_a_sweep_cut_short_keeps_the_cells_that_are_done(cohort_file: Path, tmp_path: Path) -> None:
    steps = run_sweep(cohort_file, tmp_path, GRID, jobs=1)
    assert [next(steps).done, next(steps).done] == [0, 1]
    steps.close()
    assert set(read_sweep(tmp_path)["seed"]) == {1}
    made = (tmp_path / "quick-1" / "z.npy").stat().st_mtime_ns
    list(run_sweep(cohort_file, tmp_path, GRID, jobs=1))
    assert set(read_sweep(tmp_path)["seed"]) == {1, 2}
    assert (tmp_path / "quick-1" / "z.npy").stat().st_mtime_ns == made


def test_grids_say_what_is_wrong_with_them(
    cohort_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "grid.toml"
    for text, expected in (
        ("n_clusters = [1]", "at least 2 phenotypes"),
        ("seeds = [1, 1]", "only once"),
        ("lambdas = [-1.0]", "0 or more"),
        ('presets = ["fast"]', "presets"),
        ("clusters = [3]", "unknown key 'clusters'"),
        ("lambdas = ", "not valid TOML"),
        ('[overrides]\n"encoder.epoch" = 3', "epoch"),
        ("[rewards]\nC_3 = [0.1, 0.1]", "only once"),
        ("[rewards]\nC_3 = [inf]", "finite"),
        ("[rewards]\nclearance = [1.0]", "no reward term clearance"),
    ):
        file.write_text(text)
        assert main(["sweep", str(cohort_file), "--run", str(tmp_path / "s"), "--grid", str(file)]) == 2
        assert expected in capsys.readouterr().err
    assert not (tmp_path / "s" / "sweep.parquet").exists()
    with pytest.raises(ConfigError, match="does not exist"):
        load_grid(tmp_path / "none.toml")
    file.write_text("n_clusters = [3, 2]\nlambdas = [inf, 4.0]")
    config = load_grid(file).config("quick", 7)
    assert (config.phenotypes.k_min, config.phenotypes.k_max, config.phenotypes.n_clusters) == (2, 3, 3)
    assert (config.run.seed, config.encoder.seed, config.fusion.lambda_) == (7, 7, 4.0)


def test_cores_are_shared_out_and_never_oversubscribed() -> None:
    for jobs in range(6):
        for tasks in range(1, 9):
            for cores in range(1, 9):
                processes, threads = shares(jobs, tasks, cores)
                assert 1 <= processes <= tasks
                assert processes * threads <= max(cores, jobs)
    assert shares(0, 10, 8) == (8, 1)
    assert shares(0, 2, 8) == (2, 4)


def test_processes_get_their_threads() -> None:
    found = list(in_parallel(os.getenv, [("OMP_NUM_THREADS",), ("OPENBLAS_NUM_THREADS",)], jobs=2))
    assert found == [str(shares(2, 2, len(os.sched_getaffinity(0)))[1])] * 2


def test_a_cluster_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")

    def refuse(address: str, timeout: int) -> None:
        raise OSError(address)

    monkeypatch.setattr(distributed, "Client", refuse)
    with pytest.raises(ConfigError, match="no Dask scheduler answers at tcp"):
        list(in_parallel(os.getenv, [("HOME",)], dask="tcp://127.0.0.1:1"))
