"""The Values page: levels, critics, survival, two estimators."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

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
        assert [t["name"] for t in figure["data"]] == ["FQI (Q*, best policy)", "FQE (fused)"]
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


def test_survival_places_policies_on_the_curve(page: AppTest) -> None:
    page = view(page, "Survival")
    named = [t.get("name") for t in figures(page)[0]["data"]]
    assert {"monotone fit", "Clinicians", "Fused"} <= set(named)
    assert "true survival" in page.dataframe[0].value
    page.button_group[-1].set_value(["random"]).run()
    assert not page.exception


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
