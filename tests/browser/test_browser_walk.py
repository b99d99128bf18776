"""The app as a visitor meets it: walks from an uploaded file and from a database to a patient, and two visitors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from point_map import PointMap
from visitor import DRAWN, PATIENCE, Tab

from core.cohort import make_cohort, save_cohort, simulate_cohort
from core.cohort.extract import extract_mimic_iv
from core.cohort.knowledge import AS_OF

pytestmark = pytest.mark.browser

PATIENTS = 150
# Small enough that a run ends in seconds; each is set in the form, as a visitor would.
SETTINGS = {
    "encoder": {"epochs": 4},
    "phenotypes": {"k_max": 4, "n_bootstrap": 2},
    "agents": {"epochs": 1},
    "fqi": {"n_trees": 4},
    "fqe": {"n_trees": 4},
    "evaluation": {"n_neighbors": 40, "n_bootstrap": 40, "truth_patients": 60},
}


@pytest.fixture(scope="module")
def cohort_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort as a visitor might bring it: a CSV file."""
    cohort, _ = simulate_cohort("eicu", PATIENTS, seed=8)
    return save_cohort(cohort, tmp_path_factory.mktemp("upload") / "ward-seven.csv")


def upload(tab: Tab, file: Path) -> None:
    """Upload a file on the Cohort page, see it checked, accept it."""
    tab.choose("Upload")
    tab.main.locator("input[type=file]").first.set_input_files(file)
    tab.main.get_by_text(f"Usable: {PATIENTS} patients").wait_for()
    tab.rest()
    tab.main.get_by_role("button", name="Accept this cohort").click()
    tab.main.get_by_text("From the source to the cohort").wait_for()
    tab.rest()


def set_up(tab: Tab, settings: Mapping[str, Mapping[str, int]] = SETTINGS) -> None:
    """Preset quick, made quicker still in the parameter forms."""
    tab.choose("Quick")
    for group, values in settings.items():
        tab.choose(group)
        for name, value in values.items():
            field = tab.main.get_by_role("spinbutton", name=name, exact=True)
            field.fill(str(value))
            field.press("Enter")
            tab.main.get_by_text(f"{group}.{name}={value}").wait_for()
    tab.rest()


def run_name(tab: Tab) -> str:
    """What the head of the page says about the run on show."""
    return tab.main.locator(".pp-run").inner_text()


def chosen_cohort(tab: Tab) -> str:
    """What the cohort box shows."""
    return tab.main.get_by_role("combobox", name="Cohort").input_value()


def numbers(tab: Tab) -> list[str]:
    """The large numbers of a page, in order."""
    return tab.main.get_by_test_id("stMetricValue").all_inner_texts()


def test_a_walk_from_a_file_to_a_patient(new_tab: Callable[[], Tab], cohort_file: Path) -> None:
    tab = new_tab()
    tab.open("")
    assert "Tiny run" in run_name(tab)
    tab.go("Cohort")
    upload(tab, cohort_file)

    tab.go("Encoder")
    assert "ward-seven.csv" in chosen_cohort(tab)
    set_up(tab)
    tab.main.get_by_label("Name of the run").fill("walk")
    tab.main.get_by_role("button", name="Run", exact=True).click()
    follow(tab)
    assert "walk" in run_name(tab)

    map_page(tab)
    patient_page(tab)
    policies_page(tab)

    stranger = new_tab()
    stranger.open("?run=walk")
    assert "Tiny run" in run_name(stranger), "a run belongs to the visitor who started it"


def test_a_walk_from_the_open_demo_to_its_hours_and_provenance(new_tab: Callable[[], Tab], shared_data: Path) -> None:
    demo = shared_data / "mimic-iv-demo"
    if not demo.is_dir():
        pytest.skip(f"mimic-iv-demo is not in {shared_data}")
    tab = new_tab()
    tab.open("cohort")
    tab.choose("Extract")
    tab.main.get_by_label("Folder that holds hosp/ and icu/, or a DuckDB file").fill(str(demo))
    tab.page.keyboard.press("Enter")
    tab.rest()
    tab.main.get_by_role("button", name="Extract", exact=True).click()
    tab.main.get_by_text("From the source to the cohort").wait_for()
    tab.rest()
    rests_on_the_demo(tab)

    tab.go("Encoder")
    assert "MIMIC-IV extract" in chosen_cohort(tab)
    set_up(tab, {"encoder": {"epochs": 2}, "agents": {"epochs": 1}, "phenotypes": {"n_bootstrap": 2}})
    tab.main.get_by_label("Name of the run").fill("demo")
    tab.main.get_by_role("button", name="Run", exact=True).click()
    show_run(tab)
    tab.go("Policies")
    tab.choose("Value")
    tab.main.get_by_text("Provenance of the stays").click()
    tab.rest()
    rests_on_the_demo(tab)

    tab.go("Patient")
    cohort, stay = make_cohort(extract_mimic_iv(demo).frame), int(parameter(tab, "patient"))
    hours = cohort.hours.tolist()[cohort.starts[stay] :][: cohort.lengths[stay]]
    tab.page.wait_for_function(DRAWN, arg=0)
    drawn = tab.page.evaluate("Array.from(document.querySelector('.js-plotly-plot')._fullData[0].x)")
    assert drawn == hours


