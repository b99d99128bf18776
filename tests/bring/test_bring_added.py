"""A policy that was added to a run stands wherever the run's own stand; a copy of one has exactly its numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from core.base.errors import ConfigError, PolicyError, RunError
from core.base.files import write_array
from core.bring import add_policy, added, bring, bring_table, open_again, remove_policy
from core.bring.evidence import judge_beside
from core.cli.main import main
from core.cohort import ground_truth, save_cohort, simulate_cohort
from core.evaluation import propensities
from core.fusion.dials import MIXTURE
from core.icu.added import added_to, check_name
from core.icu.ask.against import against_clinicians
from core.icu.ask.decision import DecisionSettings, decision_at
from core.icu.ask.differences import jury_of
from core.icu.ask.frontier import frontier_of
from core.icu.ask.hazards import hazard_table
from core.icu.ask.metrics import added_note
from core.icu.ask.tables import comparison
from core.icu.fit.simulated import RunPolicy
from core.icu.folder import JURY
from core.icu.foreign import ForeignStays
from core.icu.view import RunView
from core.policies import NamedPolicy, PolicyKey
from core.policies.hazards import default_rules
from core.report.against import against_the_clinicians
from core.report.policies import the_policies
from core.runs import integrity
from tests.manifests import edit_manifest

COPY, OTHER = PolicyKey("copy"), "0" * 32
SAME = {"rtol": 1e-9, "atol": 1e-12}  # sums are ordered otherwise where many policies are valued in one product


def table_of(view: RunView, key: PolicyKey) -> pd.DataFrame:
    """A policy of a run in the form in which it is brought in."""
    probs = view.probs(key)[view.trajectories.mask]
    columns = {f"p{a}": probs[:, a] for a in range(probs.shape[1])}
    return view.cohort.frame[["traj", "step"]].assign(**columns)


@pytest.fixture(scope="module")
def folder(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the run, to which its own fused policy was added from a Parquet file by the command line."""
    made = tmp_path_factory.mktemp("added")
    shutil.copytree(tiny_run, made / "run")
    view = RunView(made / "run")
    table_of(view, view.own_policy).sample(frac=1.0, random_state=0).to_parquet(made / "copy.parquet")
    assert main(["policy", "add", str(made / "run"), str(made / "copy.parquet")]) == 0
    return made / "run"


@pytest.fixture(scope="module")
def view(folder: Path) -> RunView:
    return RunView(folder)


def both(table: pd.DataFrame, view: RunView) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the run's fused policy and of its copy, without their names and truths."""
    key = view.own_policy.row
    own = table[table["policy"] == key["policy"]]
    for name in ("n_clusters", "mode", "lambda_"):
        own = own[own[name] == key[name]] if name in own else own
    left_out = [name for name in table if name in (*key, "learned") or name.startswith("true_")]
    parts = own, table[table["policy"] == "copy"]
    return tuple(part.drop(columns=left_out).reset_index(drop=True) for part in parts)  # type: ignore[return-value]


def test_a_copy_of_a_built_in_policy_has_exactly_its_numbers(view: RunView) -> None:
    np.testing.assert_array_equal(view.probs(COPY), view.probs(view.own_policy) * view.trajectories.mask[..., None])
    against = against_clinicians(view, view.config.fusion.mode)
    assert against is not None
    for table in (comparison(view), against):
        own, copy = both(table, view)
        assert len(copy) == len(own) > 0
        pd.testing.assert_frame_equal(copy, own, **SAME)
    test, rules = view.split.test, default_rules(view.study)
    rates = hazard_table(view, test, rules, [view.own_policy, COPY])
    pd.testing.assert_frame_equal(*both(rates, view), **SAME)


def test_dial_and_step_are_those_of_the_policy(view: RunView) -> None:
    own, copy = (frontier_of(view, key, MIXTURE) for key in (view.own_policy, COPY))
    pd.testing.assert_frame_equal(copy, own, **SAME)
    settings = DecisionSettings(view.n_clusters, view.config.fusion.lambda_)
    weighed = decision_at(view, int(view.split.test[0]), 1, settings).weighed
    np.testing.assert_array_equal(weighed.added["copy"], weighed.fused)


