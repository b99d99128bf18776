"""The Learn page: every idea draws, follows its sliders, and shows the engine's own source."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from core.learn.source import source_of

IDEAS = ("Attention", "Phenotypes", "Dueling Q", "Fusion λ", "Importance weights")


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
        text = next(part.value for part in page.caption if "ESS" in part.value)
        return float(text.split("ESS ")[1].split(" of")[0])

    far = ess()
    next(s for s in page.slider if s.key == "learn-a").set_value(0.0)
    page.run()
    assert ess() == pytest.approx(500)
    assert far < 10
