"""The model card of a registry run: the same items as of an ICU run, filled from the registry."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.api import open_run
from core.base.errors import RunError
from core.cli.main import main
from core.figures.theme import fmt_interval, fmt_percent
from core.icu.view import RunView
from core.registry.ask import groups
from core.registry.ask.against import against_experts
from core.registry.ask.compared import along
from core.registry.view import RegistryView
from core.report.card import CardItem, ModelCard, card_html, croissant, model_card, registry_data
from core.report.card.parts import NOT_SHOWN, CardTable
from core.report.card.shared import groups_item
from core.sites import SiteResult


@pytest.fixture(scope="module")
def view(tiny_registry: Path) -> RegistryView:
    return RegistryView(tiny_registry)


@pytest.fixture(scope="module")
def card(view: RegistryView) -> ModelCard:
    return model_card(view)


def item(card: ModelCard, key: str) -> CardItem:
    return next(one for one in card.items if one.key == key)


def cells(table: CardTable) -> pd.DataFrame:
    return pd.DataFrame(table.rows, columns=table.columns)


def test_it_asks_what_the_card_of_an_icu_run_asks(card: ModelCard, tiny_run: Path) -> None:
    other = model_card(RunView(tiny_run))
    assert [one.key for one in card.items if one.key != "screening"] == [one.key for one in other.items]
    for one in card.items:
        assert one.references
        assert one.said or one.tables or one.unanswered
    assert {one.key for one in card.items if one.answered == "no"} == {
        "safety",
        "external",
        "users",
        "ethics",
        "maintenance",
    }
    page = card_html(card)
    assert "clinicians' probabilities" not in page
    assert "heparin" not in page
    assert "://" not in page


def test_its_numbers_are_the_run_s(card: ModelCard, view: RegistryView) -> None:
    rows = against_experts(view)
    assert rows is not None
    told = cells(item(card, "results").tables[0])
    assert told["policy"].tolist() == rows["policy"].tolist()
    assert told["difference"].str.strip("()").tolist() == [f"{value:+.2f}" for value in rows["difference"]]
    expected = [fmt_interval(*pair) for pair in zip(rows["difference_low"], rows["difference_high"], strict=True)]
    assert told["95 % interval"].tolist() == expected
    followed = rows[rows["ess"] > 0]
    held = followed["true_difference"].between(followed["difference_low"], followed["difference_high"]).sum()
    assert any(said.startswith(f"{held} of {len(followed)} intervals") for said in item(card, "results").said)
    parts = cells(item(card, "population").tables[0])
    assert parts["patients"].tolist() == [
        str(len(who)) for who in (view.split.train, view.split.valid, view.split.test)
    ]
    rewards = cells(item(card, "estimand").tables[0])
    assert [float(reward) for reward in rewards["reward"]] == list(view.spec.rewards.values())


def test_accuracy_is_that_of_all_stages_together(card: ModelCard, view: RegistryView) -> None:
    acute = view.accuracy.query("decision == 'acute' and n == 5")
    right = (acute["accuracy"] * acute["decisions"]).sum() / acute["decisions"].sum()
    told = cells(item(card, "screening").tables[0]).set_index("decision")
    title = view.spec.decision("acute").title
    assert told.loc[title, "among 5 likeliest"] == f"{100 * right:.1f} %"


def test_a_share_without_a_value_is_hidden_wherever_the_patients_are_few(view: RegistryView) -> None:
    """In either table, for n stands on the card; and where it alone would tell a category of few patients."""
    cohort, other = view.cohort, RegistryView(view.path)
    frame, at = cohort.frame.copy(), cohort.spec
    first = [feature for feature in at.features if feature.kind == "category" and len(feature.categories) == 2][:3]

    def put(feature: str, value: object, who: slice) -> None:
        frame.loc[frame["patient"].isin(cohort.patients[who]), feature] = value

    few, many, telling = (feature.name for feature in first)
    put(few, None, slice(0, 7))
    put(many, None, slice(0, 15))
    put(telling, first[2].categories[0], slice(None))
    put(telling, first[2].categories[1], slice(0, 5))
    put(telling, None, slice(5, 25))
    put("age", np.nan, slice(0, 10))
    put("bmi", np.nan, slice(0, 11))
    other.__dict__["cohort"] = type(cohort)(at, frame)
    told = cells(registry_data.inputs(other).tables[0]).set_index("feature")["not recorded"]
    label = {feature.name: feature.label or feature.name for feature in at.features}
    assert told[label[few]] == told[label[telling]] == told[label["age"]] == NOT_SHOWN
    assert told[label[many]] == fmt_percent(15 / cohort.n_patients)
    above = cells(registry_data.population(other).tables[-1]).set_index("what")["patients"]
    for name in (few, many, telling):
        assert above[f"{label[name]}: not recorded"] == told[label[name]]


def test_groups_are_judged_once_for_a_run(view: RegistryView, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, judged = RegistryView(view.path), list[int]()
    whole = groups.judged_groups
    monkeypatch.setattr(groups, "judged_groups", lambda *asked: judged.append(1) or whole(*asked))
    page, data = (item(model_card(opened), "groups") for _ in range(2))
    assert page == data
    assert judged == [1]


def test_a_group_of_everybody_has_the_difference_of_the_advice(
    view: RegistryView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The groups are judged by the very policy, critics and patients that the advice was."""
    monkeypatch.setattr(groups, "baseline_groups", lambda cohort, at: [("all", "all", np.ones(len(at), dtype=bool))])
    monkeypatch.setattr("core.evaluation.judging.groups.FEWEST_STAYS", 10)  # the registry is a tiny one
    view = RegistryView(view.path)  # which remembers no other groups
    found, advice = groups.subgroups(view), view.advice
    assert found is not None
    assert advice is not None
    assert view.judgments is not None
    judged = along(view.judgments, advice.policy, advice.dial)
    judged = judged[judged["setting"] == advice.setting].iloc[0]
    row = found.iloc[0]
    assert row["n"] == judged["n"]
    assert row[["difference", "low", "high", "ess"]].tolist() == pytest.approx(
        judged[["difference", "difference_low", "difference_high", "ess"]].tolist(), rel=1e-4
    )
    assert row["grade"] == judged["grade"]


