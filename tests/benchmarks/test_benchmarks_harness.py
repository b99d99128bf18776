"""The benchmarks' arithmetic and tables; nothing here depends on how fast the machine is."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import hand, rivals, rivals_d3rlpy, stages  # noqa: F401 - they register their cases
from tests.benchmarks.harness import SUITE, Case, Suite, Task, measure
from tests.benchmarks.report import document, ratio
from tests.benchmarks.scale_report import growth, memory_ratio, scale_figure
from tests.benchmarks.split import one_split
from tests.benchmarks.workspace import SIZES, Workspace

ABOUT = {
    "date": "2026-01-02",
    "patients": 10,
    "threads": 2,
    "machine": {"processor": "P", "cores": 2, "memory_gb": 8.0, "system": "Linux"},
    "versions": {"python": "3.11"},
}


def made(task: Task, **options: object) -> Case:
    return Case("a", "A", "stages", lambda _: task, **options)


def found(seconds: float, unit: str = "", whole: float = 1.0) -> dict[str, object]:
    return {"seconds": seconds, "unit": unit, "whole": whole, "peak_extra_mb": 1.0, "load_average": 0.5, "facts": {}}


def test_seconds_are_the_median_of_the_timed_runs_scaled_to_the_whole_work():
    clocks = iter([100.0, 6.0, 2.0, 4.0])  # the first is the warm-up
    task = Task(lambda: next(clocks), work=2, clock=lambda spent: spent, facts=lambda spent: {"last": spent})
    result = measure(made(task, unit="iteration", whole=100, repeats=3, warmup=1), None)
    assert result["measured_seconds"] == [6.0, 2.0, 4.0]
    assert result["seconds"] == 4.0 / 2 * 100
    assert result["facts"] == {"last": 4.0}


def test_memory_is_what_the_run_takes_beyond_its_inputs():
    inputs = np.ones(10_000_000)  # 80 MB, held before
    result = measure(made(Task(lambda: np.ones(8_000_000).sum()), repeats=1, warmup=0), inputs)  # 64 MB
    assert 55 < result["peak_extra_mb"] < 80 + 55


def test_rivals_with_the_same_unit_are_compared_per_unit_and_others_by_the_whole_work():
    assert ratio(found(30, "update", 100), found(2, "update", 20)) == pytest.approx(3)
    assert ratio(found(30, "epoch", 50), found(2)) == pytest.approx(15)


def test_a_name_is_given_once():
    suite = Suite()
    suite.case("a", "A", "stages")(lambda _: Task(lambda: None))
    with pytest.raises(ValueError, match="two cases 'a'"):
        suite.case("a", "again", "stages")


def test_every_rival_is_held_against_a_case_of_ours():
    rivals_found = [case for case in SUITE.cases.values() if case.against]
    assert len(rivals_found) >= 12
    for case in rivals_found:
        for name in case.against:
            assert not SUITE.cases[name].against, f"{case.name} is held against {name}, a rival itself"


def test_tables_quote_ratios_and_say_what_was_left_out():
    ours = Case("own", "Our step", "stages", lambda _: Task(lambda: None), published=60.0, target=5.0)
    rival = Case("rival", "A rival", "rivals", lambda _: Task(lambda: None), against=("own",), note="in part")
    away = Case("away", "Another", "rivals", lambda _: Task(lambda: None), against=("own",))
    results = {"own": found(3.0), "rival": found(12.0), "away": {"skipped": "it is not installed"}}
    text = document(ABOUT, [ours, rival, away], results)
    assert "| Our step | 60 s | 5 s | 3 s | 20 | 1 MB |  |" in text
    assert "| A rival | Our step | 12 s | 3 s | 4 | in part |" in text
    assert "| Another | | | | | not measured: it is not installed |" in text
    assert "highest load average before a case 0.5" in text
    assert "Measured once more" not in text
    assert "after the machine had been disturbed: `own`." in document({**ABOUT, "again": ["own"]}, [ours], results)


def test_growth_is_per_tenfold_patients():
    small, large = ({"patients": n, "steps": {"read": {"seconds": s}}} for n, s in ((100, 1.0), (10_000, 400.0)))
    assert growth(small, large, "read") == pytest.approx(20)


def test_peak_memory_is_held_against_table_and_tensors():
    assert memory_ratio({"peak_mb": 90.0, "table_mb": 10.0, "tensors_mb": 20.0}) == pytest.approx(3)


def test_the_linear_line_starts_at_the_first_size_and_keeps_its_slope():
    steps = ("read", "split and impute", "tensors", "encode whole stays", "encode prefixes, distances", "map")
    steps += ("cluster, K = 2..9", "agents' Q and fusion", "clinician policy, test", "values, test")
    sizes = [
        {
            "patients": n,
            "peak_mb": 1.0,
            "table_mb": 1.0,
            "tensors_mb": 1.0,
            "steps": {s: {"seconds": 2.0} for s in steps},
        }
        for n in (100, 1000)
    ]
    line = next(trace for trace in scale_figure(sizes).data if trace.name == "linear")
    assert list(line.y) == [2.0, 20.0]


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Run the command on `import` alone, into a folder; what is measured is made up, and how often is counted."""
    calls = []

    def run_child(name, size, work):
        calls.append(name)
        return found(float(len(calls)))

    def run(folder):
        monkeypatch.setattr("sys.argv", ["bench", "--case", "import", "--out", str(folder), "--work", str(tmp_path)])
        command.main()
        return json.loads((folder / "bench.json").read_text())

    monkeypatch.setattr(command, "run_child", run_child)
    run.calls = calls
    return run


def test_a_case_into_a_new_folder_starts_its_files_and_a_second_time_replaces_its_numbers(measured, tmp_path):
    first = measured(tmp_path / "new")
    assert first["cases"]["import"]["seconds"] == 1
    assert "again" not in first
    assert "| Import of core |" in (tmp_path / "new" / "bench.md").read_text()

    kept = {**first, "date": "2026-01-02", "cases": {**first["cases"], "page": found(7.0)}}
    (tmp_path / "new" / "bench.json").write_text(json.dumps(kept))
    second = measured(tmp_path / "new")
    assert {name: case["seconds"] for name, case in second["cases"].items()} == {"import": 2, "page": 7}
    assert (second["date"], second["again"]) == ("2026-01-02", ["import"])


@pytest.mark.parametrize(("text", "reason"), [('{"cases": {', "not valid JSON"), ("[]", "holds no benchmarks")])
def test_results_that_cannot_be_read_are_told_before_anything_is_measured(measured, tmp_path, text, reason):
    (tmp_path / "bench.json").write_text(text)
    with pytest.raises(SystemExit, match=reason):
        measured(tmp_path)
    assert measured.calls == []


def test_one_split_goes_from_the_file_to_values_and_leaves_what_the_cases_start_from(tmp_path):
    work = Workspace(tmp_path, SIZES["small"])
    work.write_cohort()
    results = one_split(work, store=True)
    assert {name: len(values) for name, values in results.items()} == {"phwis": 57, "phwdr": 57}
    assert all(one.low <= one.value + 1e-9 and one.ess >= 1 for one in results["phwis"])
    assert work.prepared
    test = work.trajectories.subset(work.split.test)
    assert np.allclose(work.array("behavior").sum(axis=-1), test.mask, atol=1e-5)
