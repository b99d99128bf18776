"""The Learn page: every idea draws, follows its sliders, and shows the engine's own source."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from core.experiments.estimator_evidence import load_evidence
from core.experiments.judgment_evidence import judgment_evidence
from core.learn.source import source_of
from pages.components.learn import choice as learn_choice

IDEAS = (
    *("Attention", "Phenotypes", "Dueling Q", "Fusion λ", "Importance weights"),
    *("Concordance", "Survival", "Hazards"),
)


def choose(page: AppTest, idea: str) -> AppTest:
    next(group for group in page.button_group if group.key == "learn-idea").set_value(idea)
    page.run()
    assert not page.exception, page.exception[0].message
    return page


@pytest.fixture
def page(open_page) -> AppTest:
    return open_page("learn")  # without any run


@pytest.mark.parametrize("idea", IDEAS)
def test_every_idea_has_a_picture_an_equation_a_question_and_source(page: AppTest, idea: str) -> None:
    choose(page, idea)
    assert len(page.get("plotly_chart")) == 1
    assert len(page.latex) == 2
    assert any("Ask first" in part.value for part in page.markdown)
    assert page.code
    assert any("Ms. A" in part.value for part in page.markdown), "one patient leads through all ideas"
    assert "Answer" in [part.label for part in page.expander], "in the flow of the page, where it covers no slider"


def test_one_walks_from_idea_to_idea_and_ends_at_the_settings(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learn_choice, "load_choice", lambda: None)
    walked = [page.header[0].value]
    for _ in IDEAS:
        page.button(key="learn-next").click().run()
        assert not page.exception, page.exception[0].message
        walked.append(page.header[0].value)
    assert len(set(walked)) == len(walked) == len(IDEAS) + 1
    assert walked[-1].startswith("Settings")
    assert not [button for button in page.button if button.key == "learn-next"], "none after the last"


def shown(page: AppTest, label: str) -> str:
    return next(card.value for card in page.metric if card.label == label)


def test_concordance_praises_the_policy_whose_drug_does_nothing(page: AppTest) -> None:
    choose(page, "Concordance")
    assert float(shown(page, "Crude, points")) > 15
    assert shown(page, "In truth, points") == "+0.0"
    next(box for box in page.selectbox if box.key == "learn-conc-policy").set_value("everybody").run()
    assert float(shown(page, "Crude, points")) < -15
    next(s for s in page.slider if s.key == "learn-conc-sick").set_value(0)
    next(s for s in page.slider if s.key == "learn-conc-well").set_value(0)
    page.run()
    assert not page.exception
    assert shown(page, "Crude, points") == "–", "nobody got the drug"


def test_without_leaving_the_share_not_seen_to_die_is_the_curve(page: AppTest) -> None:
    choose(page, "Survival")
    assert shown(page, "Not seen to die") != shown(page, "Kaplan-Meier, day 30")
    next(s for s in page.slider if s.key == "learn-leave").set_value(0).run()
    assert shown(page, "Not seen to die") == shown(page, "Kaplan-Meier, day 30")


def test_a_rate_in_danger_tells_nothing_of_danger_brought_about(page: AppTest) -> None:
    choose(page, "Hazards")
    assert int(shown(page, "In truth")) > int(shown(page, "On recorded steps"))
    next(s for s in page.slider if s.key == "learn-harm").set_value(0).run()
    assert shown(page, "In truth") == shown(page, "On recorded steps")


def test_a_flat_q_is_called_near_uniform_until_the_temperature_falls(page: AppTest) -> None:
    choose(page, "Dueling Q")
    assert any("near-uniform" in part.value for part in page.caption)
    next(s for s in page.select_slider if s.key == "learn-tau").set_value(0.05)
    page.run()
    assert not any("called near-uniform" in part.value for part in page.caption)


def test_the_source_shown_is_the_file(page: AppTest) -> None:
    choose(page, "Fusion λ")
    assert page.code[0].value == source_of("core/fusion/weights.py", "fusion_weights")


def test_support_returns_on_the_way_back_to_the_clinicians(page: AppTest) -> None:
    choose(page, "Importance weights")

    def ess() -> float:
        text = next(part.value for part in page.caption if "· ESS " in part.value)
        return float(text.split("ESS ")[1].split(" of")[0])

    far = ess()
    next(s for s in page.slider if s.key == "learn-a").set_value(0.0)
    page.run()
    assert ess() == pytest.approx(500)
    assert far < 10


def test_without_a_quoted_experiment_the_settings_say_so(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learn_choice, "load_choice", lambda: None)
    choose(page, "Settings")
    assert any("No experiment has been quoted yet" in part.value for part in page.markdown)
    assert not page.get("plotly_chart")
    judged, published = judgment_evidence(), load_evidence()
    assert judged is not None
    assert published is not None
    mix, estimators = (frame.value for frame in page.dataframe)
    stored = {row["patients"]: row["covers"] for row in judged.tables["estimators"] if row["estimator"] == "mix"}
    assert dict(zip(mix["patients"], mix["interval holds the truth"], strict=True)) == stored
    assert mix["patients"].is_monotonic_increasing
    assert len(estimators) == len(published["studies"]["simulated"])


def test_the_finding_of_a_quoted_experiment_is_shown(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"policy": "fused", "kind": "soft", "lambda_": 4.0, "temperature": 0.1, "epochs": 10, "batch_size": 64,
           "seeds": 5, "true_value": 7.25, "se": 0.11, "gain": 1.5, "gain_se": 0.12,
           "true_survival_percent": 81.0}  # fmt: skip
    changes = [
        {"setting": "lambda_", "level": level, "difference": gap, "se": se, "seeds": 5}
        for level, gap, se in ((0.0, -0.4, 0.1), (4.0, 0.0, 0.0))
    ]
    evidence = {"findings": ["The best candidate beats the clinicians."], "around": changes, "rows": [row],
                "experiment": "full", "date": "2026-01-01", "settings": {"seeds": [1, 2, 3, 4, 5]}}  # fmt: skip
    monkeypatch.setattr(learn_choice, "load_choice", lambda: evidence)
    choose(page, "Settings")
    assert any("beats the clinicians" in part.value for part in page.markdown)
    assert len(page.get("plotly_chart")) == 1
    shown = page.dataframe[0].value
    assert shown["SE of the true value"].tolist() == ["0.11"]
    assert shown["SE of the gain over clinicians"].tolist() == ["0.12"]
    assert any("experiment full, 2026-01-01" in part.value for part in page.caption)
