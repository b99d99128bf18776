"""Two servers on one data folder: two processes that do the same at once: `python -m tests.two_servers ROOT`.

Both are forked from a light parent, wait for each other, and act; what came of it is printed as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from core.access.acts import Acting
from core.access.chain import check
from core.access.person import Person, Role
from core.access.settings import ServerSettings
from core.base.errors import RunError
from core.base.files import write_json
from core.cohort import simulate_cohort
from core.icu.study import ICU
from core.icu.verdicts import give_verdict, load_verdicts
from core.keep.delete import delete
from core.keep.holdings import Holding, holdings
from core.runs import jobs
from core.runs.job import JobRecord, read_record
from pages.components.study import cohorts
from tests.killed import desk_of

ROUNDS = 12
ANN = Person("a" * 32, Role.RESEARCHER, "ann")
RUN = {"verdict": "follow", "note": "", "recommended": "0", "given": "0", "n_clusters": 3, "lambda_": 1.0}


def both(act: Callable[[int], str]) -> list[str]:
    """What the act of server 0 and of server 1 says, or the error it ends with; neither begins before the other."""
    ready, go = os.pipe(), os.pipe()
    children = []
    for server in (0, 1):
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(ready[1], b"r")
            os.read(go[0], 1)
            try:
                said = act(server)
            except BaseException as error:
                said = f"{type(error).__name__}: {error}"
            os.write(tell, said.encode())
            os._exit(0)
        os.close(tell)
        children.append((child, told))
    for _ in children:
        os.read(ready[0], 1)
    os.write(go[1], b"gg")
    said = []
    for child, told in children:
        os.waitpid(child, 0)
        said.append(os.read(told, 4096).decode())
    return said


def verdicts(root: Path) -> dict[str, Any]:
    path = root / "uploads" / ANN.owner / "verdicts" / "run-0123456789abcdef.parquet"

    def give(server: int) -> str:
        for step in range(ROUNDS):
            give_verdict(path, patient=f"p{server}", step=step, **RUN)  # type: ignore[arg-type]
        return "done"

    return {"said": both(give), "kept": len(load_verdicts(path))}


def audit(here: Acting) -> dict[str, Any]:
    def note(server: int) -> str:
        for line in range(ROUNDS):
            here.note("export", detail=f"{server} {line}")
        return "done"

    said, found = both(note), check(here.trail)
    return {"said": said, "lines": found.lines, "broken": found.broken}


def deletions(root: Path, here: Acting) -> dict[str, Any]:
    """Both delete all that there is, runs with many files among it, while both list it."""
    for number in range(ROUNDS):
        folder = root / "runs" / f"run-{number}"
        JobRecord(kind="icu", file="f", owner=ANN.owner).write(folder)
        for file in range(40):
            (folder / "deep" / str(file)).mkdir(parents=True)
            (folder / "deep" / str(file) / "x.npy").write_bytes(b"x")
        stored = root / "uploads" / ANN.owner / f"{number:016x}.parquet"
        stored.write_bytes(b"x")
        write_json(stored.with_suffix(".json"), {"label": "l", "created": "2026-11-01T00:00:00+00:00"})

    def delete(server: int) -> str:
        for one in holdings(root)[:: 1 if server else -1]:
            here.delete(one)
            here.must_fit(1)
        return "done"

    said = both(delete)
    left = [str(path) for path in (root / "runs").glob(".gone-*")]
    return {"said": said, "kept": [str(one) for one in holdings(root)], "left": left}


def uploads(root: Path) -> dict[str, Any]:
    """One stores data while the other deletes them; then both store at once what the quota holds once."""
    here = Acting(ANN, root, ServerSettings())
    data = [simulate_cohort("mimic-iv", 20, seed=seed)[0] for seed in (0, 1)]
    desk = desk_of(here)
    path = desk.data_folder / f"{data[0].data_hash}.parquet"

    def delete_all() -> None:
        for one in holdings(root):
            if one.kind == "data":
                here.delete(one)

    def act(server: int) -> str:
        if server == 0:
            return str(cohorts.store(desk, data[0], "mine").n_patients)
        while not path.exists():
            continue
        delete(root, Holding("data", path, "mine", ANN.owner, 0.0))
        return "deleted"

    found: dict[str, Any] = {"said": [], "half": []}
    for _ in range(ROUNDS):
        found["said"].append(both(act))
        found["half"].append(path.exists() != path.with_suffix(".json").exists())
        delete_all()
        path.with_suffix(".json").unlink(missing_ok=True)
    megabytes = 1.5 * cohorts.store(desk, data[0], "one").path.stat().st_size / 1e6
    delete_all()
    desk = desk_of(Acting(ANN, root, ServerSettings.model_validate({"quota": {"megabytes": megabytes}})))
    found["one of two fits"] = []
    for _ in range(3):
        said = both(lambda server: cohorts.store(desk, data[server], str(server)).label)
        found["one of two fits"].append(
            (sum(word.startswith("AccessError") for word in said), len(cohorts.stored(desk)))
        )
        delete_all()
    return found


def same_run(root: Path) -> dict[str, Any]:
    """Both start the same run; only its process counts, which need not do anything."""
    popen = subprocess.Popen
    jobs.subprocess.Popen = lambda command, **how: popen(["sleep", "60"], **how)  # type: ignore[assignment,misc]
    folder = root / "runs" / "same"
    said = both(lambda server: jobs.start_run(ICU, root / f"{server}.parquet", folder, owner=ANN.owner).state)
    asked = read_record(folder)
    alive, file = asked.process.alive, Path(asked.file).stem
    group = Path(f"/proc/{asked.process.pid}/autogroup")
    niceness = [psutil.Process(asked.process.pid).nice(), *group.read_text().split()[-1:]] if group.exists() else []
    asked.process.end_group()
    refusals = [one for one in said if one.startswith(RunError.__name__)]
    return {"said": said, "refusals": refusals, "alive": alive, "of": file, "started": said.index("waiting")} | {
        "niceness": niceness
    }


def main(root: Path) -> None:
    os.environ["PHENOPOLICY_DATA"] = str(root)
    here = Acting(ANN, root, ServerSettings.model_validate({"quota": {"megabytes": 1000}}))
    found = {"verdicts": verdicts(root), "audit": audit(here), "deletions": deletions(root, here)}
    found["uploads"] = uploads(root)
    print(json.dumps(found | {"run": same_run(root)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
