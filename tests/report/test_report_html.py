"""The report of a run: one file, every value with its interval, all text escaped, nothing from the network."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.base.errors import RunError
from core.base.files import read_json, write_json, write_table
from core.cohort import check_cohort
from core.figures.theme import fmt, fmt_interval, fmt_percent, message_figure, policy_style
from core.icu.ask.against import advice_hazards, against_clinicians, hidden_text, points_text
from core.icu.ask.differences import differences_between
from core.icu.ask.names import phenotype_texts
from core.icu.ask.tables import policy_table
from core.icu.panels import PanelFigure
from core.icu.view import RunView
from core.policies.hazards import default_rules, default_warnings
from core.report import render_report, write_report
from core.report.against import against_the_clinicians
from core.report.page import figure_json
from core.report.policies import the_policies
from core.report.sections import the_cohort, the_phenotypes
from core.runs.manifest import sealed

ORDER = ("Hazardous doses", "Difference of each policy to the clinicians", "Values of all policies")  # captions
HOSTILE = "<script>alert('x')</script> & \"Tom\""
VOID = {"meta", "br", "link", "img", "hr", "input", "col"}


class Page(HTMLParser):
    """Structure of a page: open elements, text by element, attributes, tables as lists of rows."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.captions: list[str] = []
        self.feed(text)
        self.close()
        assert not self.stack, f"elements left open: {self.stack}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag == "caption":
            self.captions.append("")
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack[-1] == tag, f"</{tag}> closes <{self.stack[-1]}>"
        self.stack.pop()

    def handle_data(self, data: str) -> None:
        inside = self.stack[-1] if self.stack else ""
        if inside in ("script", "style"):
            return
        self.text.append(data)
        if inside in ("td", "th"):
            self.tables[-1][-1][-1] += data
        elif inside == "caption":
            self.captions[-1] += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


