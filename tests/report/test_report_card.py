"""The model card of a run: every item with its guideline, its numbers the run's, small counts and rows left out."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.base.errors import ConfigError, RunError
from core.base.judging import JUDGING
from core.cli.main import main
from core.experiments.judgment_evidence import judgment_evidence
from core.figures.theme import fmt_interval
from core.icu.ask.against import against_clinicians
from core.icu.view import RunView
from core.policies.hazards import default_rules, default_warnings
from core.report.card import CardItem, ModelCard, card_html, croissant, data, model_card, write_model_card
from core.report.card.parts import NOT_SHOWN, CardTable, shown_counts, shown_share
from core.sites import SiteResult


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


@pytest.fixture(scope="module")
def card(view: RunView) -> ModelCard:
    return model_card(view)


def item(card: ModelCard, key: str) -> CardItem:
    return next(one for one in card.items if one.key == key)


def cells(table: CardTable) -> pd.DataFrame:
    return pd.DataFrame(table.rows, columns=table.columns)


def site(name: str, difference: float, study: str = "thrombocytopenia", judging: int | None = JUDGING) -> SiteResult:
    policy = {
        "policy": "fused",
        "difference": difference,
        "low": difference - 1,
        "high": difference + 1,
        "se": 0.5,
        "ess": 40.0,
        "grade": "supported",
        "reasons": [],
        "dose_shares": [1.0, 0, 0, 0, 0],
    }
    values = {"site": name, "bundle": "b", "study": study, "stays": 100, "steps": 900, "deaths": 20}
    values |= {"phenotypes": [50, 30, 20], "policies": [policy], "judging": judging}
    return SiteResult.build(values, where=name)


def test_every_item_names_its_guideline_and_is_answered_or_said_to_be_open(card: ModelCard) -> None:
    assert len({one.key for one in card.items}) == len(card.items)
    for one in card.items:
        assert one.references
        assert one.said or one.tables or one.unanswered
    asked = [reference for one in card.items for reference in one.references]
    assert {reference.guideline.split(" (")[0] for reference in asked} >= {
        "TRIPOD+AI",
        "DECIDE-AI",
        "HTI-1 source attributes",
        "RL in healthcare",
    }
    numbers = [number for one in asked for number in re.findall(r"\d+", one.item)]
    assert all(1 <= int(number) <= 27 for number in numbers)  # TRIPOD+AI has 27 items
    assert {one.guideline for one in asked if one.item} == {"TRIPOD+AI"}
    assert item(card, "ethics").answered == "no"
    assert item(card, "safety").answered == "in part"
    assert item(card, "model").answered == "yes"


def test_warnings_stand_beside_the_rules_of_the_study(card: ModelCard, view: RunView) -> None:
    rules, warnings = (cells(table) for table in item(card, "safety").tables)
    assert list(dict.fromkeys(rules["hazard"])) == [rule.text(view.study) for rule in default_rules(view.study)]
    assert list(dict.fromkeys(warnings["hazard"])) == [w.text(view.study) for w in default_warnings(view.study)]
    assert {"as given", "Fused"} <= set(warnings["doses of"])


def test_its_numbers_are_the_run_s(card: ModelCard, view: RunView) -> None:
    rows = against_clinicians(view, view.config.fusion.mode)
    assert rows is not None
    told = cells(item(card, "results").tables[0])
    assert told["difference"].str.strip("()").tolist() == [f"{value:+.2f}" for value in rows["difference"]]
    expected = [fmt_interval(*pair) for pair in zip(rows["difference_low"], rows["difference_high"], strict=True)]
    assert told["95 % interval"].tolist() == expected
    assert (told["difference"].str.startswith("(") == (rows["grade"] == "not supported")).all()
    evidence = judgment_evidence()
    assert evidence is not None
    mix = evidence.table("estimators").query("estimator == 'mix' and patients == 500").iloc[0]  # nearest to 160 stays
    assert any(
        f"in {100 * mix['covers']:.1f} ± {100 * mix['cover_se']:.1f} % of" in s for s in item(card, "results").said
    )
    groups = cells(item(card, "groups").tables[0])
    assert {"Gender: female", "Gender: male", "Age, lowest third", "SOFA score, highest third"} <= set(groups["group"])
    parts = cells(item(card, "population").tables[0])
    assert parts["stays"].tolist() == [str(len(who)) for who in (view.split.train, view.split.valid, view.split.test)]


def test_small_counts_stay_out_with_one_that_would_tell_them(view: RunView) -> None:
    assert shown_counts([40, 5, 30]) == ["40", NOT_SHOWN, NOT_SHOWN]
    assert shown_counts([40, 0, 30]) == ["40", "0", "30"]
    report = view.report
    reasons = [replace(report.attrition[0], patients=n, patients_left=200 - n) for n in (3, 40, 20)]
    other = RunView(view.path)
    other.__dict__["report"] = replace(
        report, attrition=tuple(reasons), notes=("7 of 400 rows were lost, 12 of 30 not.",)
    )
    told = item(model_card(other), "population")
    removed = next(cells(table) for table in told.tables if "stays removed" in table.columns)
    assert removed["stays removed"].tolist() == [NOT_SHOWN, "40", NOT_SHOWN]
    assert "stays left" not in removed
    assert "fewer than 11 of 400 rows were lost, 12 of 30 not." in told.said


def test_a_share_of_few_stays_is_not_told(view: RunView) -> None:
    assert [shown_share(n, 100) for n in (0, 1, 10, 11, 89, 90, 100)] == [
        "0.0 %",
        *[NOT_SHOWN] * 2,
        "11.0 %",
        "89.0 %",
        NOT_SHOWN,  # the other ten
        "100.0 %",
    ]
    cohort, study, other = view.cohort, view.study, RunView(view.path)
    binary = next(column for column in study.columns if column.kind == "static" and column.binary)
    some = cohort.frame["traj"].isin(cohort.patients[:7])
    imputed = np.zeros(cohort.states.shape, dtype=bool)
    imputed[cohort.starts[:10], 0] = imputed[cohort.starts[:11], 1] = True
    imputed[: cohort.starts[10], 2] = True  # many values, of ten stays
    frame = cohort.frame.assign(**{binary.name: some.astype(np.float32)})
    other.__dict__["cohort"] = replace(cohort, frame=frame, imputed=imputed)
    filled = cells(data.inputs(other).tables[0])["filled in"]
    assert filled[:4].tolist() == [NOT_SHOWN, f"{1100 / len(frame):.1f} %", NOT_SHOWN, "0.0 %"]
    told = cells(data.population(other).tables[-1]).set_index("what")["all stays"]
    assert told[f"{binary.label or binary.name} ({binary.word(1.0) or 'yes'})"] == NOT_SHOWN


def test_results_of_other_sites_are_pooled_in_it(view: RunView) -> None:
    assert item(model_card(view), "external").answered == "no"
    told = item(model_card(view, [site("North", 1.0), site("South", 2.0)]), "external")
    assert told.answered == "yes"
    assert cells(told.tables[0])["site"].tolist() == ["North", "South"]
    assert any(sentence.startswith("At a further site: +1.50") for sentence in told.said)
    with pytest.raises(RunError, match="North validated another study"):
        model_card(view, [site("North", 1.0, "sepsis")])


def test_a_site_that_is_given_twice_is_counted_once_and_said(view: RunView) -> None:
    told = item(model_card(view, [site("North", 1.0), site("South", 2.0), site("North", 9.0)]), "external")
    assert cells(told.tables[0])["site"].tolist() == ["North", "South"]
    assert "Given more than once, of which the first is counted: North." in told.said
    assert any(sentence.startswith("At a further site: +1.50") for sentence in told.said)
    alone = item(model_card(view, [site("North", 1.0), site("North", 1.0)]), "external")
    assert len(alone.tables[0].rows) == 1
    assert not any(sentence.startswith("At a further site") for sentence in alone.said)


def test_results_that_cannot_be_pooled_leave_the_card_whole(view: RunView) -> None:
    less = site("South", 2.0)
    more = site("North", 1.0)
    more = more.model_copy(update={"policies": [*more.policies, more.policies[0].model_copy(update={"policy": "x"})]})
    told = item(model_card(view, [more, less]), "external")
    assert "Not pooled: not every site judged the policy 'x' once." in told.said
    assert cells(told.tables[0])["site"].tolist() == ["North", "South"]


def test_sites_of_several_versions_of_the_judging_are_told_and_not_mixed(view: RunView) -> None:
    now, old = [site("North", 1.0), site("South", 2.0)], [site(f"Old {n}", 9.0, judging=1) for n in range(3)]
    told = item(model_card(view, [old[0], *now, *old[1:]]), "external")
    assert cells(told.tables[0])["version of the judging"].tolist() == ["1", str(JUDGING), str(JUDGING), "1", "1"]
    alone = item(model_card(view, now), "external")
    assert set(alone.said[1:]) < set(told.said), "the run's own version, though more sites judged by the other"
    assert "Left out" in told.said[-1]
    assert "Old 2 by version 1 of the judging" in told.said[-1]
    older = item(model_card(view, [now[0], *old[:2]]), "external")
    assert any(sentence.startswith("At a further site: +9.00") for sentence in older.said)
    apart = item(model_card(view, [now[0], old[0], site("None", 3.0, judging=None)]), "external")
    assert apart.said[1].startswith("Not pooled")
    assert cells(apart.tables[0])["version of the judging"].tolist() == [str(JUDGING), "1", "none yet"]


def test_the_page_says_all_and_loads_nothing(card: ModelCard) -> None:
    page = card_html(card)
    assert "://" not in page
    assert "<script" not in page
    assert f"Not answered, or in part: {len(card.open_questions)} of {len(card.items)}" in page
    assert all(f'id="{one.key}"' in page for one in card.items)
    evil = card.model_copy(update={"run": "<script>alert(1)</script>"})
    assert "<script" not in card_html(evil)
    assert evil.right_digest != card.digest == card.right_digest


def test_croissant_describes_columns_and_file_without_a_row(view: RunView) -> None:
    described = croissant(view)
    (records,) = described["recordSet"]
    names = [field["name"] for field in records["field"]]
    assert names == ["traj", "step", *view.study.names, "action", "outcome"]
    assert set(names) <= set(pd.read_parquet(view.path / "cohort.parquet").columns)
    assert described["distribution"][0]["sha256"] == view.manifest.files["cohort.parquet"]
    assert described["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert "data" not in records  # where Croissant would hold rows
    assert not any("examples" in field for field in records["field"])


def test_card_on_the_command_line(tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "card.html"
    (tmp_path / "n.json").write_text(site("North", 1.0).model_dump_json())
    assert main(["report", str(tiny_run), "--card", str(out), "--sites", str(tmp_path / "n.json")]) == 0
    assert [Path(line).name for line in capsys.readouterr().out.split()] == [
        "card.html",
        "card.json",
        "card.croissant.json",
    ]
    read = ModelCard.build(json.loads((tmp_path / "card.json").read_text()), where="card.json")
    assert read.digest == read.right_digest
    assert item(read, "external").said
    assert main(["report", str(tiny_run), "--out", str(out), "--sites", str(tmp_path / "n.json")]) == 2
    assert "write it with --card" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"a model card is written as \.html"):
        write_model_card(tiny_run, tmp_path / "card.pdf")
