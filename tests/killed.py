"""Kill -9 at every step of every write, in children that are forked from a light parent: `python -m tests.killed ROOT`.

A step is a flush to the disk or a rename, before and after. Act after act is begun in a child that is killed at its
first step, then in one that is killed at its second, ..., until one ends by itself; what is on the disk is looked at
each time, and printed as one line of JSON an act.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from core.access.acts import Acting
from core.access.chain import check
from core.access.person import Person, Role
from core.access.settings import ServerSettings
from core.cohort import load_cohort, simulate_cohort
from core.icu.study import ICU
from core.icu.verdicts import give_verdict, load_verdicts
from core.keep.holdings import holdings
from core.keep.leftovers import GONE, LONGEST_WRITE, clear
from core.runs.job import JobRecord, read_record
from pages.components.study import cohorts

MOST_STEPS = 60
ANN = Person("a" * 32, Role.RESEARCHER, "ann")
Act = Callable[[], object]


def killed_at(step: int, act: Act) -> bool:
    """Do it in a child that is killed at a step; False where it ended before."""
    child = os.fork()
    if child == 0:
        _kill_at(step)
        try:
            act()
        except BaseException as error:  # told to the parent by its status
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the act itself failed"
    return False


def _kill_at(step: int) -> None:
    """Let this process die before or after a flush or a rename: at the step of this number, from 0."""
    steps = iter(range(1 << 30))

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            for do in (lambda: None, lambda: function(*given, **named)):
                done = do()
                if next(steps) == step:
                    os.kill(os.getpid(), signal.SIGKILL)
            return done

        return call

    os.fsync, os.replace = watched(os.fsync), watched(os.replace)


def every_kill(name: str, act: Act, look: Callable[[], str]) -> None:
    """What is on the disk after a kill at each step, and after the act was done at last."""
    seen = []
    for step in range(MOST_STEPS):
        if not killed_at(step, act):
            break
        seen.append(look())
    else:
        raise AssertionError(f"{name} never ended")
    print(json.dumps({"act": name, "killed": seen, "done": look()}), flush=True)


def desk_of(here: Acting) -> Any:
    """Where one's uploads are stored as the page stores them, without a page."""
    cohorts.me = lambda: here  # type: ignore[assignment]
    cohorts.visible_runs = lambda study: []  # type: ignore[assignment]
    return SimpleNamespace(
        data_folder=here.root / "uploads" / here.person.owner,
        study=ICU,
        data_word="cohort",
        choose=lambda key: None,
        of_run=lambda run: (False, None),
    )


def acts(root: Path) -> Iterator[tuple[str, Act, Callable[[], str]]]:
    """Name, act, and what is seen of it by the functions that the app reads with."""
    here = Acting(ANN, root, ServerSettings())
    cohort = simulate_cohort("mimic-iv", 20, seed=1)[0]
    desk = desk_of(here)
    uploads = desk.data_folder

    def uploaded() -> str:
        found = cohorts.stored(desk)
        return " ".join(str(load_cohort(one.path).n_patients) for one in found)

    yield "upload", lambda: cohorts.store(desk, cohort, "upload mine.csv"), uploaded

    verdicts = uploads / "verdicts" / "run-0123456789abcdef.parquet"
    said = {"patient": "p", "note": "", "recommended": "0", "given": "0", "n_clusters": 3, "lambda_": 1.0}
    give_verdict(verdicts, step=1, verdict="follow", **said)  # type: ignore[arg-type]

    def verdicts_seen() -> str:
        return " ".join(load_verdicts(verdicts)["verdict"])

    yield "verdict", lambda: give_verdict(verdicts, step=1, verdict="reject", **said), verdicts_seen  # type: ignore[arg-type]

    job = root / "runs" / "job"
    JobRecord(kind="icu", file="before").write(job)
    yield "job", lambda: JobRecord(kind="icu", file="after").write(job), lambda: read_record(job).file

    def audited() -> str:
        found = check(here.trail)
        return "; ".join(found.broken) or "whole"

    yield "audit", lambda: here.note("export", detail="table"), audited

    def deleted() -> str:
        return " ".join(sorted(one.kind for one in holdings(root) if one.kind == "data"))

    def delete() -> None:
        for one in holdings(root):
            if one.kind == "data":
                here.delete(one)

    yield "delete", delete, deleted


def main(root: Path) -> None:
    os.environ["PHENOPOLICY_DATA"] = str(root)
    for name, act, look in acts(root):
        every_kill(name, act, look)
    hidden = [path for path in root.rglob(".*") if path.suffix in (".part", ".parquet") or path.name.startswith(GONE)]
    far = max(path.stat().st_mtime for path in hidden) + LONGEST_WRITE + 1
    cleared = [path.name for path in clear(root, now=far)]
    print(json.dumps({"left": len(hidden), "kept": [path.name for path in hidden if path.exists()], "n": len(cleared)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
