"""Choices that the link holds: read from it, written into it, and nothing unusable taken from it."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from pages.components.shell.session import Session


def parameter(page: AppTest, name: str) -> str | None:
    """One parameter of the address; None where it is not there."""
    found = page.query_params.get(name)
    return found[0] if isinstance(found, list) else found


def test_a_link_chooses_the_view_and_what_it_shows(open_page, app_run: str) -> None:
    page = open_page("phenotypes", {"phenotypes-view": "Published panel", "panel-features": "Lactate,nothing,SOFA"})
    assert page.segmented_control(key="phenotypes-view").value == "Published panel"
    assert page.multiselect(key="panel-features").value == ["Lactate", "SOFA"]


def test_what_a_link_cannot_mean_leaves_the_first_choice(open_page, app_run: str) -> None:
    page = open_page("phenotypes", {"phenotypes-view": "<b>Map</b>", "map-color": "nothing", "map-method": ""})
    assert page.segmented_control(key="phenotypes-view").value == "Map"
    assert page.selectbox(key="map-color").value == "Phenotype"
    assert page.segmented_control(key="map-method").value == "umap"


def test_the_first_choice_leaves_no_parameter_and_none_at_all_is_a_choice(open_page, app_run: str) -> None:
    page = open_page("phenotypes")
    assert parameter(page, "phenotypes-view") is None
    page.segmented_control(key="phenotypes-view").set_value("Published panel").run()
    assert parameter(page, "phenotypes-view") == "Published panel"
    page.multiselect(key="panel-features").set_value([]).run()
    kept = parameter(page, "panel-features")
    assert kept is not None
    again = open_page("phenotypes", {"phenotypes-view": "Published panel", "panel-features": kept})
    assert again.multiselect(key="panel-features").value == []
    page.segmented_control(key="phenotypes-view").set_value("Map").run()
    assert parameter(page, "phenotypes-view") is None


def test_the_frontier_starts_anew_after_another_dial(open_page, app_run: str) -> None:
    page = open_page("policies", {"policies-view": "Trust frontier", "frontier-setting": "0.5"})
    slider = next(one for one in page.select_slider if one.label.startswith("Departure"))
    assert slider.value == 0.5
    page.segmented_control(key="frontier-dial").set_value("floor").run()
    assert parameter(page, "frontier-setting") is None


def test_going_back_takes_the_earlier_address_whole_and_keeps_what_is_at_work() -> None:
    session = Session(owner="somebody")
    session.read_params({"run": "a", "k": "4", "patient": "7", "step": "2", "policies-view": "Value"})
    session.mark("registry-job", "at-work")
    session.select("some", [1, 2])
    session.return_to({"run": "a", "lambda": "2", "map-color": "Outcome"})
    assert session.marks == {"registry-job": "at-work", "map-color": "Outcome"}
    assert (session.chosen, session.lambda_) == ({"lambda_"}, 2.0)
    assert (session.patient, session.step) == (None, None)
    assert session.selection is not None


def test_an_option_with_a_comma_is_one_option(open_page, app_run: str, monkeypatch) -> None:
    words = ("alive, at home", "died in 100 % of", "died")
    monkeypatch.setattr("pages.components.shell.filters._outcomes", lambda run: words)
    page = open_page("patient", {"find-patient": "on", "patient-blind": "off"})
    page.multiselect(key="select-outcome").set_value(list(words[:2])).run()
    kept = parameter(page, "select-outcome")
    assert kept is not None
    again = open_page("patient", {"find-patient": "on", "patient-blind": "off", "select-outcome": kept})
    assert again.multiselect(key="select-outcome").value == list(words[:2])


def test_a_hazard_stands_in_a_link_by_its_words(open_page, app_run: str) -> None:
    page = open_page("patient", {"find-patient": "on", "patient-blind": "off"})
    asked = page.multiselect(key="select-hazard").options[0]
    page.multiselect(key="select-hazard").set_value([asked]).run()
    assert parameter(page, "select-hazard") == asked.replace("%", "%25").replace(",", "%2C")
    other = open_page("patient", {"find-patient": "on", "patient-blind": "off", "select-hazard": "0"})
    assert other.multiselect(key="select-hazard").value == [], "a place would be another hazard under other rules"


def test_a_hazard_that_this_session_has_no_rule_for_is_said_to_be_left_out(open_page, app_run: str) -> None:
    page = open_page("patient", {"find-patient": "on", "patient-blind": "off"})
    known = page.multiselect(key="select-hazard").options[0]
    foreign = "where heparin 100%25 breaks a rule%2C of another session"
    link = {"find-patient": "on", "patient-blind": "off", "select-hazard": f"{known.replace(',', '%2C')},{foreign}"}
    page = open_page("patient", link)
    assert page.multiselect(key="select-hazard").value == [known]
    (said,) = (part.value for part in page.caption if "no rule" in part.value)
    assert "where heparin 100% breaks a rule, of another session" in said.replace("\\", "")
    assert "Policies, Hazard rules" in said
    assert not any("no rule" in part.value for part in open_page("patient", link | {"select-hazard": ""}).caption)
