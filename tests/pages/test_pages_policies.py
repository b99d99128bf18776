"""The Policies page: doses, the lambda axis, values with support."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.base.errors import ArtifactError
from core.base.text import markdown
from core.bring import add_policy
from core.evaluation.judging.atlas import DRAWS
from core.evaluation.judging.choices import BEFORE
from core.figures.theme import policy_style
from core.fusion.dials import MIXTURE, furthest_supported
from core.icu.ask.against import against_clinicians, hidden_text
from core.icu.ask.differences import differences_along, hidden_in_words
from core.icu.ask.frontier import frontier_of
from core.icu.ask.hazards import hazard_table
from core.icu.ask.in_words import in_words
from core.icu.ask.judge import STEP
from core.icu.ask.tables import policy_table
from core.icu.selection import Selection
from core.icu.view import RunView
from core.policies import PolicyKey
from core.policies.hazards import default_warnings
from core.policies.tree_words import as_text, deferring_text, fidelity_text, words_of
from core.runs.folders import owner_of
from pages.components.policies.own import policy_file
from pages.components.shell.estimates import policy_names
from tests.manifests import edit_manifest
from tests.pages.conftest import OWNER, OpenPage


def figures(page: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


def view(page: AppTest, name: str, key: str = "policies-view") -> AppTest:
    next(group for group in page.button_group if group.key == key).set_value(name)
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def texts(page: AppTest) -> str:
    return " ".join(str(part.value) for part in (*page.markdown, *page.caption, *page.warning))


def rates(page: AppTest) -> pd.DataFrame:
    """The table of hazard rates; the list of patients may follow it."""
    return next(frame.value for frame in page.dataframe if "minus as given (points)" in frame.value)


@pytest.fixture
def page(open_page, app_run: str) -> AppTest:
    return open_page("policies", {"run": app_run})


@pytest.fixture
def run(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


def test_given_doses_are_those_of_the_test_patients(page: AppTest, run: RunView) -> None:
    shares, difference = figures(page)
    mask = run.trajectories.mask[run.split.test]
    given = run.trajectories.actions[run.split.test][mask]
    drawn = [np.ravel(np.asarray(decode(t["x"])))[0] for t in shares["data"]]
    assert drawn == pytest.approx([100 * (given == a).mean() for a in range(run.study.n_actions)])
    assert f"{mask.sum():,} steps" in texts(page)
    assert "insufficient data" in texts(page)
    assert difference["data"][0]["type"] == "heatmap"


def decode(values: object) -> np.ndarray:
    """Plotly sends typed arrays as base64."""
    if isinstance(values, dict):
        import base64

        return np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"])
    return np.asarray(values)


def test_a_stricter_count_hatches_every_cell(page: AppTest) -> None:
    page.number_input(key="difference-minimum").set_value(1000).run()
    assert not page.exception
    heat = figures(page)[1]["data"][0]
    assert np.isnan(decode(heat["z"]).astype(float)).all()


def test_what_a_run_lacks_is_said_in_a_sentence(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise ArtifactError("evaluations.parquet is missing; run the evaluation again.")

    monkeypatch.setattr("pages.components.shell.estimates.policy_table", missing)
    page = view(page, "Value")
    assert "run the evaluation again" in page.error[0].value


@pytest.mark.parametrize("lambda_", [0.0, 15.0, float("inf")])
def test_the_whole_lambda_axis_is_drawn_at_any_lambda(page: AppTest, run: RunView, lambda_: float) -> None:
    page = view(page, "Fusion λ")
    page.select_slider(key="fusion-lambda").set_value(lambda_).run()
    assert not page.exception
    difference, axis = figures(page)[:2]
    along = next(t for t in difference["data"] if t.get("name") == "difference by the mix")
    assert len(decode(along["x"])) == len(run.lambdas)
    assert page.metric[0].label == "Policy, minus clinicians"
    value = next(t for t in axis["data"] if t.get("name") == "phwis")
    assert len(decode(value["x"])) == len(run.lambdas)
    assert "The ends are the pure policies" in texts(page)
    assert "ESS" in texts(page)


def test_every_policy_has_value_interval_and_support(page: AppTest, run: RunView) -> None:
    page = view(page, "Value")
    groups: pd.DataFrame = page.dataframe[2].value
    assert groups["stays"].sum() > 0
    assert "Gender: female" in groups["group"].tolist()
    shown: pd.DataFrame = page.dataframe[3].value
    assert shown["policy"].tolist()[0] == "Clinicians"
    fusion = run.config.fusion
    held = policy_table(run, run.n_clusters, fusion.lambda_, fusion.mode)["policy"]
    assert len(shown) == held.nunique() >= 5 + 3
    assert shown["PHWIS"].str.contains(r"\[.*\]").all()
    bad = shown["ESS"] < run.config.evaluation.ess_floor
    assert bad.any()
    for column in ("PHWDR", "survival, weighted", "published figure of survival"):
        assert shown.loc[bad, column].str.startswith("(").all()
    assert not shown["FQE"].str.contains(r"[(\[]").any()
    assert ((shown["support"] == "not supported") == bad).all()
    assert "true value" in shown
    assert "true value of their policy" in texts(page) or "does not hold the true value" in texts(page)


def test_published_values_can_be_laid_over(page: AppTest) -> None:
    page = view(page, "Value")
    page.toggle(key="value-published").set_value(True).run()
    assert not page.exception
    assert "published" in [t.get("name") for t in figures(page)[2]["data"]]


def test_nothing_published_is_laid_over_a_run_of_another_study(open_page, app_data: Path, tiny_run: Path) -> None:
    shutil.copytree(tiny_run, app_data / "runs" / "other")
    folder = app_data / "runs" / "other"
    study = json.loads((folder / "manifest.json").read_text())["study"]
    edit_manifest(folder, study=study | {"name": "norepinephrine", "published": None})
    page = view(open_page("policies", {"run": "other"}), "Value")
    assert not [toggle for toggle in page.toggle if toggle.key == "value-published"]
    assert "published" not in [t.get("name") for t in figures(page)[1]["data"]]


def test_differences_to_the_clinicians_come_first_and_stay_where_they_were_judged(page: AppTest, run: RunView) -> None:
    page = view(page, "Value")
    rows = against_clinicians(run, run.config.fusion.mode)
    assert rows is not None
    shown: pd.DataFrame = page.dataframe[0].value
    assert shown["grade"].tolist() == rows["grade"].tolist()
    bare = shown["difference"].str.strip("()").str.split(" ").str[0]
    assert bare.tolist() == [f"{value:+.2f}" for value in rows["difference"]]
    assert (shown["difference"].str.startswith("(") == (rows["grade"] == "not supported")).all()
    assert shown["true difference"].str.contains("±").sum() == rows["true_difference"].notna().sum() > 0
    assert shown["claim, by Γ of a hidden cause"].tolist() == [hidden_text(row) for row in rows.to_dict("records")]
    assert run.advice is not None
    assert run.advice.hidden_in_words in texts(page)
    assert run.advice.left_out is not None
    columns = next(t.value for t in page.dataframe if "recorded column, left out" in t.value)
    assert columns["recorded column, left out"].tolist() == [one.column for one in run.advice.left_out][:8]
    assert "The sliders move the published estimators below" not in texts(page)
    assert "Of steps at hazard: heparin while Platelets < 50 in " in texts(page)
    page.select_slider(key="value-lambda").set_value(0.0).run()
    assert page.dataframe[0].value["difference"].tolist() == shown["difference"].tolist()
    assert "The sliders move the published estimators below" in texts(page)


def test_other_choices_stand_in_a_badge_sentences_and_a_table(page: AppTest, run: RunView) -> None:
    page = view(page, "Choices")
    assert run.advice is not None
    atlas = run.advice.atlas
    assert atlas is not None
    assert markdown(atlas.badge[1:]) in texts(page)
    assert all(markdown(sentence) in texts(page) for sentence in atlas.sentences())
    shown: pd.DataFrame = page.dataframe[0].value
    assert shown["choice"].tolist() == [one.text for one in atlas.choices]
    assert shown["ESS"].tolist() == [round(one.ess, 1) for one in atlas.choices]
    assert shown["a gain is claimed"].tolist() == ["yes" if one.claims else "no" for one in atlas.choices]
    weights = [one for one in atlas.choices if not one.cause or one.cause.startswith("weight of")]
    assert len(figures(page)[0]["layout"]["yaxis"]["ticktext"]) == len(weights)
    page = view(page, "Several at once", "choices-group")
    assert len(figures(page)[0]["layout"]["yaxis"]["ticktext"]) == 1 + DRAWS


def test_a_run_from_before_other_choices_were_tried_says_so(
    page: AppTest, run: RunView, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run.advice is not None
    before = run.advice.model_copy(update={"atlas": None})
    monkeypatch.setattr(RunView, "advice", property(lambda _: before))
    assert BEFORE in texts(view(page, "Choices"))


def test_a_policy_that_was_brought_in_stands_beside_the_run_s_own(
    open_page: OpenPage, app_data: Path, tiny_run: Path
) -> None:
    shutil.copytree(tiny_run, app_data / "runs" / "copy")
    copy = RunView(app_data / "runs" / "copy")
    card = add_policy(copy, "by-hand", np.zeros(len(copy.cohort.frame), dtype=np.int64)).card
    page = view(open_page("policies", {"run": "copy"}), "Value")
    shown = page.dataframe[0].value
    last = shown.iloc[-1]
    assert last["policy"] == "by-hand"
    assert last["grade"] == card.grade
    assert f"{card.difference.value:+.2f}" in last["difference"]
    assert last["PHWIS"] == shown.set_index("policy").loc["No drug", "PHWIS"], "by the run's own clinicians"
    assert "by-hand" in figures(page)[0]["layout"]["yaxis"]["ticktext"]
    assert "Brought in, not learned here: by-hand." in texts(page)


def test_a_policy_is_uploaded_checked_kept_for_its_visitor_and_taken_out(
    open_page: OpenPage, app_data: Path, tiny_run: Path
) -> None:
    shutil.copytree(tiny_run, app_data / "runs" / "copy")
    run = RunView(app_data / "runs" / "copy")
    form = policy_file(run)
    page = view(open_page("policies", {"run": "copy"}), "Your own")
    assert "None yet" in texts(page)
    short = form.iloc[1:].to_csv(index=False).encode()
    page.file_uploader(key="own-policy").set_value(("mine.csv", short, "text/csv")).run()
    assert "mine.csv has no row for 1 of the cohort's" in page.error[0].value.replace("\\", "")
    content = io.BytesIO()
    form.to_parquet(content)
    page.file_uploader(key="own-policy").set_value(("my fused.parquet", content.getvalue(), "")).run()
    assert f"probabilities for all {len(form):,} steps" in page.success[0].value
    (name,) = page.text_input
    assert name.value == "my-fused"
    name.set_value("fused").run()
    page.button(key="own-policy-keep").click().run()
    assert "reads as the name of a policy of this program" in page.error[0].value
    page.text_input[0].set_value("mine").run()
    page.button(key="own-policy-keep").click().run()
    assert not page.exception
    listed = page.dataframe[0].value
    assert listed[["policy", "true value", "seen by"]].values.tolist() == [["mine", "not rolled out", "you alone"]]

    values = view(open_page("policies", {"run": "copy"}), "Value").dataframe[0].value.set_index("policy")
    same = [column for column in values if not column.startswith("true") and column != "its own Q"]
    assert values.loc["mine", same].tolist() == values.loc["Fused", same].tolist()
    hazards = rates(view(open_page("policies", {"run": "copy"}), "Hazard rules")).set_index("policy")
    assert hazards.loc["mine", "rate"].tolist() == hazards.loc["Fused", "rate"].tolist()
    frontier = view(open_page("policies", {"run": "copy"}), "Trust frontier")
    assert "mine" in next(box for box in frontier.selectbox if (box.key or "").startswith("frontier-policy")).options

    other = view(open_page("policies", {"run": "copy", "owner": "another-token-of-this-test"}), "Your own")
    assert "None yet" in texts(other)
    page.button(key="own-policy-remove").click().run()
    assert "None yet" in texts(page)
    assert not RunView(run.path, owners=[owner_of(OWNER)]).added


def test_a_run_from_before_judgments_keeps_its_published_values(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunView, "judgments", property(lambda _: None))
    page = view(page, "Value")
    assert "Train it again" in texts(page)
    assert page.dataframe[0].value["policy"].tolist()[0] == "Clinicians"


def test_support_shows_calibration_and_verdicts(page: AppTest) -> None:
    page = view(page, "Support")
    curves, _ = figures(page)
    assert len(curves["data"]) == 8
    assert "calibration error" in texts(page)
    assert set(page.dataframe[0].value["support"]) <= {"supported", "weak", "not supported"}
    page.selectbox(key="support-dose").set_value(2).run()
    assert not page.exception


def test_k_and_mode_can_be_changed(page: AppTest) -> None:
    page.select_slider(key="doses-k").set_value(2).run()
    next(group for group in page.button_group if group.key == "doses-mode").set_value("retrospective")
    page.run()
    assert not page.exception
    assert "retrospective" in texts(page)


def test_dose_excess_has_a_curve_and_its_surprises(page: AppTest, run: RunView) -> None:
    page = view(page, "Dose excess")
    next(group for group in page.button_group if group.key == "excess-patients").set_value("all")
    page.run()
    assert not page.exception
    (curve,) = figures(page)
    drawn = next(t for t in curve["data"] if t["name"] == "Fused")
    counted = np.asarray(decode(drawn["customdata"])).reshape(-1, 3)[:, 0]
    assert counted.sum() == run.cohort.n_patients
    assert "does not show that following the policy would save anyone" in texts(page)


def test_the_surprises_open_at_their_largest_step_and_can_be_selected(page: AppTest, run: RunView) -> None:
    page = view(page, "Dose excess")
    next(group for group in page.button_group if group.key == "excess-patients").set_value("all")
    page.run()
    listed = page.dataframe[0].value
    probs = run.probs(PolicyKey.at("fused", 3, 15.0, "prospective"))
    doses = np.asarray(run.study.actions.representative)
    patient = int(np.flatnonzero(run.cohort.patients == listed["patient"][0])[0])
    n = run.cohort.lengths[patient]
    excess = probs[patient, :n] @ doses - doses[run.trajectories.actions[patient, :n]]
    assert listed["mean excess (units per 4 h)"][0] == round(excess.mean())
    assert listed["largest at (h)"][0] == run.study.hours(int(excess.argmax()))
    button = next(b for b in page.button if b.label.startswith("Select 2"))
    assert button.label == f"Select {len(listed)} patients"
    button.click().run()
    assert not page.exception
    selection = page.session_state["phenopolicy"].selection
    assert selection.name == "surprises of Fused"
    assert sorted(run.cohort.patients[selection.patients]) == sorted(listed["patient"])


def test_panels_count_the_selection_once_one_of_them_is_told_to(open_page, app_run: str, run: RunView) -> None:
    chosen = Selection.of("mine", range(40))
    page = open_page("policies", {"run": app_run, "selection": chosen.encode(), "selected": "mine"})
    next(group for group in page.button_group if group.key == "doses-patients").set_value("selection")
    page.run()
    given = run.trajectories.actions[:40][run.trajectories.mask[:40]]
    drawn = [np.ravel(decode(t["x"]))[0] for t in figures(page)[0]["data"]]
    assert drawn == pytest.approx([100 * (given == a).mean() for a in range(run.study.n_actions)])
    trained = (run.split_name[:40] == "train").sum()
    assert f"40 patients of 'mine', {trained} of whom the agents were trained on" in texts(page)
    assert page.query_params["policies-patients"] == "selection"
    page = view(page, "Hazard rules")
    assert "40 patients of 'mine'" in texts(page), "the choice is the same in every panel"
    page.button(key="clear-selection").click().run()
    assert not page.exception
    assert f"{len(run.split.test)} test patients" in texts(page), "without a selection the test patients count"


def test_too_few_selected_patients_are_refused(open_page, app_run: str) -> None:
    params = {"run": app_run, "selection": Selection.of("mine", [1, 2]).encode(), "policies-patients": "selection"}
    page = open_page("policies", params)
    assert "Too few patients" in texts(page)
    assert "2 patients would be counted" in texts(page)
    assert not figures(page)
    assert "Too few patients" in texts(view(page, "Dose excess"))
    assert "Too few patients" in " ".join(m.value for m in open_page("values", params).markdown)


def test_the_patients_behind_a_hazard_can_be_selected(page: AppTest, run: RunView) -> None:
    page = view(page, "Hazard rules")
    next(group for group in page.button_group if group.key == "hazards-patients").set_value("all")
    page.run()
    page.selectbox(key="hazard-rule-2").set_value(1).run()
    frame = run.cohort.frame
    hit = frame[(frame["PTT"] > 100) & (frame["action"] >= 1)]
    wanted = np.flatnonzero(np.isin(run.cohort.patients, hit["traj"].unique()))
    assert len(wanted)
    listed = page.dataframe[-1].value
    assert set(listed["patient"]) == set(run.cohort.patients[wanted])
    next(b for b in page.button if b.label == f"Select {len(wanted)} patient" + "s" * (len(wanted) > 1)).click().run()
    assert not page.exception
    assert page.session_state["phenopolicy"].selection.patients.tolist() == wanted.tolist()


def test_the_trust_frontier_starts_at_the_furthest_supported_point(page: AppTest, run: RunView) -> None:
    view(page, "Trust frontier")
    session = page.session_state["phenopolicy"]
    table = frontier_of(run, PolicyKey.at("fused", session.n_clusters, session.lambda_, session.mode), MIXTURE)
    furthest = furthest_supported(table, run.config.evaluation.ess_floor)
    slider = next(s for s in page.select_slider if s.label == "Departure from the clinicians")
    if furthest is None:  # 24 test patients are fewer than the floor
        assert "nothing can be judged" in texts(page)
        assert slider.value == 0.0
    else:
        assert slider.value == furthest
    assert page.metric[0].label == "Policy, minus clinicians"
    slider.set_value(1.0)
    page.run()
    assert not page.exception
    key = PolicyKey.at("fused", session.n_clusters, session.lambda_, session.mode)
    last = differences_along(run, key, MIXTURE).iloc[-1]
    assert f"{last['difference']:+.2f}" in page.metric[0].value
    assert last["doubts"] in texts(page)
    assert hidden_in_words(run, last.to_dict()) in texts(page)
    ess = table.loc[table["setting"] == 1.0, "ess"].iloc[0]
    assert f"ESS {ess:.1f}" in texts(page)


def test_the_trust_frontier_takes_every_policy_of_the_run(page: AppTest, run: RunView) -> None:
    view(page, "Trust frontier")
    key = f"frontier-policy-{page.session_state['phenopolicy'].n_clusters}"
    offered = next(box for box in page.selectbox if box.key == key).options
    assert len(offered) == len(policy_names(page.session_state["phenopolicy"].n_clusters, run)) - 1  # but clinicians
    assert {policy_style(name).name for name in run.baselines} <= set(offered)
    for dial in ("floor", "mixture"):
        next(group for group in page.button_group if group.key == "frontier-dial").set_value(dial)
        page.run()
        for name in policy_names(page.session_state["phenopolicy"].n_clusters, run)[1:]:
            next(box for box in page.selectbox if box.key == key).set_value(name)
            page.run()
            assert not page.exception, (name, dial)
            assert not page.error, (name, dial)
            (drawn,) = [figure for figure in figures(page) if any("ESS" in str(t.get("name")) for t in figure["data"])]
            assert drawn["data"]


def test_a_frontier_within_the_floor_warns_beyond_it(page: AppTest, run: RunView, monkeypatch) -> None:
    monkeypatch.setattr("pages.components.policies.frontier.furthest_supported", lambda table, floor: 0.5)
    view(page, "Trust frontier")
    slider = next(s for s in page.select_slider if s.label == "Departure from the clinicians")
    assert slider.value == 0.5
    assert "**Trust frontier: a = 0.5.**" in " ".join(str(part.value) for part in page.info)
    slider.set_value(0.75)
    page.run()
    assert "Beyond the trust frontier" in texts(page)


def test_hazard_rules_start_from_the_study_and_count_the_records(page: AppTest, run: RunView) -> None:
    page = view(page, "Hazard rules")
    (drawn,) = figures(page)
    frame = run.cohort.frame[run.cohort.frame["traj"].isin(run.cohort.patients[run.split.test])]
    hit = frame[frame["Platelets"] < 50]
    shown = rates(page)
    first = shown[(shown["rule"] == "heparin while Platelets < 50") & (shown["policy"] == "As given")].iloc[0]
    assert first["steps"] == len(hit)
    if len(hit):
        assert first["rate"] == f"{100 * (hit['action'] >= 1).mean():.1f} %"
        rate = next(t for t in drawn["data"] if t["name"] == "As given")
        assert decode(rate["x"])[0] == pytest.approx(100 * (hit["action"] >= 1).mean())
    assert shown["rule"].nunique() == 2
    assert "by person" in texts(page)


def test_warnings_have_rates_of_their_own_and_can_be_made_rules(page: AppTest, run: RunView) -> None:
    page = view(view(page, "Hazard rules"), "Warnings", key="hazard-which")
    warnings = default_warnings(run.study)
    assert list(dict.fromkeys(rates(page)["rule"])) == [w.text(run.study) for w in warnings]
    counted = hazard_table(run, run.split.test, warnings, []).query("policy == 'given'")
    given = rates(page).query("policy == 'As given'")
    assert given["steps"].tolist() == counted["steps"].tolist()
    (others,) = (box for box in page.multiselect if box.key.startswith("hazard-promoted"))
    others.set_value([0]).run()
    assert not page.exception
    assert warnings[0].text(run.study) not in set(rates(page)["rule"]), "it is a rule now"
    page = view(page, "Rules", key="hazard-which")
    assert rates(page)["rule"].nunique() == 3
    page = view(view(page, "Doses"), "Hazard rules")
    assert warnings[0].text(run.study) in set(rates(page)["rule"]), "kept while the window is open"
    page.button(key="hazard-reset").click().run()
    assert rates(page)["rule"].nunique() == 2


def test_hazard_rules_are_kept_when_the_view_changes_and_can_be_reset(page: AppTest) -> None:
    from core.policies.rules import HazardRule

    page = view(page, "Hazard rules")
    name = next(iter(page.session_state["hazard-rules"]))
    page.session_state["hazard-rules"][name] = [HazardRule("Lactate", ">=", 4.0, 2)]
    page = view(view(page, "Doses"), "Hazard rules")
    assert set(rates(page)["rule"]) == {"heparin above 3,600 units per 4 h while Lactate >= 4"}
    page.button(key="hazard-reset").click().run()
    assert not page.exception
    assert rates(page)["rule"].nunique() == 2


def test_a_policy_is_put_into_words_when_asked(page: AppTest, run: RunView) -> None:
    view(page, "In words")
    assert not figures(page)  # nothing heavy before it is asked for
    box = next(box for box in page.selectbox if box.key == "in-words-policy")
    assert box.value == STEP
    box.set_value("cql").run()
    page.button(key="in-words-go").click().run()
    assert not page.exception
    found, words = in_words(run, "cql"), words_of(run.study)
    tree, worth = figures(page)
    leaves = [text for text in tree["data"][0]["labels"] if "<b>" in text]
    assert len(leaves) == len(found.tree.limits)
    assert len(worth["layout"]["yaxis"]["ticktext"]) == len(found.judged)
    assert fidelity_text(words, found) in texts(page)
    assert as_text(words, found, "CQL", run.manifest.name).strip() in [part.value.strip() for part in page.code]
    departing = found.groups["departs"].sum()
    assert len(page.dataframe[0].value) == departing
    assert deferring_text(words, found) in texts(page).replace("\\", "")
