"""Run the benchmarks: `python -m tests.benchmarks` in the project's folder, or `make bench`.

Each case runs in a process of its own, so that neither memory nor warm caches of another count. The whole suite writes
results/bench.json and results/bench.md; with `--case` only those are measured, and `--out` puts them in the place of
what the files held, for a case that something else on the machine has disturbed; where there are none it starts them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from core.base.threads import set_threads
from tests.benchmarks import hand, rivals, rivals_d3rlpy, split, stages  # noqa: F401 - most register their cases
from tests.benchmarks.harness import SUITE, Skip, measure
from tests.benchmarks.report import circumstances, document
from tests.benchmarks.workspace import SIZES, Workspace

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "data" / "benchmarks"
PREPARE = "prepare"


def main() -> None:
    options = _parser().parse_args()
    workspace = Workspace(options.work, SIZES[options.size])
    if options.child:
        _child(options.child, workspace, options.child_out)
        return
    names = options.case or [case.name for case in SUITE.cases.values() if not case.optional]
    if options.list:
        print("\n".join(f"{case.name:22} {case.group:8} {case.title}" for case in SUITE.cases.values()))
        return
    unknown = sorted(set(names) - set(SUITE.cases))
    if unknown:
        sys.exit(f"There is no case {', '.join(unknown)}; --list names them.")
    before = former_results(options.out) if options.case and options.out else {}  # before minutes are spent measuring
    if any(SUITE.cases[name].group != hand.HAND for name in names) and not (options.case and workspace.prepared):
        run_child(PREPARE, options.size, options.work)
    results = {}
    for name in names:
        results[name] = run_child(name, options.size, options.work)
        print(f"{name}: {_summary(results[name])}", file=sys.stderr, flush=True)
    about = circumstances(options.size, workspace.size.patients, _threads())
    if before:
        results = {**before.pop("cases"), **results}
        about = {**before, "again": sorted({*before.get("again", []), *names})}
    text = document(about, list(SUITE.cases.values()), results)
    print(text)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "bench.md").write_text(text, encoding="utf-8")
        content = json.dumps({**about, "cases": results}, indent=1, ensure_ascii=False)
        (options.out / "bench.json").write_text(content + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--case", nargs="+", help="measure these alone (and what they are held against, if named)")
    parser.add_argument("--size", choices=SIZES, default="published", help="small: does everything work?")
    parser.add_argument("--list", action="store_true", help="name the cases")
    parser.add_argument("--out", type=Path, help=f"folder for bench.json and bench.md, as {RESULTS.relative_to(ROOT)}")
    parser.add_argument("--work", type=Path, default=WORK, help="folder for the cohort and other inputs")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--child-out", type=Path, help=argparse.SUPPRESS)
    return parser


def former_results(folder: Path) -> dict[str, Any]:
    """What bench.json of a folder holds, empty where there is none; exits where it cannot be read."""
    path = folder / "bench.json"
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        sys.exit(f"{path} is not valid JSON ({error}); restore it, or name another folder with --out.")
    if not isinstance(found, dict) or "cases" not in found:
        sys.exit(f"{path} holds no benchmarks; name another folder with --out.")
    return found


def run_child(name: str, size: str, work: Path) -> dict[str, Any]:
    """What a process of its own measures; a case that fails says so and leaves the others be."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "tests.benchmarks", "--size", size, "--work", str(work)]
        done = subprocess.run([*command, "--child", name, "--child-out", str(answer)], cwd=ROOT, check=False)
        if done.returncode or not answer.exists():
            return {"skipped": f"failed with exit status {done.returncode}"}
        return json.loads(answer.read_text(encoding="utf-8"))


def _child(name: str, workspace: Workspace, answer: Path) -> None:
    """Make the inputs of all cases, or measure one of them, in this process."""
    set_threads(0)
    found: dict[str, Any] = {}
    if name == PREPARE:
        workspace.write_cohort()
        split.one_split(workspace, store=True)
    else:
        try:
            found = measure(SUITE.cases[name], workspace)
        except Skip as reason:
            found = {"skipped": str(reason)}
    answer.write_text(json.dumps(found), encoding="utf-8")


def _threads() -> int:
    import torch

    set_threads(0)
    return torch.get_num_threads()


def _summary(found: dict[str, Any]) -> str:
    if "skipped" in found:
        return str(found["skipped"])
    return f"{found['seconds']:.3g} s, {found['peak_extra_mb']:,.0f} MB"


if __name__ == "__main__":
    main()
