"""The Values page: levels, critics, survival, two estimators."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.figures.theme import fmt_percent
from core.icu.ask.critics import critic, fqe_q
from core.icu.view import RunView
from core.policies import PolicyKey


def figures(page: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


def texts(page: AppTest) -> str:
    return " ".join(str(part.value) for part in (*page.markdown, *page.caption, *page.warning, *page.info))


@pytest.fixture
def page(open_page, app_run: str) -> AppTest:
    return open_page("values", {"run": app_run})


def view(page: AppTest, name: str) -> AppTest:
    next(group for group in page.button_group if group.key == "values-view").set_value(name)
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def test_values_come_by_dose_phenotype_and_step_with_their_basis(page: AppTest) -> None:
    by_dose, by_phenotype, by_step = figures(page)
    for figure in (by_dose, by_phenotype):
        assert [t["name"] for t in figure["data"]] == ["FQI (Q*, best policy)", "FQE (Fused)"]
    assert len(by_step["data"]) == 4
    said = texts(page)
    assert "95 % CI" in said
    assert "ESS" in said
    assert "True value" in [m.label for m in page.metric]


@pytest.mark.parametrize("policy", ["clinician", "phenotype-1", "single-expert", "zero-drug"])
def test_any_policy_can_be_evaluated(page: AppTest, policy: str) -> None:
    page.selectbox(key="levels-policy-3").set_value(policy).run()
    assert not page.exception
    assert len(figures(page)) == 3


def test_critics_show_convergence_spread_and_every_policy(page: AppTest) -> None:
    convergence, spread, boxes = figures(view(page, "Critics"))
    assert len(convergence["data"]) == 2
    assert "tie in" in spread["layout"]["annotations"][1]["text"]
    assert sum(t["type"] == "box" for t in boxes["data"]) == 8


def test_survival_is_judged_as_survival_and_the_published_figure_stands_beside_with_its_error(
    page: AppTest, tiny_run: Path
) -> None:
    page, run = view(page, "Survival"), RunView(tiny_run)
    forest, curve = figures(page)
    assert forest["layout"]["xaxis"]["title"]["text"] == "survival minus the clinicians' (points of a hundred)"
    assert {"monotone fit", "Clinicians", "Fused"} <= {t.get("name") for t in curve["data"]}
    judged, published = (page.dataframe[place].value.set_index("policy") for place in (0, 1))
    assert run.judgments is not None
    stored = run.judgments.query("policy == 'zero-drug'").iloc[0]
    ends = [fmt_percent(stored[f"survival{part}"]) for part in ("", "_low", "_high")]
    assert judged.loc["No drug", "survival"].strip("()") == f"{ends[0]} [{ends[1]}, {ends[2]}]"
    true = run.truth.query("policy == 'zero-drug'")["true_survival"].iloc[0]
    assert judged.loc["No drug", "true survival"] == fmt_percent(true)
    read = run.evaluations.query("policy == 'zero-drug' and estimator == 'phwdr'")["expected_survival"].iloc[0]
    assert published.loc["No drug", "error, points"] == f"{100 * (read - true):+.1f}"
    assert "published figure is off by" in texts(page)
    page.button_group[-1].set_value(["random"]).run()
    assert not page.exception


def test_a_run_whose_survival_was_not_judged_says_so(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunView, "judgments", property(lambda _: None))
    assert "Survival was not judged" in texts(view(page, "Survival"))


def test_two_estimators_are_compared_in_words(page: AppTest) -> None:
    page = view(page, "Two estimators")
    forest, density = figures(page)
    assert {"PHWIS", "PHWDR", "FQE"} <= {t.get("name") for t in forest["data"]}
    assert density["data"][0]["type"] == "heatmap"
    said = texts(page)
    assert "no overlap of" in said or "All intervals overlap, but no estimate is supported" in said


def test_the_fused_critic_lies_between_its_experts(tiny_run: Path) -> None:
    run = RunView(tiny_run)
    mask = run.trajectories.mask
    fused = critic(run, PolicyKey.at("fused", 3, 2.0, "prospective"))[mask]
    experts = [fqe_q(run, PolicyKey(f"phenotype-{k}", 3))[mask] for k in range(3)]
    assert (fused <= max_of(experts) + 1e-4).all()
    assert (fused >= -max_of([-q for q in experts]) - 1e-4).all()


def max_of(arrays: list) -> object:
    import numpy as np

    return np.maximum.reduce(arrays)


@pytest.mark.parametrize(("name", "part"), [("values", "Survival"), ("phenotypes", "Published panel")])
def test_where_no_outcome_tells_survival_pages_say_so(
    open_page, app_data: Path, numbered_run: Path, name: str, part: str
) -> None:
    (app_data / "runs" / "numbered").symlink_to(numbered_run, target_is_directory=True)
    page = open_page(name, {"run": "numbered", f"{name}-view": part})
    assert "No survival is known" in texts(page)
    assert "% died" not in texts(page)
