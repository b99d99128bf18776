"""The registry study as a user runs it: files in, a run that survives cuts, JSON out, clear words where it cannot."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from core.base.errors import ArtifactError, CohortError, ConfigError, RunError
from core.cli.main import main
from core.registry.ask.compared import DIALS, GREEDY, MIXTURE, POLICIES, along
from core.registry.ask.patient import prescribed, recommend
from core.registry.ask.policies import DialedPolicy
from core.registry.ask.tables import Evaluation
from core.registry.cohort.load import load_registry, make_registry
from core.registry.config import registry_config
from core.registry.fit.dqn import Moves
from core.registry.pipeline import stages_of, train_q_network
from core.registry.simulate import simulate_registry
from core.registry.study import train_registry
from core.registry.view import RegistryView
from core.runs.status import read_job
from tests.manifests import edit_manifest

SMALL = {
    "screening.epochs": "2",
    "dqn.updates": "60",
    "reward_model.epochs": "2",
    "forest.n_trees": "4",
    "evaluation.n_bootstrap": "60",
    "evaluation.ope_bootstrap": "40",
    "evaluation.truth_patients": "150",
    "evaluation.screen_n": "5",
}
PATIENTS = 300


@pytest.fixture(scope="module")
def registry_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("registry") / "g.parquet"
    assert main(["registry", "simulate", "--patients", str(PATIENTS), "--seed", "3", "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def run_dir(registry_file: Path) -> Path:
    folder = registry_file.parent / "g"
    settings = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    assert main(["registry", "train", str(registry_file), "--run", str(folder), *settings]) == 0
    return folder


@pytest.fixture
def view(run_dir: Path) -> RegistryView:
    return RegistryView(run_dir)


def digest(folder: Path) -> dict[str, str]:
    """Content of every result file; the manifest holds times, the rest must be equal."""
    skip = {"manifest.json", "progress.json", ".lock"}
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.name not in skip
    }


def test_the_run_holds_every_stage_and_says_done(view: RegistryView) -> None:
    assert view.complete
    assert set(view.manifest.stages) == {"cohort", *stages_of(view.spec)}
    assert view.manifest.simulated
    assert (view.manifest.schema_version, view.manifest.kind) == (3, "registry")
    assert read_job(view.path).state == "done"
    assert set(view.accuracy.columns) >= {"decision", "stage", "day", "n", "accuracy", "low", "high"}
    assert set(view.history["decision"]) == set(view.decisions)


def test_patients_are_split_once_and_for_all(view: RegistryView) -> None:
    parts = view.split.train, view.split.valid, view.split.test
    assert sorted(np.concatenate(parts)) == list(range(PATIENTS))
    assert len(view.split.test) == PATIENTS // 5


def test_catalogs_hold_what_learning_patients_were_given(view: RegistryView) -> None:
    learned = view.split.learners
    for name, catalog in view.catalogs.items():
        data = view.points[name]
        assert catalog.counts.sum() == data.of(learned).sum()
        assert (catalog.encode(data.drugs[data.of(learned)]) >= 0).all()
        assert "alive" in view.inputs[name].dropped


def test_a_screened_choice_is_always_among_the_likely(view: RegistryView) -> None:
    for name in view.treatments:
        data, models = view.points[name], view.models(name)
        chosen = models.choices("dqn-screened", data.states, data.stage, view.screen)
        probs = models.expert_probs(data.states, data.stage)
        place = (probs > probs[np.arange(len(chosen)), chosen][:, None]).sum(axis=1)
        assert place.max() < view.screen.n
        some = data.states[:20], data.stage[:20], view.screen
        for policy in POLICIES:
            np.testing.assert_allclose(models.probs(policy, *some).sum(axis=1), 1, rtol=1e-4)
        for policy in GREEDY:
            soft, chosen = models.soft_probs(policy, *some), models.choices(policy, *some)
            np.testing.assert_allclose(soft.sum(axis=1), 1, rtol=1e-4)
            assert (soft.argmax(axis=1) == chosen).all()  # softened, it still likes the same best


def test_a_recommendation_is_the_policys_own(view: RegistryView) -> None:
    for name in view.decisions:
        data = view.points[name]
        patient, stage = int(data.patient[3]), int(data.stage[3])
        table = recommend(view, patient, stage, name)
        assert len(table) == len(view.catalogs[name])
        assert table["screened"].sum() == min(view.screen.n, len(table))
        assert (table.loc[~table["screened"], "reason"] != "").all()
        assert recommend(view, patient, stage, name, n=2)["screened"].sum() == 2
        action, words = prescribed(view, patient, stage, name)
        assert action < 0 or view.catalogs[name].name(action) == words
        if name in view.treatments:
            chosen = view.models(name).choices("dqn-screened", data.states[[3]], data.stage[[3]], view.screen)
            assert table["action"].iloc[0] == chosen[0]
        else:
            assert table["probability"].iloc[0] == table["probability"].max()


def test_nothing_is_recommended_where_nothing_is_decided(view: RegistryView) -> None:
    with pytest.raises(RunError, match="is not decided for patient number 0 at stage 0"):
        recommend(view, 0, 0, "acute")
    with pytest.raises(RunError, match="no decision 'surgery'; choose one of"):
        recommend(view, 0, 1, "surgery")


def test_evaluate_writes_the_document_with_truth_and_intervals(
    run_dir: Path, registry_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "g.json"
    assert main(["registry", "evaluate", str(run_dir), "--cohort", str(registry_file), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "true" in printed
    assert "As far as the records support it" in printed
    document = json.loads(out.read_text())
    assert document["cohort"]["split"] == "test"
    assert document["cohort"]["simulated"]
    assert set(document["policies"]) == set(POLICIES)
    for name in POLICIES:
        policy = document["policies"][name]
        assert policy["true_se"] > 0
        assert set(policy["phwis"]) == {"value", "low", "high", "ess"}
        assert (policy["support"] == "supported") == (policy["support_reasons"] == "")
        assert set(policy["frontier"]) == ({"mixture", "floor"} if name in GREEDY else set())
        assert set(policy["matched"]) == {"acute", "chronic"}
    assert document["policies"]["observed"]["modeled"] == {}
    assert document["baseline"]["modeled"]["acute"]["value"] is not None
    assert "confounded" in document["warning"]
    assert "Example from the simulator" in document["warning"]


def test_another_registry_is_evaluated_whole_and_without_truth(run_dir: Path, tmp_path: Path) -> None:
    other, out = tmp_path / "h.csv", tmp_path / "h.json"
    assert main(["registry", "simulate", "--patients", "80", "--seed", "9", "--out", str(other)]) == 0
    assert main(["registry", "evaluate", str(run_dir), "--cohort", str(other), "--out", str(out)]) == 0
    document = json.loads(out.read_text())
    assert document["cohort"]["evaluated_patients"] == 80
    assert "too few for any conclusion" in document["cohort"]["note"]
    assert all(document["policies"][name]["true_value"] is None for name in GREEDY)


def test_a_run_cut_short_anywhere_ends_with_the_same_result(run_dir: Path, registry_file: Path, tmp_path: Path) -> None:
    """Progress is abandoned inside several stages, as by a kill, and the same call goes on each time."""
    cohort, config, folder = load_registry(registry_file), registry_config(SMALL), tmp_path / "cut"
    for stage in ("screening acute", "dqn chronic", "comparison"):
        for step in train_registry(cohort, config, folder):
            if step.stage == stage:
                break
        assert not RegistryView(folder).complete
    for _ in train_registry(cohort, config, folder):
        pass
    assert digest(folder) == digest(run_dir)


def test_a_folder_of_another_run_is_refused(run_dir: Path, registry_file: Path) -> None:
    cohort = load_registry(registry_file)
    with pytest.raises(RunError, match=r"holds a run with other settings \(dqn\.updates\)"):
        list(train_registry(cohort, registry_config({**SMALL, "dqn.updates": "61"}), run_dir))
    with pytest.raises(RunError, match="holds a run on other data"):
        list(train_registry(cohort.only(np.arange(100)), registry_config(SMALL), run_dir))


def with_manifest(run_dir: Path, folder: Path, change: dict, **study: object) -> Path:
    """A copy of a run with another manifest."""
    shutil.copytree(run_dir, folder)
    return edit_manifest(folder, lambda manifest: manifest.update({"study": manifest["study"] | study} | change))


def test_networks_learn_under_the_discount_that_values_are_judged_under(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is one discount, the registry's: in the target, in its bounds, and in the estimates."""

    class Seen(Exception):
        pass

    def note(config: object, moves: Moves, n_actions: int, gamma: float, **_: object) -> None:
        raise Seen(gamma, moves.bounds[:, 1].max())

    monkeypatch.setattr("core.registry.fit.dqn.train_dqn", note)
    for discount in (0.5, 0.9):
        view = RegistryView(with_manifest(run_dir, tmp_path / str(discount), {}, gamma=discount))
        most = max(view.spec.rewards.values())
        left = len(view.spec.decision("chronic").stages) - 1
        with pytest.raises(Seen) as seen:
            next(train_q_network("chronic", view))
        gamma, bound = seen.value.args
        assert gamma == discount
        assert bound == pytest.approx(most * sum(discount**i for i in range(left)))
    with pytest.raises(ConfigError, match=r"unknown key 'dqn\.gamma'"):
        registry_config({"dqn.gamma": "0.9"})