@pytest.fixture(scope="module")
def written(view: RunView, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = write_report(view.path, tmp_path_factory.mktemp("report") / "run.html")
    assert path.stat().st_size < 8_000_000
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(written: str) -> Page:
    return Page(written)


def test_it_is_one_page_with_headings_captions_and_text_for_every_figure(page: Page, view: RunView) -> None:
    assert page.count("html") == page.count("h1") == page.count("main") == 1
    assert page.count("table") == page.count("caption") == len(page.captions)
    assert all(caption.strip() for caption in page.captions)
    plots = [attrs for tag, attrs in page.tags if tag == "div" and attrs.get("class") == "plot"]
    assert len(plots) == (6 + view.n_clusters) + 8 + 2
    assert all(attrs["role"] == "img" and len(attrs["aria-label"] or "") > 20 for attrs in plots)
    sources = [attrs["data-plot"] for tag, attrs in page.tags if tag == "script" and "data-plot" in attrs]
    assert sorted(sources, key=str) == sorted((attrs["id"] for attrs in plots), key=str)
    targets = {attrs.get("id") for _, attrs in page.tags}
    assert {(attrs["href"] or "")[1:] for tag, attrs in page.tags if tag == "a"} <= targets


def test_nothing_is_asked_from_the_network(page: Page) -> None:
    """No attribute of any element names another address, and the policy of the page forbids all requests."""
    for tag, attrs in page.tags:
        assert tag not in ("link", "iframe", "img", "object", "embed", "base", "form")
        for name, value in attrs.items():
            if name in ("src", "srcset", "action", "data", "poster", "formaction", "background"):
                raise AssertionError(f"<{tag} {name}={value}>")
            if name == "href":
                assert (value or "").startswith("#")
    policy = next(a["content"] or "" for t, a in page.tags if t == "meta" and "content" in a and "http-equiv" in a)
    assert "default-src 'none'" in policy
    assert "http" not in policy


def test_every_policy_has_its_value_interval_ess_support_and_truth(page: Page, view: RunView) -> None:
    place = next(i for i, caption in enumerate(page.captions) if caption.startswith("Values of all policies"))
    head, *rows = page.tables[place]
    assert head[:6] == ["policy", "estimator", "value", "95 % interval", "ESS", "patients"]
    fusion = view.config.fusion
    stored = policy_table(view, view.n_clusters, fusion.lambda_, fusion.mode)
    assert len(rows) == len(stored)
    for shown, row in zip(rows, stored.to_dict("records"), strict=True):
        assert shown[0] == policy_style(row["policy"], phenotype_texts(view, view.n_clusters)).name
        assert shown[2].strip("()") == fmt(row["value"])
        assert shown[2].startswith("(") == (row["support"] == "not supported")
        assert shown[3] == fmt_interval(row["low"], row["high"])
        assert shown[4] == fmt(row["ess"], 1)
        assert shown[6] == (row["support"] or "–")
        assert shown[7].startswith(fmt(row["true_value"]))


def test_differences_and_the_advice_stand_before_the_published_values(page: Page, view: RunView) -> None:
    places = [next(i for i, c in enumerate(page.captions) if c.startswith(start)) for start in ORDER]
    assert places == sorted(places)
    rows = against_clinicians(view, view.config.fusion.mode)
    assert rows is not None
    assert view.advice is not None
    head, *shown = page.tables[places[1]]
    assert head[:6] == ["policy", "difference", "95 % interval", "survival, points", "ESS", "stays"]
    assert [line[1].strip("()") for line in shown] == [f"{value:+.2f}" for value in rows["difference"]]
    points = [points_text(row, "survival_difference") for row in rows.to_dict("records")]
    assert [line[3].strip("()") for line in shown] == points
    assert any("+" in text or "-" in text for text in points)
    assert [line[6] for line in shown] == rows["grade"].tolist()
    assert "In survival, by the same judges asked about the outcome alone" in " ".join(page.text)
    assert view.advice.text in " ".join(page.text)
    way = page.tables[next(i for i, c in enumerate(page.captions) if c.startswith("On the way from the clinicians"))]
    between = differences_between(view, view.own_policy)
    assert [line[2].strip("()") for line in way[1:]] == [f"{value:+.2f}" for value in between["difference"]]
    assert [line[7] for line in way[1:]] == [hidden_text(row) for row in between.to_dict("records")]
    assert view.advice.hidden_in_words in " ".join(page.text)
    assert view.advice.atlas is not None
    assert all(sentence in " ".join(page.text) for sentence in view.advice.atlas.sentences())
    assert [line[0] for line in page.tables[places[0]][1:]] == [r.text(view.study) for r in default_rules(view.study)]
    warned = page.tables[next(i for i, c in enumerate(page.captions) if c.startswith("Warnings, which are no rules"))]
    rates = advice_hazards(view, default_warnings(view.study), view.advice.shown.share)
    expected = [
        (text, *map(fmt_percent, pair.sort_values("policy")["rate"]))
        for text, pair in rates.groupby("text", sort=False)
    ]
    assert [tuple(line[:3]) for line in warned[1:]] == expected, "the advice's rate, then the clinicians'"


def test_a_run_from_before_judgments_says_to_train_it_again(tiny_run: Path) -> None:
    old = RunView(tiny_run)
    old.__dict__["judgments"] = None
    section = against_the_clinicians(old)
    assert "train it again" in " ".join(section.sentences)
    assert not section.tables


def test_it_names_data_versions_settings_and_limits(page: Page, view: RunView) -> None:
    text = " ".join(page.text)
    assert text.count("Research and teaching only.") >= 2
    assert "simulated data" in text
    assert view.manifest.data_hash in text
    for version in view.manifest.versions.values():
        assert version in text
    cells = {row[0]: row for table in page.tables for row in table if len(row) == 4}
    assert cells["epochs"][1] in (str(view.config.encoder.epochs), str(view.config.agents.epochs))
    assert "All patients are simulated: no number here says anything about real patients." in text
    assert "No repeats of preset" in " ".join(a["aria-label"] or "" for _, a in page.tags if "aria-label" in a)


def test_the_map_names_no_patient(written: str, view: RunView) -> None:
    source = re.search(r'data-plot="plot-phenotype-map">(.*?)</script>', written)
    assert source is not None
    drawn = json.loads(source[1])
    assert {trace["type"] for trace in drawn["data"]} == {"scatter"}
    assert not any("text" in trace or "customdata" in trace for trace in drawn["data"])


def test_what_was_mended_names_no_patient(view: RunView) -> None:
    frame = view.cohort.frame[["traj", "step", *view.study.names, "action", "outcome"]].copy()
    frame["traj"] = "key (7) of " + frame["traj"].astype(str)
    frame.loc[1, view.study.names[0]] += 1  # a static column changes within the first stay
    last = frame["traj"].iloc[-1]
    frame = frame[(frame["traj"] != last) | (frame["outcome"] != 0)]  # the last stay has one step
    report = check_cohort(frame, view.study)
    assert {"static-changes", "single-step"} <= {problem.rule for problem in report.warnings}
    other = RunView(view.path)
    other.__dict__["report"] = report
    (mended,) = [table for table in the_cohort(other).tables if table.caption.startswith("Problems")]
    text = " ".join(cell for row in mended.rows for cell in row)
    assert "stays of one step were dropped: 1." in text
    assert "changes within stays: 1; the first value is used." in text
    assert "key (7)" not in text


@pytest.fixture
def copy(view: RunView, tmp_path: Path) -> Path:
    """The run under a folder of its own, so that its manifest can be changed."""
    folder = tmp_path / "exp" / "cells" / "quick-1"
    folder.mkdir(parents=True)
    for path in view.path.iterdir():
        if path.name != "manifest.json":
            (folder / path.name).symlink_to(path, target_is_directory=path.is_dir())
    shutil.copy(view.path / "manifest.json", folder)
    return folder


def test_text_of_people_stays_text(copy: Path) -> None:
    manifest = read_json(copy / "manifest.json")
    manifest["name"] = HOSTILE
    manifest["config"]["run"]["encoder_folder"] = "/somewhere/private-token/encoder"
    write_json(copy / "manifest.json", sealed(manifest))
    text = render_report(RunView(copy))
    page = Page(text)
    assert "".join(page.text).count(HOSTILE) >= 2
    assert "<script>alert" not in text
    assert "private-token" not in text, "a path tells of the machine and its users"


def test_figures_cannot_end_their_script() -> None:
    plot = PanelFigure("a", "b", message_figure("</script><b>&\u2028"), "c", "d")
    text = str(figure_json(plot))
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text)["layout"]["annotations"][0]["text"] == "</script><b>&\u2028"