def test_features_part_the_test_patients(view: RegistryView) -> None:
    found = groups.subgroups(view)
    assert found is not None
    assert found.groupby("by")["n"].sum().nunique() == 1
    assert set(found["by"]) == set(view.spec.feature_names)
    old = RegistryView(view.path)
    old.__dict__["advice"] = None
    assert groups.subgroups(old) is None
    assert item(model_card(old), "groups").answered == "no"
    assert "Train it again" in item(model_card(old), "results").unanswered[0]


def test_patients_without_a_value_are_a_group_of_their_own(view: RegistryView) -> None:
    cohort = view.cohort
    frame = cohort.frame.copy()
    some = cohort.patients[:7]
    frame.loc[frame["patient"].isin(some), "age"] = np.nan
    frame.loc[frame["patient"].isin(some), "gender"] = None
    parted = {
        (by, name): who.sum()
        for by, name, who in groups.baseline_groups(type(cohort)(cohort.spec, frame), np.arange(cohort.n_patients))
    }
    assert parted["age", "not recorded"] == parted["gender", "not recorded"] == 7
    assert sum(n for (by, _), n in parted.items() if by == "age") == cohort.n_patients
    assert ("diabetes", "not recorded") not in parted


def test_a_small_group_is_not_counted_nor_told_by_the_other_one() -> None:
    rows = pd.DataFrame(
        {"by": ["sex"] * 2, "group": ["f", "m"], "n": [6, 300], "difference": [np.nan, 0.5], "low": [np.nan, 0.1]}
    ).assign(high=[np.nan, 0.9], se=0.2, ess=[np.nan, 40.0], grade=["", "supported"])
    told = cells(groups_item(rows, lambda by, group: group, "experts", "courses", "Groups.").tables[0])
    assert told["courses"].tolist() == [NOT_SHOWN, NOT_SHOWN]
    assert told["difference and interval"].tolist() == ["too few to judge", "+0.50 [0.10, 0.90]"]


def test_no_site_can_have_validated_it(view: RegistryView) -> None:
    values = {"site": "North", "bundle": "b", "study": view.spec.name, "stays": 100, "steps": 900, "deaths": 20}
    site = SiteResult.build(values | {"phenotypes": [], "policies": []}, where="North")
    with pytest.raises(RunError, match="North validated another study"):
        model_card(view, [site])


def test_croissant_names_every_column_of_the_stored_registry(view: RegistryView) -> None:
    (records,) = croissant(view)["recordSet"]
    names = [field["name"] for field in records["field"]]
    assert names == list(view.spec.columns)
    assert set(names) <= set(pd.read_parquet(view.path / "cohort.parquet").columns)
    assert records["key"] == [{"@id": "stages/patient"}, {"@id": "stages/stage"}]


def test_it_is_written_by_command_and_library(
    view: RegistryView, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(view.path), "--card", str(tmp_path / "card.html")]) == 0
    names = ["card.html", "card.json", "card.croissant.json"]
    assert [Path(line).name for line in capsys.readouterr().out.split()] == names
    run = open_run(view.path, "registry")
    assert [path.name for path in run.save_model_card(tmp_path / "own.html")] == [f"own{n[4:]}" for n in names]
    read = ModelCard.build(json.loads((tmp_path / "own.json").read_text()), where="own.json")
    assert read.digest == read.right_digest
    assert view.spec.title in run.save_report(tmp_path / "report.html").read_text(encoding="utf-8")
