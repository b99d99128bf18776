"""The report of a registry run: by the same verb, the difference to the experts before the published figures."""

from __future__ import annotations

import html
from pathlib import Path

import pytest

from core.cli.main import main
from core.figures.theme import fmt, fmt_interval
from core.registry.ask.against import against_experts
from core.registry.ask.hidden import hidden_in_words
from core.registry.view import RegistryView
from core.report.parts import Section
from core.report.registry import registry_sections


@pytest.fixture(scope="module")
def view(tiny_registry: Path) -> RegistryView:
    return RegistryView(tiny_registry)


@pytest.fixture(scope="module")
def sections(view: RegistryView) -> dict[str, Section]:
    return {section.key: section for section in registry_sections(view)}


def test_one_verb_writes_the_report_of_either_study(view: RegistryView, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    assert main(["report", str(view.path), "--out", str(out)]) == 0
    page = html.unescape(out.read_text(encoding="utf-8"))
    assert view.advice is not None
    assert view.advice.text in page
    assert page.index("Against the experts</h2>") < page.index("Published estimators</h2>")
    assert 'id="plot-differences"' in page
    assert view.spec.title in page
    assert "simulated data" in page


def test_every_judgment_stands_with_interval_grade_and_truth(view: RegistryView, sections: dict[str, Section]) -> None:
    rows = against_experts(view)
    assert rows is not None
    (shown,) = sections["against"].tables
    assert len(shown.rows) == len(rows)
    for line, row in zip(shown.rows, rows.to_dict("records"), strict=True):
        cells = dict(zip(shown.columns, line, strict=True))
        assert cells["difference"].strip("()") == f"{row['difference']:+.2f}"
        assert cells["difference"].startswith("(") == (row["grade"] == "not supported")
        assert cells["95 % interval"] == fmt_interval(row["difference_low"], row["difference_high"])
        assert cells["true difference ± standard error"].startswith(f"{row['true_difference']:+.2f} ±")
        assert cells["if a cause is not recorded"] == hidden_in_words(row, view.columns)
    assert len(view.columns) == len(view.spec.features) + len(view.spec.indicators)


def test_published_values_carry_support_truth_and_the_warning(view: RegistryView, sections: dict[str, Section]) -> None:
    values = sections["values"]
    assert values.sentences == [view.warning]
    observed = dict(zip(values.tables[0].columns, values.tables[0].rows[-1], strict=True))
    row = view.ope[(view.ope["policy"] == "observed") & (view.ope["estimator"] == "phwdr")].iloc[0]
    assert observed["policy"] == "Observed"
    assert fmt(row["value"]) in observed["PHWDR"]
    assert observed["support"] == row["support"]
    assert len(values.tables[1].rows) == (view.matched["group"] == "all").sum()


def test_settings_that_depart_from_the_defaults_are_marked(view: RegistryView, sections: dict[str, Section]) -> None:
    tables = sections["parameters"].tables
    changed = {row[0]: row[2] for table in tables for row in table.rows if row[2]}
    assert changed["updates"] == "5000"  # the small run learns less
    assert "gamma" not in changed


def test_a_run_from_before_judgments_says_to_train_it_again(tiny_registry: Path) -> None:
    old = RegistryView(tiny_registry)
    old.judgments = None
    (against,) = (section for section in registry_sections(old) if section.key == "against")
    assert "train it again" in against.sentences[0]
    assert not against.tables