def test_documents_hold_it_with_the_numbers_of_the_policy(view: RunView, tmp_path: Path) -> None:
    out, file = tmp_path / "m.json", tmp_path / "c.parquet"
    save_cohort(view.cohort, file)
    assert main(["evaluate", str(view.path), "--cohort", str(file), "--out", str(out)]) == 0
    document = json.loads(out.read_text())
    assert document["added"] == ["copy"]
    assert document["added_note"] == "Added from elsewhere, not learned in this run: copy."
    truth = dict.fromkeys(("true_value", "true_se", "true_survival", "true_survival_se"))
    assert document["policies"]["copy"] == document["policies"]["fused"] | truth
    said = against_the_clinicians(view)
    assert any(
        sentence.startswith("Added from elsewhere, not learned in this run: copy.") for sentence in said.sentences
    )
    assert "copy" in [row[0] for table in (*said.tables, *the_policies(view).tables) for row in table.rows]


def test_a_table_says_nothing_of_other_stays(view: RunView) -> None:
    other, _ = simulate_cohort("mimic-iv", 40, seed=8)
    assert "Not valued here: copy, added as tables of the run's own steps" in added_note(["copy"], own=False)
    words = "policy 'copy' was added as a table of the run's recorded steps"
    with pytest.raises(RunError, match=words):
        ForeignStays(view, other).probs(COPY)
    truth = ground_truth(view.cohort)
    assert truth is not None
    with pytest.raises(RunError, match=words):
        truth.policy_value(RunPolicy(view, NamedPolicy(COPY)), 5)


def test_the_run_s_own_checksums_hold_and_do_not_name_it(folder: Path) -> None:
    manifest = integrity.verify(folder)
    assert not any("brought" in path for path in manifest.files)


def test_what_is_damaged_or_of_an_earlier_run_is_left_out_and_said(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "run")
    q = tmp_path / "run" / "brought" / "copy" / "q.npy"
    whole = q.read_bytes()
    q.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    found, refused = added_to(tmp_path / "run")
    assert (list(found), refused) == ([], {"copy": "q.npy is not as it was written; add 'copy' again."})
    assert RunView(tmp_path / "run").added == ()
    q.write_bytes(whole)
    assert list(added_to(tmp_path / "run")[0]) == ["copy"]
    edit_manifest(tmp_path / "run", data_hash="another")
    assert "the run was made anew since" in added_to(tmp_path / "run")[1]["copy"]


@pytest.mark.parametrize("name", ["Fused", "single_expert", "phenotype-7", "Clinicians", "DQN", "xgb.fqi", "advice"])
def test_names_of_built_in_policies_are_taken(folder: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="reads as the name of a policy of this program"):
        check_name(folder, name)


