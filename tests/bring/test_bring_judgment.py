"""Judging a policy without a run, its evidence card, and recomputing the card."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.base.errors import ArtifactError, ConfigError
from core.base.judging import JUDGING, UNCENTERED, judging_words
from core.bring import (
    BroughtPolicy,
    Card,
    JudgeConfig,
    Judgment,
    bring,
    choices,
    judge_on,
    make_bench,
    make_card,
    read_card,
    verify_card,
    write_card,
)
from core.bring.judgment import Bench, on_grid
from core.cli.main import main
from core.cohort import Cohort, simulate_cohort
from core.evaluation import phwis, propensities
from core.evaluation.judging.choices import PolicyChoices
from core.icu.ask.atlas import choices_of

A = 5
CONFIG = JudgeConfig(n_bootstrap=20, truth_patients=200, critic_trees=3)


def never(states: pd.DataFrame) -> np.ndarray:
    """No heparin, all but certainly."""
    return np.tile([0.96, 0.01, 0.01, 0.01, 0.01], (len(states), 1))


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return simulate_cohort("mimic-iv", 60, seed=5)[0]


@pytest.fixture(scope="module")
def bench(cohort: Cohort) -> Bench:
    return make_bench(cohort, CONFIG)


@pytest.fixture(scope="module")
def policy(cohort: Cohort) -> BroughtPolicy:
    return bring(never, cohort, "never")


@pytest.fixture(scope="module")
def found(bench: Bench, policy: BroughtPolicy) -> Judgment:
    return judge_on(bench, policy)


@pytest.fixture(scope="module")
def card(found: Judgment, policy: BroughtPolicy, cohort: Cohort) -> Card:
    return make_card(found, policy, cohort, CONFIG)


def test_everyone_is_judged_once_and_by_strangers(bench: Bench, cohort: Cohort) -> None:
    assert (np.sum(bench.held, axis=0) == 1).all()
    for held in bench.held:
        assert not set(cohort.persons[held]) & set(cohort.persons[~held])


def test_phwis_is_that_of_probabilities_held_out(found: Judgment, bench: Bench, policy: BroughtPolicy) -> None:
    data = bench.trajectories
    behavior = np.ones(data.mask.shape)
    for held, probs in zip(bench.held, bench.behavior, strict=True):
        behavior[held] = np.where(data.transition_mask[held], propensities(probs[held], data.actions[held]), 1.0)
    chosen = propensities(on_grid(bench.cohort, policy.probs), data.actions)
    expected = phwis(data.rewards, data.transition_mask, chosen, behavior, gamma=0.99)
    assert found.phwis.value == pytest.approx(expected.value, rel=1e-9)
    assert found.phwis.ess == pytest.approx(expected.ess, rel=1e-9)


def test_hazards_are_the_probability_of_any_dose_where_the_rule_applies(found: Judgment, cohort: Cohort) -> None:
    low = cohort.frame["Platelets"].to_numpy() < 50
    rows = found.hazards[found.hazards["text"].str.contains("Platelets")].set_index("policy")
    assert rows.loc["policy", "rate"] == pytest.approx(0.04)
    assert rows.loc["given", "rate"] == pytest.approx((cohort.actions[low] > 0).mean())
    assert rows.loc["given", "steps"] == low.sum()


def test_the_truth_is_rolled_out_for_what_can_act_alone(found: Judgment, bench: Bench, policy: BroughtPolicy) -> None:
    assert found.truth is not None
    assert found.gain is not None
    assert found.truth.n == CONFIG.truth_patients
    table = judge_on(bench, replace(policy, rule=None))
    assert table.truth is None
    assert table.judged.difference.value == found.judged.difference.value
    assert "true difference" in str(found)
    assert "true difference" not in str(table)


def test_a_card_says_what_the_judgment_does_and_is_read_again(card: Card, found: Judgment, tmp_path: Path) -> None:
    page, data = write_card(card, tmp_path / "card.html")
    assert read_card(page) == read_card(data) == card
    assert card.difference.value == found.judged.difference.value
    assert card.grade == found.light.grade
    text = page.read_text()
    assert f"{found.judged.difference.value:+.2f}" in text
    assert all(reason in text for reason in found.light.reasons)
    assert "http" not in text  # one page that loads nothing
    assert card.gamma is not None
    assert card.hidden_words in text
    assert card.hidden_words in str(found)
    assert [one.gamma for one in card.gamma.columns] == sorted((one.gamma for one in found.left_out), reverse=True)
    with pytest.raises(ConfigError, match=r"a card is written as \.html"):
        write_card(card, tmp_path / "card.pdf")


def test_a_card_holds_no_key_and_no_small_count(found: Judgment, policy: BroughtPolicy, cohort: Cohort) -> None:
    few = found.hazards.assign(patients=10)
    hidden = make_card(replace(found, hazards=few), policy, cohort, CONFIG)
    assert {(h.patients, h.policy.value, h.given) for h in hidden.hazards} == {(None, None, None)}
    shown = make_card(replace(found, hazards=few.assign(patients=11)), policy, cohort, CONFIG)
    assert {h.patients for h in shown.hazards} == {11}
    named = cohort.frame.assign(traj="stay-" + cohort.frame["traj"].astype(str))
    text = make_card(found, policy, replace(cohort, frame=named), CONFIG).model_dump_json()
    assert "stay-" not in text


def test_a_name_cannot_bring_markup_into_the_page(card: Card, tmp_path: Path) -> None:
    evil = card.model_copy(update={"policy": "</script><script>alert(1)</script>"})
    evil = evil.model_copy(update={"seal": evil.right_seal})
    page, _ = write_card(evil, tmp_path / "evil.html")
    assert page.read_text().count("<script") == 1
    assert read_card(page) == evil


def test_a_changed_number_breaks_the_seal(card: Card, tmp_path: Path) -> None:
    _, data = write_card(card, tmp_path / "card.html")
    content = json.loads(data.read_text())
    content["difference"]["low"] = 0.5
    data.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match="was changed after it was made"):
        verify_card(data)
    data.write_text("{}")
    with pytest.raises(ArtifactError, match="is no evidence card"):
        read_card(data)


def test_verify_computes_the_card_anew(card: Card, cohort: Cohort, tmp_path: Path) -> None:
    page, _ = write_card(card, tmp_path / "card.html")
    assert not verify_card(page).recomputed
    assert verify_card(page, cohort, never).recomputed
    with pytest.raises(ArtifactError, match="made of another policy"):
        verify_card(page, cohort, np.zeros(len(cohort.frame), dtype=np.int64))
    with pytest.raises(ArtifactError, match="made on other data"):
        verify_card(page, simulate_cohort("mimic-iv", 10, seed=6)[0], never)


def resealed(card: Card, **changed: object) -> Card:
    """The card with other content, sealed anew by whoever changed it."""
    other = card.model_copy(update=changed)
    return other.model_copy(update={"seal": other.right_seal})


def test_verify_tells_a_change_of_the_judges_from_a_card_that_was_changed(
    card: Card, cohort: Cohort, tmp_path: Path
) -> None:
    assert card.judging == JUDGING
    better = card.difference.model_copy(update={"value": 9.0})

    def said(**versions: str) -> str:
        changed = resealed(card, difference=better, versions={**card.versions, **versions})
        page, _ = write_card(changed, tmp_path / "card.html")
        with pytest.raises(ArtifactError, match=r"do not come out again: difference.value is 9.0 in the card") as told:
            verify_card(page, cohort, never)
        return str(told.value)

    assert said().endswith("of the same versions as here: the card does not say what these files give.")
    assert "not all software is (numpy 0.1, here " in said(numpy="0.1")
    assert f"made by {judging_words(1)}, and this is {judging_words(JUDGING)}: other numbers" in said(judging="1")
    page, _ = write_card(card, tmp_path / "card.html")
    assert f"judged by version {JUDGING} of the judging" in page.read_text()


def test_a_card_from_before_judging_had_a_number_is_sealed_and_compared(
    card: Card, cohort: Cohort, tmp_path: Path
) -> None:
    before = {name: version for name, version in card.versions.items() if name != "judging"}
    page, _ = write_card(resealed(card, versions=before), tmp_path / "card.html")
    verdict = verify_card(page)
    assert "by a version of the judging from before it had a number" in verdict.lines[0]
    assert verdict.lines[1] == f"This program judges by {judging_words(JUDGING)}."
    assert verify_card(page, cohort, never).recomputed  # the numbers are the same all the same


@pytest.mark.parametrize(
    ("basis", "judging", "here"),
    [
        ("run", str(UNCENTERED), ()),
        ("run", "1", (UNCENTERED,)),  # of an older run, which is judged on as it was
        ("run", "2", (JUDGING,)),
        ("run", "", (JUDGING, UNCENTERED)),
        ("cohort", "1", (JUDGING,)),
        ("cohort", str(JUDGING), ()),
    ],
)
def test_a_card_is_told_the_version_that_would_judge_the_same_here(
    card: Card, tmp_path: Path, basis: str, judging: str, here: tuple[int, ...]
) -> None:
    changed = resealed(card, basis=basis, versions={**card.versions, "judging": judging})
    page, _ = write_card(changed, tmp_path / "card.html")
    other = [f"This program judges by {', or '.join(map(judging_words, here))}."] if here else []
    assert list(verify_card(page).lines[1:-1]) == other


def test_other_choices_of_the_study_are_on_the_card_and_computed_anew(
    bench: Bench, policy: BroughtPolicy, cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choices, "choices_of", lambda *asked: choices_of(*asked)[:4])
    found = judge_on(bench, policy, choices=True)
    assert found.choices is not None
    own, *others = found.choices.lines
    judged = found.judged.difference
    ends = np.array([judged.value, judged.low, judged.high]) / found.judged.unit
    np.testing.assert_allclose([own.value, own.low, own.high], ends, rtol=1e-6)
    assert len({round(one.value, 9) for one in (own, *others)}) == 4  # each reward is another one
    page, _ = write_card(make_card(found, policy, cohort, CONFIG), tmp_path / "card.html")
    assert found.choices.badge in page.read_text()
    assert verify_card(page, cohort, policy.probs).recomputed
    turned = replace_line(found.choices, 2, claims=not own.claims)
    assert turned.badge == f"depends on: {others[1].cause}; holds in 2 of 3 choices"
    alike = PolicyChoices(lines=(own, own, own))
    assert alike.badge == "robust: holds in all 2 choices"


def replace_line(found: PolicyChoices, at: int, **changed: object) -> PolicyChoices:
    """The same with one line changed, all others as the first."""
    lines = [
        one.model_copy(update={"claims": found.lines[0].claims, "value": found.lines[0].value}) for one in found.lines
    ]
    lines[at] = lines[at].model_copy(update=changed)
    return PolicyChoices(lines=tuple(lines))


def test_a_card_from_before_hidden_causes_were_asked_about_opens_and_is_verified(
    card: Card, cohort: Cohort, tmp_path: Path
) -> None:
    page, data = write_card(card, tmp_path / "card.html")
    content = json.loads(data.read_text())
    del content["gamma"], content["form"], content["choices"], content["seal"]
    content["seal"] = hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    data.write_text(json.dumps(content))
    older = read_card(data)
    assert older.gamma is None
    assert verify_card(data, cohort, never).recomputed
    write_card(older, page)
    assert "before unrecorded causes were asked about" in page.read_text()


def test_judge_and_verify_on_the_command_line(
    cohort: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, table, out = tmp_path / "c.csv", tmp_path / "never.parquet", tmp_path / "card.html"
    cohort.frame.to_csv(file, index=False)
    probs = pd.DataFrame(never(cohort.frame), columns=[f"p{a}" for a in range(A)])
    pd.concat([cohort.frame[["traj", "step"]], probs], axis=1).to_parquet(table)
    assert main(["judge", str(file), "--policy", str(table), "--out", str(out)]) == 0
    assert "against the clinicians" in capsys.readouterr().out
    assert main(["verify", str(out)]) == 0  # the files lie beside it
    assert "Every number comes out again." in capsys.readouterr().out
    table.unlink()
    assert main(["verify", str(out)]) == 0
    assert "Nothing was recomputed" in capsys.readouterr().out
    assert main(["judge", str(file), "--policy", str(file), "--out", str(out)]) == 2
    assert "judge: c.csv lacks p0, p1, p2, p3, p4" in capsys.readouterr().err
