"""Other registries than the transplant one: another TOML trains, is valued and recommends, by command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cli.main import main
from core.registry.ask.patient import recommend
from core.registry.view import RegistryView
from tests.registry import event_world, ward_world

SMALL = ("screening.epochs=10", "screening.lr=0.01", "reward_model.epochs=3", "forest.n_trees=6")
SMALLER = ("dqn.updates=800", "evaluation.n_bootstrap=40", "evaluation.ope_bootstrap=100", "evaluation.screen_n=4")


def train(folder: Path, frame: pd.DataFrame, spec: str, *more: str) -> Path:
    """A run by the command line on a CSV file under a TOML file."""
    frame.to_csv(folder / "file.csv", index=False)
    (folder / "spec.toml").write_text(spec, encoding="utf-8")
    settings: list[str] = [part for value in (*SMALL, *SMALLER) for part in ("--set", value)]
    file, study, run = str(folder / "file.csv"), str(folder / "spec.toml"), str(folder / "run")
    assert main(["registry", "check", file, "--study", study, *more]) == 0
    assert main(["registry", "train", file, "--spec", study, *more, "--run", run, *settings]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("public")
    (folder / "mapping.toml").write_text(event_world.MAPPING, encoding="utf-8")
    return train(folder, event_world.public_table(1500, 0), event_world.SPEC, "--mapping", str(folder / "mapping.toml"))


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("ward"), ward_world.table(600, 1), ward_world.SPEC)


def estimate(view: RegistryView, policy: str) -> tuple[float, float]:
    """PHWDR and its standard error."""
    row = view.ope.query(f"policy == '{policy}' and estimator == 'phwdr'").iloc[0]
    return float(row["value"]), float(row["high"] - row["low"]) / (2 * 1.96)


def test_the_value_of_one_decision_is_right_where_the_truth_is_known(public: Path) -> None:
    view = RegistryView(public)
    assert view.complete
    value, error = estimate(view, "observed")
    truth, truth_error = event_world.true_value(event_world.physicians)
    assert abs(value - truth) < 4 * np.hypot(error, truth_error)
    complete = view.cohort.row_of[:, -1] >= 0
    assert complete.mean() < 0.6, "most are lost or dead before the end, so that a plain mean would be wrong"


def test_what_is_learned_from_one_decision_is_better_than_what_physicians_did(public: Path) -> None:
    view = RegistryView(public)
    models = view.models("prophylaxis")
    data = view.points["prophylaxis"]
    chosen = models.choices("dqn", data.states, data.stage, view.screen)
    names = np.asarray(models.catalog.names, dtype=object)[chosen]
    best_for_unrelated = models.catalog.name(models.catalog.action(["PTCy"]))
    unrelated = data.states[:, data.names.index("donor=unrelated")] > 0
    assert (names[unrelated] == best_for_unrelated).mean() > 0.8
    arms = {frozenset(arm): number for number, arm in enumerate(event_world.ARMS)}
    shares = np.zeros((2, 4))
    for donor in (0, 1):
        for action in chosen[unrelated == bool(donor)]:
            shares[donor, arms[models.catalog.drugs_of(int(action))]] += 1
    shares /= shares.sum(axis=1, keepdims=True)
    policy_value, _ = event_world.true_value(lambda _, unrelated: shares[unrelated])
    physicians_value, _ = event_world.true_value(event_world.physicians)
    assert policy_value > physicians_value + 0.1


def test_an_evaluation_of_the_raw_file_through_the_mapping_is_that_of_the_run(public: Path, tmp_path: Path) -> None:
    file, mapping = public.parent / "file.csv", public.parent / "mapping.toml"
    out = tmp_path / "m.json"
    told = ["registry", "evaluate", str(public), "--cohort", str(file), "--mapping", str(mapping), "--out", str(out)]
    assert main(told) == 0
    found = json.loads(out.read_text(encoding="utf-8"))
    assert "own registry" in found["cohort"]["note"]
    assert found["policies"]["observed"]["phwdr"]["value"] == pytest.approx(
        estimate(RegistryView(public), "observed")[0]
    )
    assert set(found["policies"]["dqn"]["matched"]) == {"prophylaxis"}
    report = RegistryView(public).report
    assert "gvhdgp" in report.mapping
    assert any("competing risks" in note for note in report.notes)


def test_another_registry_has_its_own_indicators_decisions_and_ends(ward: Path) -> None:
    view = RegistryView(ward)
    assert view.complete
    assert view.treatments == ("antibiotics", "pressors")
    groups = view.matched.groupby("decision")["group"].unique()
    assert {name: set(found) for name, found in groups.items()} == {
        "antibiotics": {"all", "ill"},
        "pressors": {"all", "ill"},
    }
    assert set(view.accuracy["decision"]) == {"fluids", "antibiotics", "pressors"}
    value, error = estimate(view, "observed")
    truth = ward_world.recorded_value(view.cohort, view.split.test)
    assert abs(value - truth) < 4 * error, "nobody is lost, so that the plain mean is the value of what was done"
    options = recommend(view, int(view.split.test[0]), 0, "antibiotics")
    drugs = set(view.spec.decision("antibiotics").drugs)
    assert all(name == "no drug" or set(name.split(" + ")) <= drugs for name in options["name"])


def test_every_wrong_file_is_refused_with_its_kinds(public: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = public.parent / "spec.toml"
    assert main(["registry", "check", str(public.parent / "file.csv"), "--study", str(spec)]) == 2
    said = capsys.readouterr()
    assert "kinds of problem" in said.err
    assert _lines(said.out, "column 'sex'") == 1, "codes without a codebook are one line"


def _lines(text: str, part: str) -> int:
    found: Sequence[str] = [line for line in text.splitlines() if part in line]
    return len(found)