@pytest.mark.parametrize(
    "name", ["", "../up", "a/b", ".hidden", "x" * 41, "<b>", "two words", "a:greedy", "www.a.test"]
)
def test_names_are_plain(folder: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a policy"):
        check_name(folder, name)


def test_a_name_is_given_once_and_each_visitor_has_a_shelf(folder: Path, tmp_path: Path) -> None:
    """The visitor's policy can act, so it has the true value of the built-in one that does the same."""
    shutil.copytree(folder, tmp_path / "run")
    run = tmp_path / "run"
    with pytest.raises(ConfigError, match="has a policy 'copy' already"):
        check_name(run, "Copy", replace="")
    check_name(run, "copy", replace="")
    view = RunView(run)
    add_policy(view, "never", lambda states: np.zeros(len(states), dtype=np.int64), owner=OTHER)
    assert open_again(view).added == ("copy",)
    seen = open_again(view, [OTHER])
    assert seen.added == ("copy", "never")
    known = comparison(seen).drop_duplicates("policy").set_index("policy")
    columns = ["true_value", "true_se", "true_survival", "true_survival_se", "concordance_rate", "ess"]
    assert known.loc["never", columns].tolist() == known.loc["zero-drug", columns].tolist()
    assert np.isnan(known.loc["copy", "true_value"])
    with pytest.raises(ConfigError, match="has a policy 'never' already; remove it first"):
        check_name(run, "never", [OTHER])
    check_name(run, "never")  # of what the others cannot see nobody is told
    with pytest.raises(ConfigError, match="no policy 'never' was added"):
        remove_policy(run, "never")
    remove_policy(run, "never", OTHER)
    assert open_again(view, [OTHER]).added == ("copy",)


def test_a_name_that_another_tab_gives_meanwhile_is_not_taken_from_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both found the name free; the other is done while this one judges."""
    shutil.copytree(folder, tmp_path / "run")
    view = RunView(tmp_path / "run")
    theirs = view.path / "brought" / "mine"

    def judged(view: RunView, policy: object) -> SimpleNamespace:
        shutil.copytree(view.path / "brought" / "copy", theirs)
        return SimpleNamespace(judgment=None, card=None)

    monkeypatch.setattr(added, "judge_beside", judged)
    monkeypatch.setattr(added, "_write", lambda folder, **_: None)
    monkeypatch.setattr(added, "write_card", lambda card, path: None)
    monkeypatch.setattr(added, "write_record", lambda *_: None)
    with pytest.raises(ConfigError, match="has a policy 'mine' already"):
        add_policy(view, "mine", np.zeros(len(view.cohort.frame), dtype=np.int64))
    assert (theirs / "policy.npy").is_file()
    assert {path.name for path in theirs.parent.iterdir() if path.is_dir()} == {"copy", "mine"}


def test_a_file_is_checked_before_anything_is_kept(view: RunView, tmp_path: Path) -> None:
    table = table_of(view, view.own_policy)
    with pytest.raises(PolicyError, match=r"mine\.csv has no row for 1 of the cohort's"):
        bring_table(table.iloc[1:], view.cohort, "mine", "mine.csv")
    twice = pd.concat([table, table[["p0"]]], axis=1)
    with pytest.raises(PolicyError, match="has more than one column p0"):
        bring_table(twice, view.cohort)
    table.to_csv(tmp_path / "p.csv", index=False)
    read = bring(tmp_path / "p.csv", view.cohort).probs
    np.testing.assert_allclose(read, view.added_policies["copy"].probs, atol=1e-7)


def test_policies_on_the_command_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(folder, tmp_path / "run")
    run, file = str(tmp_path / "run"), str(folder.parent / "copy.parquet")
    assert main(["policy", "list", run]) == 0
    grade = json.loads((folder / "brought" / "copy" / "card.json").read_text())["grade"]
    line = capsys.readouterr().out
    assert line.startswith("copy ")
    assert line.strip().endswith(grade)
    assert main(["policy", "add", run, file]) == 2
    assert "policy: the run has a policy 'copy' already" in capsys.readouterr().err
    assert main(["policy", "remove", run, "copy"]) == 0
    assert main(["policy", "list", run]) == 0
    assert "no policy was added" in capsys.readouterr().out


def test_a_run_from_before_critics_centered_actions_judges_a_copy_as_it_judged_its_own(
    tiny_run: Path, tmp_path: Path
) -> None:
    """It kept the clinicians' probability of the action taken alone: plain critics judged its own policies."""
    folder = tmp_path / "run"
    shutil.copytree(tiny_run, folder)
    newer = RunView(folder)
    jury, key = jury_of(newer), newer.own_policy
    taken = np.where(jury.histories.mask, propensities(jury.behavior[0], jury.histories.actions), 1.0)
    centered = jury.bench_of([key]).reward()[0].difference
    write_array(folder / JURY, taken)
    view = RunView(folder)
    (own,) = jury_of(view).bench_of([key]).reward()
    copy = judge_beside(view, bring_table(table_of(view, key), view.cohort, "copy")).judgment.judged
    assert not view.centered
    assert copy.difference.value == pytest.approx(own.difference.value, rel=1e-6)
    assert copy.difference.se == pytest.approx(own.difference.se, rel=1e-6)
    assert abs(own.difference.value - centered.value) > 0.01 * centered.se
