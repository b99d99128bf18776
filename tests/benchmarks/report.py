"""Results as JSON and as Markdown tables; ratios are what counts, seconds belong to one machine."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.harness import Case

LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "pandas", "pyarrow", "umap-learn", "numba", "d3rlpy")
Results = Mapping[str, Mapping[str, Any]]
GROUPS = {
    "stages": "One split of the published size",
    "rivals": "Against what one would use instead",
    "d3rlpy": "Against d3rlpy",
    "hand": "Under the hand",
}
READING = (
    "Times are medians over repeats after a warm-up; each case runs in a process of its own. Memory is what the step "
    "takes beyond its inputs. Published: seconds that the published scripts took for the same work on two cores of "
    "another day. A rival's ratio is its time over ours for the same work, on the same data in the same run."
)


def circumstances(size: str, patients: int, threads: int) -> dict[str, Any]:
    """What the numbers depend on."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "size": size,
        "patients": patients,
        "machine": machine(),
        "threads": threads,
        "versions": versions,
    }


def machine() -> dict[str, Any]:
    """Processor, cores, memory and system."""
    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text(encoding="utf-8").splitlines()
        processor = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), processor)
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "memory_gb": round(gigabytes, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def ratio(rival: Mapping[str, Any], ours: Mapping[str, Any]) -> float:
    """How many times as long the rival takes, for the same work.

    Both quote seconds for their `whole`; where both count the same unit, times of one unit are compared.
    """
    if rival["unit"] and rival["unit"] == ours["unit"]:
        return (rival["seconds"] / rival["whole"]) / (ours["seconds"] / ours["whole"])
    return rival["seconds"] / ours["seconds"]


def document(about: Mapping[str, Any], cases: Sequence[Case], results: Results) -> str:
    """The Markdown document: circumstances and one table a group."""
    built, host = about["versions"], about["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in built.items())
    load = max((row["load_average"] for row in results.values() if "load_average" in row), default=0.0)
    parts = [
        f"# Benchmarks: {about['patients']:,} simulated patients\n",
        f"Measured {about['date']}, {about['threads']} threads on {host['cores']} cores ({host['processor']}, "
        f"{host['memory_gb']} GB, {host['system']}); highest load average before a case {load:.1f}. {versions}.\n",
        READING + _again(about) + "\n",
    ]
    for group, title in GROUPS.items():
        rows = [case for case in cases if case.group == group and case.name in results]
        if rows:
            table = rivals_table if any(case.against for case in rows) else stage_table
            parts.append(f"## {title}\n\n{table(rows, cases, results)}\n")
    return "\n".join(parts)


def _again(about: Mapping[str, Any]) -> str:
    names = ", ".join(f"`{name}`" for name in about.get("again", ()))
    return f" Measured once more, alone, after the machine had been disturbed: {names}." if names else ""


def stage_table(rows: Sequence[Case], _: Sequence[Case], results: Results) -> str:
    """Our own steps beside the published scripts' time and the target."""
    lines = ["| step | published | target | ours | published / ours | memory | |", "|---|--:|--:|--:|--:|--:|---|"]
    for case in rows:
        found = results[case.name]
        if "skipped" in found:
            lines.append(f"| {case.title} | {_s(case.published)} | {_s(case.target)} | | | | {found['skipped']} |")
            continue
        gain = f"{case.published / found['seconds']:.3g}" if case.published else ""
        cells = [case.title, _s(case.published), _s(case.target), _s(found["seconds"]), gain]
        lines.append(f"| {' | '.join(cells)} | {found['peak_extra_mb']:,.0f} MB | {_remarks(case, found)} |")
    return "\n".join(lines)


def rivals_table(rows: Sequence[Case], cases: Sequence[Case], results: Results) -> str:
    """Each rival with our cases that do its work."""
    titles = {case.name: case.title for case in cases}
    lines = ["| rival | ours | rival's time | ours | rival / ours | |", "|---|---|--:|--:|--:|---|"]
    for case in rows:
        found = results[case.name]
        if case.against and "skipped" in found:
            lines.append(f"| {case.title} | | | | | not measured: {found['skipped']} |")
            continue
        for name in case.against:
            if name in results and "seconds" in results[name]:
                own = results[name]
                same = bool(case.unit) and case.unit == own["unit"]
                theirs, mine = (_per_unit(found), _per_unit(own)) if same else (found["seconds"], own["seconds"])
                cells = [case.title, titles[name], _s(theirs), _s(mine), f"{ratio(found, own):.3g}"]
                lines.append(f"| {' | '.join(cells)} | {_remarks(case, found)} |")
    return "\n".join(lines)


def _per_unit(found: Mapping[str, Any]) -> float:
    return found["seconds"] / found["whole"]


def _remarks(case: Case, found: Mapping[str, Any]) -> str:
    facts = [f"{name.replace('_', ' ')} {_number(value)}" for name, value in found["facts"].items()]
    return "; ".join([*([case.note] if case.note else []), *facts])


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _s(seconds: float | None) -> str:
    """Seconds with three figures, milliseconds below a tenth."""
    if seconds is None:
        return ""
    if seconds < 0.1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:,.0f} s" if seconds >= 100 else f"{seconds:.3g} s"
