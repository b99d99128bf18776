"""The experiment engine: cells are resumed, and hold what single evaluations of their runs give."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from core.base.errors import ConfigError, RunError
from core.base.files import read_table
from core.base.rng import derive_seed
from core.cli.main import main
from core.cohort import simulate_cohort
from core.experiments import repeats, run
from core.experiments.document import statements, write_tables
from core.experiments.repeats import cell_table, run_repeats
from core.experiments.settings import ExperimentSettings, load_settings
from core.experiments.values import external_values
from core.experiments.view import ExperimentView, list_experiments
from core.icu.pipeline import evaluate_run
from core.icu.view import RunView
from core.policies import MODES
from tests.experiments.stub_study import copied
from tests.icu.test_icu_pipeline import SMALLEST

SETTINGS = {
    "presets": ["quick"],
    "repeats": [1, 2],
    "development": {"patients": 160, "seed": 3},
    "external": {"like": "eicu", "patients": 40, "seed": 4, "lambda_": 9.0},
}


@pytest.fixture
def settings(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> ExperimentSettings:
    """Cells whose runs are copies of the tiny run."""
    monkeypatch.setattr(repeats, "run_study", copied(tiny_run))
    return ExperimentSettings.build(SETTINGS)


def test_an_experiment_cut_short_is_resumed_not_begun_anew(settings: ExperimentSettings, tmp_path: Path) -> None:
    steps = run_repeats(settings, "e", tmp_path, jobs=1)
    assert [next(steps).done, next(steps).done] == [0, 1]
    steps.close()
    folder = tmp_path / "e"
    first, second = cell_table(folder, "quick", 1), cell_table(folder, "quick", 2)
    assert first.is_file()
    assert not second.is_file()
    assert not ExperimentView(folder).complete
    assert [cell["repeat"] for cell in ExperimentView(folder).record["cells"]] == [1]
    written = first.stat().st_mtime_ns
    resumed = run_repeats(settings, "e", tmp_path, jobs=1)
    next(resumed)
    resumed.close()  # before any further cell: what is done is not forgotten
    assert [cell["repeat"] for cell in ExperimentView(folder).record["cells"]] == [1]
    assert [step.done for step in run_repeats(settings, "e", tmp_path, jobs=1)] == [1, 2]
    assert first.stat().st_mtime_ns == written
    table = ExperimentView(folder).evaluations
    assert set(table["repeat"]) == {1, 2}
    pd.testing.assert_frame_equal(
        table, pd.concat([read_table(first), read_table(second)], ignore_index=True), check_exact=True
    )


def test_cells_hold_what_single_evaluations_of_their_run_give(
    settings: ExperimentSettings, tiny_run: Path, tmp_path: Path
) -> None:
    one = settings.model_copy(update={"repeats": (1,)})
    list(run_repeats(one, "e", tmp_path, jobs=1))
    table, view = read_table(cell_table(tmp_path / "e", "quick", 1)), RunView(tiny_run)
    external, _ = simulate_cohort("eicu", 40, seed=4)
    for name, cohort, lambda_ in (("development", view.cohort, None), ("external", external, 9.0)):
        single = evaluate_run(view, cohort, lambda_=lambda_).policies
        part = table[(table["cohort"] == name) & table["own_mode"]]
        for policy in ("clinician", "phenotype-0", "fused", "single-expert"):
            for estimator in ("phwis", "phwdr"):
                row = part[(part["policy"] == policy) & (part["estimator"] == estimator)].iloc[0]
                assert row["value"] == pytest.approx(getattr(single[policy], estimator).value)
                assert row["ess"] == pytest.approx(getattr(single[policy], estimator).ess)
    fused = table[(table["policy"] == "fused") & (table["estimator"] == "phwis")]
    assert set(fused.loc[fused["cohort"] == "external", "lambda_"]) == {9.0}
    assert set(fused["mode"]) == {"prospective", "retrospective"}
    random = table[table["policy"] == "random"]
    assert random["distance_from_uniform"].max() < 1e-6
    assert table.loc[table["policy"] == "clinician", "distance_from_clinicians"].max() == 0


def test_tables_are_written_with_what_a_reader_must_know(settings: ExperimentSettings, tmp_path: Path) -> None:
    list(run_repeats(settings, "e", tmp_path, jobs=1))
    document = write_tables(tmp_path / "e")
    text = (tmp_path / "e" / "tables.md").read_text()
    assert "A simulated cohort is not the published one" in text
    assert "cannot give a p below 0.5" in text
    assert "rest on 24 test patients: too few for any conclusion" in text
    assert json.loads((tmp_path / "e" / "tables.json").read_text())["tables"].keys() == document["tables"].keys()
    view = list_experiments(tmp_path)[0]
    assert view.complete
    values = view.table("values").set_index(["cohort", "name"])
    assert values.loc[("development", "Clinician"), "published_phwis_mean"] == 5.78
    assert values.loc[("external", "Clinician"), "published_phwis_mean"] == 7.98
    assert values.loc[("development", "HOPAS-B (fused), prospective"), "repeats"] == 2
    assert any("those of the cohort's own clinicians" in said for said in view.document["statements"])
    assert view.run("quick", 2).complete


def test_a_folder_with_other_settings_is_refused(settings: ExperimentSettings, tmp_path: Path) -> None:
    next(run_repeats(settings, "e", tmp_path))
    other = settings.model_copy(update={"modes": ("prospective",)})
    with pytest.raises(RunError, match="modes"):
        next(run_repeats(other, "e", tmp_path))
    more = settings.model_copy(update={"repeats": (1, 2, 3)})
    assert next(run_repeats(more, "e", tmp_path)).total == 3


def test_settings_of_the_repository_can_be_read() -> None:
    full, small = load_settings("full"), load_settings("small")
    assert (full.development.patients, full.external.patients, full.external.lambda_) == (13_355, 6_066, 9.0)
    assert full.repeats == (1, 2, 3, 4, 5)
    assert full.config("published", 3).run.seed == 3
    assert full.config("published", 3).run.fractions == pytest.approx((0.7, 0.15, 0.15))
    assert small.development.patients < full.development.patients
    with pytest.raises(ConfigError, match=r"choose one of .*full.*small"):
        load_settings("none")


def test_a_tuning_seed_may_not_be_a_reported_one() -> None:
    with pytest.raises(ConfigError, match="must all differ"):
        ExperimentSettings.build({**SETTINGS, "choice": {"seeds": [4]}})
    with pytest.raises(ConfigError, match="differ from the repeats"):
        ExperimentSettings.build({**SETTINGS, "choice": {"seeds": [2]}})
    with pytest.raises(ConfigError, match="patients"):
        ExperimentSettings.build({"development": {"like": "eicu"}})


def test_truth_abroad_is_the_mechanism_of_the_other_cohort(tiny_run: Path) -> None:
    view = RunView(tiny_run)
    cohort, truth = simulate_cohort("eicu", 30, seed=4)
    table = external_values(view, cohort, 9.0, MODES, truth_patients=20)
    assert table.loc[table["mode"] == "retrospective", "true_value"].isna().all()
    known = table[table["mode"] != "retrospective"].drop_duplicates("policy").set_index("policy")
    assert known["true_value"].notna().all()
    assert known.loc["fused", "lambda_"] == known.loc["fused:greedy", "lambda_"] == 9.0
    clinicians = truth.policy_value("clinician", 20, derive_seed(view.config.run.seed, "truth", "external"),
                                    spans=view.scaler.spans)  # fmt: skip
    assert known.loc["clinician", "true_value"] == pytest.approx(clinicians.value)
    assert external_values(view, cohort, 9.0, ["prospective"])["true_value"].isna().all()


def test_the_tables_say_whose_habits_estimates_abroad_divide_by(tiny_run: Path) -> None:
    view = RunView(tiny_run)
    cohort, _ = simulate_cohort("eicu", 60, seed=4)
    own = external_values(view, cohort, 9.0, ["prospective"])
    development = external_values(view, cohort, 9.0, ["prospective"], clinicians="development")
    assert set(own["clinicians"]) == {"own"}
    assert set(development["clinicians"]) == {"development"}
    settings = ExperimentSettings.build(SETTINGS)
    for table, words in ((own, "own clinicians"), (development, "intervals nor the ESS show it")):
        labeled = table.assign(cohort="external", simulated=True)
        assert any(words in sentence for sentence in statements(settings, labeled))


def test_the_verb_runs_a_whole_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """End to end with a real run: one preset, one repeat, one tuning run, tables."""
    monkeypatch.setattr(run, "run_experiment", partial(run.run_experiment, root=tmp_path))
    labs: list[tuple] = []
    monkeypatch.setattr(run, "run_estimator_lab", lambda *asked: labs.append(asked) or iter(()))
    overrides = "\n".join(f'"{key}" = {value}' for key, value in SMALLEST.items())
    file = tmp_path / "tiny.toml"
    file.write_text(
        'presets = ["quick"]\nrepeats = [1]\n[development]\npatients = 60\nseed = 1\n'
        f'[external]\nlike = "eicu"\npatients = 40\nseed = 2\ntruth_patients = 10\n[overrides]\n{overrides}\n'
        "[lab]\nseeds = [8, 9]\npatients = 30\n"
        '[choice]\nseeds = [3]\npatients = 60\npreset = "quick"\nepochs = [1]\nlambdas = [0.0]\n'
        f"temperatures = [1.0]\nepsilons = [0.0]\ntruth_patients = 10\n[choice.overrides]\n{overrides}\n"
    )
    assert main(["experiment", str(file), "--jobs", "1"]) == 0
    assert "tables" in capsys.readouterr().out
    assert labs == [(tmp_path / "tiny" / "lab", (8, 9), ("simulated",), 30, 3000, 400, 5)]
    text = (tmp_path / "tiny" / "tables.md").read_text()
    assert "## True values: external cohort (simulated, like eICU), preset quick" in text
    assert "## Settings by true value, on tuning seeds" in text