def rests_on_the_demo(tab: Tab) -> None:
    """The view says what its states know, and the table of provenance where the stays come from."""
    assert AS_OF["start"] in tab.main.inner_text()
    rows = tab.main.get_by_test_id("stDataFrame").filter(has_text="Where the stays come from")
    said = rows.first.text_content() or ""
    assert "MIMIC-IV" in said
    assert "mimic-iv-demo" in said


def follow(tab: Tab) -> None:
    """Progress is live, goes on over a reload, and ends in a run that can be shown."""
    shown = tab.main.get_by_text("Whole run:")
    shown.wait_for()
    before = shown.inner_text()
    tab.page.reload()
    shown.wait_for()
    tab.page.wait_for_function("before => !document.body.innerText.includes(before)", arg=before, timeout=PATIENCE)
    show_run(tab)


def show_run(tab: Tab) -> None:
    """Wait for the run, and look at it."""
    show = tab.main.get_by_role("button", name="Show this run")
    show.wait_for(timeout=2 * PATIENCE)
    show.click()
    show.wait_for(state="detached")
    tab.rest()


def map_page(tab: Tab) -> None:
    """K recolors the map and moves no point; a lasso lists patients, and a row opens one."""
    tab.go("Phenotypes")
    shown = PointMap(tab)
    before = shown.points()
    assert len(before) == PATIENTS
    tab.step("Number of phenotypes K", "ArrowRight")
    after = shown.points()
    assert {p: xy[:2] for p, xy in before.items()} == {p: xy[:2] for p, xy in after.items()}
    assert {p: xy[2] for p, xy in before.items()} != {p: xy[2] for p, xy in after.items()}
    shown.lasso(7)
    table = tab.main.get_by_test_id("stDataFrame").first
    table.wait_for()
    tab.rest()
    table.click(position={"x": 90, "y": 52})  # the first row's patient key


def patient_page(tab: Tab) -> None:
    """The row has opened a patient: the course over time, and what may be weighed at a step."""
    tab.page.get_by_role("heading", level=1, name="Patient", exact=True).wait_for()
    tab.rest()
    assert "patient=" in tab.page.url
    titles = tab.page.evaluate("document.querySelector('.js-plotly-plot').layout.annotations.map(a => a.text)")
    assert any("Platelets" in title for title in titles)
    said = tab.main.inner_text()
    assert "cannot be told apart" in said or "No options are ranked here" in said
    assert "Expected return of each dose" in said


def policies_page(tab: Tab) -> None:
    """Lambda moves the numbers, each of which keeps its basis under it."""
    tab.go("Policies")
    tab.choose("Fusion λ")
    before = numbers(tab)
    tab.step("Sharpness λ", "Home")
    after = numbers(tab)
    assert len(before) == len(after) > 2
    assert sum(a != b for a, b in zip(before, after, strict=True)) > 1
    assert "ESS" in tab.main.inner_text()
    slider = tab.main.get_by_role("slider", name="Sharpness λ").first
    slider.focus()
    for _ in range(4):  # faster than the address bar follows: what it still says must not move the slider back
        tab.page.keyboard.press("ArrowRight")
        tab.page.wait_for_timeout(120)
    tab.rest()
    tab.page.wait_for_timeout(1000)
    assert slider.input_value() == "4"


def test_visitors_do_not_see_each_others_uploads(new_tab: Callable[[], Tab], cohort_file: Path) -> None:
    one, other = new_tab(), new_tab()
    one.open("cohort")
    other.open("cohort")
    upload(one, cohort_file)
    assert "ward-seven.csv" in chosen_cohort(one)
    other.open(f"cohort?cohort={parameter(one, 'cohort')}")
    assert not offered(other, "Cohort", "ward-seven")
    assert "ward-seven" not in chosen_cohort(other)


def test_visitors_do_not_see_each_others_registries_and_selections(new_tab: Callable[[], Tab]) -> None:
    one, other = new_tab(), new_tab()
    one.open("registry")
    one.choose("Simulate")
    one.choose("600")
    one.main.get_by_role("button", name="Simulate a registry").click()
    one.main.get_by_text("Stages and decisions").wait_for()
    one.rest()
    assert offered(one, "Registry", "600 patients")
    other.open(f"registry?registry-cohort={parameter(one, 'registry-cohort')}")
    assert not offered(other, "Registry", "600 patients")

    one.go("Phenotypes")
    PointMap(one).lasso(7)
    one.main.get_by_text("Selected:").first.wait_for()
    one.rest()
    other.go("Phenotypes")
    assert not other.main.get_by_text("Selected:").count()
    assert other.main.get_by_text("Drag a lasso around patients").is_visible()


def parameter(tab: Tab, name: str) -> str:
    """What the link of the view says."""
    (value,) = parse_qs(urlsplit(tab.page.url).query)[name]
    return value


def offered(tab: Tab, box: str, words: str) -> bool:
    """True where a select box offers an option with these words."""
    tab.main.get_by_role("combobox", name=box).click()
    options = tab.page.get_by_role("option")
    options.first.wait_for()
    found = any(words in text for text in options.all_inner_texts())
    tab.page.keyboard.press("Escape")
    return found