def test_a_cell_of_an_experiment_draws_its_repeats(copy: Path, view: RunView) -> None:
    fusion = view.config.fusion
    table = policy_table(view, view.n_clusters, fusion.lambda_, fusion.mode)
    table = pd.concat([table.assign(repeat=r, value=table["value"] + r) for r in (1, 2)])
    shared = {"preset": "quick", "cohort": "development", "like": "mimic-iv", "simulated": True, "own_mode": True}
    write_table(copy.parents[1] / "evaluations.parquet", table.assign(**shared))
    page = render_report(RunView(copy))
    source = re.search(r'data-plot="plot-phwis-development">(.*?)</script>', page)
    assert source is not None
    traces = json.loads(source[1])["data"]
    square = next(t for t in traces if str(t.get("name")).startswith("published"))
    assert 11.56 in np.ravel(square["x"]).tolist(), "HOPAS-B on MIMIC-IV"
    assert sum(t["type"] == "box" for t in traces) == table["policy"].nunique()


def test_an_unfinished_run_has_no_report(copy: Path) -> None:
    manifest = read_json(copy / "manifest.json")
    del manifest["stages"]["evaluation"]
    write_json(copy / "manifest.json", sealed(manifest))
    with pytest.raises(RunError, match="not finished"):
        write_report(copy, copy / "report.html")


def test_where_no_outcome_tells_survival_the_report_leaves_it_out(numbered_run: Path) -> None:
    view = RunView(numbered_run)
    told = the_cohort(view)
    assert "its outcome does not tell who survived" in told.sentences[0]
    assert list(told.tables[1].columns) == ["part", "stays"]
    titles = [title for table in (*the_policies(view).tables, *the_phenotypes(view).tables) for title in table.columns]
    assert {"policy", "phenotype", "value"} <= set(titles)
    assert not [title for title in titles if re.search("surviv|died", title)]