def test_a_run_of_two_discounts_is_refused_and_one_of_one_is_read(run_dir: Path, tmp_path: Path) -> None:
    """Earlier versions had a second discount among the settings of the networks."""
    config = RegistryView(run_dir).manifest.config
    known = RegistryView(run_dir).spec.gamma
    for discount, name in ((known, "one"), (0.5, "two")):
        stored = {"config": config | {"dqn": config["dqn"] | {"gamma": discount}}}
        view = RegistryView(with_manifest(run_dir, tmp_path / name, stored))
        if name == "one":
            assert view.config == RegistryView(run_dir).config
        else:
            with pytest.raises(ArtifactError, match=r"a discount of 0\.5 and judged under the registry's, 0\.99"):
                _ = view.manifest


def test_too_few_patients_are_refused(registry_file: Path, tmp_path: Path) -> None:
    few = load_registry(registry_file).only(np.arange(10))
    with pytest.raises(CohortError, match="10 patients; the study needs at least 20"):
        list(train_registry(few, registry_config(SMALL), tmp_path / "few"))


@pytest.mark.parametrize(
    ("name", "read", "reason"),
    [
        ("manifest.json", lambda v: v.manifest, "is not valid JSON"),
        ("decisions.json", lambda v: v.catalogs, "is not valid JSON"),
        ("screening_acute.safetensors", lambda v: v.screening("acute"), "not a readable safetensors file"),
        ("dqn_chronic.safetensors", lambda v: v.q_network("chronic"), "not a readable safetensors file"),
        ("forest_acute.npz", lambda v: v.models("acute").forest, "not a set of stored arrays"),
        ("ope.parquet", lambda v: v.ope, "is not a Parquet table"),
    ],
)
def test_damaged_files_are_named(name, read, reason, run_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(run_dir, folder)
    (folder / name).write_bytes(b"{junk")
    with pytest.raises(ArtifactError, match=reason) as caught:
        read(RegistryView(folder))
    assert name in str(caught.value)
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match="missing"):
        read(RegistryView(folder))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["train", "nowhere.parquet", "--run", "r"], "nowhere.parquet"),
        (["evaluate", "nowhere", "--cohort", "nowhere.csv", "--out", "m.json"], "manifest.json is missing"),
        (["simulate", "--patients", "30", "--out", "x.xlsx"], ".parquet, .csv or .csv.gz"),
        (["train", "FILE", "--run", "r", "--set", "dqn.speed=1"], "unknown key 'dqn.speed'"),
        (["train", "FILE", "--run", "r", "--set", "agents.lr=1"], "groups are dqn, evaluation"),
        (["train", "FILE", "--run", "r", "--set", "dqn.tau=2"], "'dqn.tau' = 2 is not usable"),
    ],
)
def test_bad_input_ends_with_status_2_and_a_reason(
    arguments: list[str],
    reason: str,
    registry_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["registry", *(str(registry_file) if word == "FILE" else word for word in arguments)]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert "Traceback" not in error


def test_another_registry_loses_patients_in_its_own_way(view: RegistryView) -> None:
    """Losing every third patient before each stage leaves the value of what was observed as it was."""
    cohort, _ = simulate_registry(1200, seed=5)
    rng = np.random.default_rng(0)
    lost = rng.geometric(1 / 3, cohort.n_patients) + 1  # stage from which on nothing is recorded
    frame = cohort.frame[cohort.stage_index < lost[cohort.patient_index]]
    values = []
    assert (Evaluation(view, make_registry(frame[frame["stage"] < 365]), np.arange(9)).off_policy()["n"] > 0).all()
    for registry in (cohort, make_registry(frame)):
        table = Evaluation(view, registry, np.arange(registry.n_patients)).off_policy()
        values.append(table[(table["policy"] == "observed") & (table["estimator"] == "phwis")]["value"].iloc[0])
    assert values[1] == pytest.approx(values[0], abs=0.15)


def test_the_frontier_leads_from_the_experts_to_each_policy(view: RegistryView) -> None:
    table = view.frontier
    assert set(table["policy"]) == set(GREEDY)
    observed = view.ope[view.ope["policy"] == "observed"].set_index("estimator")
    for policy in GREEDY:
        ends = []
        for dial in DIALS.values():
            rows = along(table, policy, dial.name)
            assert list(dict.fromkeys(rows["setting"])) == list(dial.settings)
            first = rows[rows["setting"] == dial.settings[0]].set_index("estimator")
            for estimator in ("phwis", "phwdr"):
                for column in ("value", "ess"):
                    found = first.loc[estimator, column]
                    assert found == pytest.approx(observed.loc[estimator, column], rel=1e-5)
            assert list(first["support"]) == list(observed.loc[first.index, "support"])
            ends.append(rows[rows["setting"] == dial.settings[-1]]["value"].to_numpy())
        np.testing.assert_allclose(*ends)


def test_the_frontier_has_truth_where_it_starts_ends_and_is_offered(view: RegistryView) -> None:
    observed = view.truth[view.truth["policy"] == "observed"].iloc[0]
    for policy in GREEDY:
        known = {name: along(view.frontier_truth, policy, name).set_index("setting") for name in DIALS}
        for name, dial in DIALS.items():
            assert known[name].loc[dial.settings[0], "true_value"] == observed["true_value"]
            reach = view.reach(policy, name)
            assert reach is None or reach in known[name].index
        last = [known[name].loc[DIALS[name].settings[-1], "true_value"] for name in DIALS]
        assert last[0] == last[1]  # both end at the softened policy


def test_a_dialed_policy_gives_what_its_probabilities_say(view: RegistryView) -> None:
    data, models = view.points["chronic"], view.models("chronic")
    states, stage = np.repeat(data.states[[5]], 4000, axis=0), np.repeat(data.stage[5], 4000)
    dialed = DialedPolicy(models, view.encoder, "dqn-screened", view.screen, MIXTURE, 0.5)
    drugs = dialed.act(states, stage, np.linspace(0, 1, 4000, endpoint=False))
    shares = np.bincount(models.catalog.encode(drugs), minlength=len(models.catalog)) / 4000
    soft = models.soft_probs("dqn-screened", states[:1], stage[:1], view.screen)
    expected = np.sqrt(models.expert_probs(states[:1], stage[:1]).astype(float) * soft)[0]
    np.testing.assert_allclose(shares, expected / expected.sum(), atol=1e-3)


def test_a_patients_options_have_their_chance_as_far_as_records_support(view: RegistryView, monkeypatch) -> None:
    data = view.points["chronic"]
    patient, stage = int(data.patient[3]), int(data.stage[3])
    monkeypatch.setattr(RegistryView, "reach", lambda self, policy, dial: 0.5)
    table = recommend(view, patient, stage, "chronic", n=4)
    assert table.loc[table["screened"], "chance"].sum() == pytest.approx(1)
    assert (table.loc[~table["screened"], "chance"] == 0).all()
    monkeypatch.setattr(RegistryView, "reach", lambda self, policy, dial: 0.0)
    experts = recommend(view, patient, stage, "chronic", n=4)
    np.testing.assert_allclose(experts["chance"], experts["probability"], rtol=1e-5)
    monkeypatch.setattr(RegistryView, "reach", lambda self, policy, dial: None)
    assert recommend(view, patient, stage, "chronic")["chance"].isna().all()


def test_a_run_made_before_the_frontier_is_finished_by_the_same_training(
    run_dir: Path, registry_file: Path, tmp_path: Path
) -> None:
    """Its settings named what is no more; nothing but the frontier is computed."""
    folder = tmp_path / "old"
    shutil.copytree(run_dir, folder, ignore=shutil.ignore_patterns("frontier*", ".lock"))

    def older(manifest: dict) -> None:
        del manifest["stages"]["frontier"]
        manifest["config"]["evaluation"]["follow_share"] = 0.1

    edit_manifest(folder, older)
    assert not RegistryView(folder).complete
    steps = list(train_registry(load_registry(registry_file), registry_config(SMALL), folder))
    assert {step.stage for step in steps} == {"frontier"}
    assert RegistryView(folder).complete
    assert digest(folder) == digest(run_dir)
