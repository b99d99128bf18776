"""Choosing settings by true values: candidates are the run's own policies varied, and verdicts follow from numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.base.errors import RunError
from core.base.rng import derive_seed
from core.cohort import simulate_cohort
from core.experiments import choose
from core.experiments.choice_evidence import make_evidence
from core.experiments.choice_tables import around, choice_table, findings
from core.experiments.choose import kind_name, run_choice, tuning_config
from core.experiments.settings import ChoiceSettings
from core.experiments.view import ExperimentView
from core.icu.fit.simulated import RunPolicy
from core.icu.view import RunView
from core.policies import NamedPolicy, PolicyKey, Version
from tests.experiments.stub_study import copied

SETTINGS = ChoiceSettings(
    seeds=(7,), patients=160, preset="quick", epochs=(1,), batch_sizes=(64,), lambdas=(15.0,), temperatures=(1.0,),
    epsilons=(0.0, 0.5), truth_patients=60,
)  # fmt: skip


def test_the_candidate_at_the_runs_own_settings_is_the_runs_own_policy(tiny_run: Path) -> None:
    view = RunView(tiny_run)
    _, truth = simulate_cohort("mimic-iv", 160, seed=3)
    lambda_, temperature = view.config.fusion.lambda_, view.config.agents.temperature
    key = PolicyKey("fused", view.n_clusters, lambda_, "prospective")
    n, seed = view.config.evaluation.truth_patients, derive_seed(view.config.run.seed, "truth")
    known = view.truth[(view.truth["policy"] == "fused") & (view.truth["n_clusters"] == view.n_clusters)]
    known = known.loc[known["lambda_"] == lambda_, "true_value"].iloc[0]
    values = {}
    for epsilon in (None, 0.0, 1.0):
        policy = RunPolicy(view, NamedPolicy(key, Version(temperature, epsilon)))
        values[epsilon] = truth.policy_value(policy, n, seed, spans=view.scaler.spans).value
    assert values[None] == pytest.approx(known)
    random = view.truth.loc[view.truth["policy"] == "random", "true_value"].iloc[0]
    assert values[1.0] == pytest.approx(random)  # all probability spread evenly
    assert values[0.0] != values[None]


def test_a_choice_is_resumed_and_shown(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "run_study", copied(tiny_run))
    assert [step.done for step in run_choice(SETTINGS, tmp_path, jobs=1)] == [0, 1]
    assert [step.done for step in run_choice(SETTINGS, tmp_path, jobs=1)] == [1]
    table = ExperimentView(tmp_path).choices
    assert set(table.loc[table["policy"] == "fused", "kind"]) == {"soft", "greedy", "epsilon 0.5"}
    assert table.loc[table["policy"] == "clinician", "gain"].iloc[0] == 0
    more = SETTINGS.model_copy(update={"epochs": (1, 2)})
    assert [step.done for step in run_choice(more, tmp_path, jobs=1)] == [0, 1]
    assert set(ExperimentView(tmp_path).choices["epochs"]) == {1, 2}
    other = SETTINGS.model_copy(update={"lambdas": (1.0,)})
    with pytest.raises(RunError, match="lambdas"):
        next(run_choice(other, tmp_path))
    assert list(run_choice(SETTINGS.model_copy(update={"seeds": ()}), tmp_path)) == []


def made(fused: tuple[float, float], agent: tuple[float, float]) -> pd.DataFrame:
    rows = []
    for seed in (0, 1):
        for policy, value in (("clinician", 5.0), ("phenotype-0", agent[seed]), ("phenotype-1", 1.0)):
            rows.append({"seed": seed, "policy": policy, "kind": "own", "lambda_": np.nan, "true_value": value})
        rows.append({"seed": seed, "policy": "fused", "kind": "soft", "lambda_": 15.0, "true_value": fused[seed]})
    table = pd.DataFrame(rows).assign(
        epochs=10, batch_size=256, temperature=1.0, true_se=0.1, true_survival=0.8, true_survival_se=0.01
    )
    table["gain"] = table["true_value"] - 5.0
    return table


def test_verdicts_follow_from_the_paired_differences() -> None:
    settings = SETTINGS.model_copy(update={"seeds": (0, 1), "epochs": (10,)})
    said = " ".join(findings(made(fused=(7.0, 7.2), agent=(8.0, 8.3)), settings))
    assert "best candidate beats the clinicians: difference +2.10 (SE 0.10, 2 seeds)" in said
    assert "loses against the best of its own agents: difference -1.05 (SE 0.10, 2 seeds)" in said
    # the gaps of the two seeds differ by 0.1 alone, but each rests on two roll-outs with errors of 0.1
    assert "preset's default beats the clinicians" in said
    assert "cannot be rolled out" in said
    unsure = " ".join(findings(made(fused=(4.0, 6.2), agent=(8.0, 8.3)), settings))
    assert "cannot be told from the clinicians: difference +0.10 (SE 1.10, 2 seeds)" in unsure


def test_the_table_is_in_order_of_true_value() -> None:
    rows = choice_table(made(fused=(7.0, 7.2), agent=(8.0, 8.4)))
    assert [row["policy"] for row in rows] == ["phenotype-0", "fused", "clinician", "phenotype-1"]
    assert rows[0]["true_value"] == pytest.approx(8.2)
    assert rows[0]["se"] == pytest.approx(0.2)
    assert [kind_name(None), kind_name(0.0), kind_name(0.05)] == ["soft", "greedy", "epsilon 0.05"]


def test_epochs_are_those_of_the_policies_that_they_train() -> None:
    """Baselines are trained alike in every tuning run, and the critic is made cheap: it is no rival."""
    short, extra = made(fused=(7.0, 7.2), agent=(8.0, 8.4)), []
    for seed in (0, 1):
        row = short[(short["seed"] == seed) & (short["policy"] == "clinician")]
        extra += [row.assign(policy="dqn", true_value=8.5), row.assign(policy="rf-fqi", true_value=9.9)]
    short = pd.concat([short, *extra], ignore_index=True)
    long = short.assign(epochs=30)
    long["true_value"] += long["policy"].isin(("fused", "phenotype-0")) * 0.5
    rows = choice_table(pd.concat([short, long], ignore_index=True))
    found = {(row["policy"], row["epochs"]): row["seeds"] for row in rows}
    assert found == {
        **dict.fromkeys((("clinician", None), ("dqn", None), ("fused", 10), ("fused", 30)), 2),
        **{(f"phenotype-{k}", epochs): 2 for k in (0, 1) for epochs in (10, 30)},
    }
    settings = SETTINGS.model_copy(update={"seeds": (0, 1), "epochs": (10, 30)})
    said = findings(pd.concat([short, long], ignore_index=True), settings)
    assert "best single agent of all: difference -1.10" in " ".join(said[3:6])  # 7.6 against 8.5 and 8.9


def test_only_a_seeds_first_variant_trains_an_encoder_and_rivals(tmp_path: Path) -> None:
    """Neither depends on the epochs or the batch size of the agents."""
    settings = SETTINGS.model_copy(update={"epochs": (1, 5), "batch_sizes": (64, 256)})
    first, *others = (tuning_config(settings, tmp_path, 7, v) for v in choose.variants(settings))
    assert first.baselines.chosen
    assert not first.run.encoder_folder
    assert [(config.agents.epochs, config.agents.batch_size) for config in others] == [(1, 256), (5, 64), (5, 256)]
    for config in others:
        assert not config.baselines.chosen
        assert Path(config.run.encoder_folder) == tmp_path / "choice" / "7-1-64" / "encoder"


def test_one_setting_is_changed_at_a_time_around_the_best() -> None:
    base = made(fused=(7.0, 7.2), agent=(6.0, 6.3))
    small = base[base["policy"] == "fused"].assign(batch_size=64)
    small["true_value"] -= [0.5, 0.7]
    both = small.assign(epochs=3)  # two settings away from the best: not beside it
    choices = pd.concat([base, small, both], ignore_index=True)
    best = next(row for row in choice_table(choices) if row["policy"] == "fused")
    rows = {(row["setting"], row["level"]): row for row in around(choices, best)}
    assert set(rows) == {
        *(("batch_size", level) for level in (64, 256)),
        ("epochs", 10), ("lambda_", 15.0), ("temperature", 1.0), ("kind", "soft"),
    }  # fmt: skip
    assert rows["batch_size", 64]["difference"] == pytest.approx(-0.6)
    assert rows["batch_size", 64]["se"] == pytest.approx(0.1)  # of the spread; that of the roll-outs is as large
    assert rows["batch_size", 256]["difference"] == 0


def test_the_evidence_quotes_the_choice_and_the_default(tmp_path: Path) -> None:
    settings = {"seeds": [0, 1], "epochs": [10], "preset": "quick"}
    given = {"development": {"patients": 160, "seed": 3}, "repeats": [5], "choice": settings}
    view = ExperimentView(tmp_path)
    view.__dict__["record"] = {"name": "e", "machine": {"cores": 2}, "settings": given}
    default = made(fused=(6.9, 7.0), agent=(6.0, 6.3))
    view.__dict__["choices"] = pd.concat([default, made(fused=(7.0, 7.2), agent=(6.0, 6.3)).assign(lambda_=4.0)])
    evidence = make_evidence(view, "2026-01-01")
    assert evidence["best"]["true_value"] == pytest.approx(7.1)
    assert evidence["best"]["lambda_"] == 4.0
    assert evidence["default"]["true_value"] == pytest.approx(6.95)
    assert [row["policy"] for row in evidence["rows"]][:2] == ["fused", "fused"]
    assert "clinician" in [row["policy"] for row in evidence["rows"]]
    assert evidence["rows"][0]["gain_se"] > 0
    said = " ".join(evidence["findings"])
    assert "beats the clinicians" in said
    assert "Against the preset's default (soft, lambda 15" in said
    assert "it gains +0.15 (SE 0.10, 2 seeds)" in said
    view.__dict__["choices"] = pd.DataFrame()
    with pytest.raises(RunError, match="tuning seeds"):
        make_evidence(view, "2026-01-01")
