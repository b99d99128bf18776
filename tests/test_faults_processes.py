"""Programs that are killed while they write, and two servers on one data folder: nothing is lost, nothing half read."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

from core.base.priority import LOW

ROOT = Path(__file__).resolve().parents[1]


def told(module: str, root: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", module, str(root)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_program_killed_at_any_step_of_a_write_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    *acts, cleared = told("tests.killed", tmp_path)
    before_and_after = {
        "upload": ("", "20"),
        "verdict": ("follow", "reject"),
        "job": ("before", "after"),
        "audit": ("whole", "whole"),
        "delete": ("data", ""),
    }
    assert [act["act"] for act in acts] == list(before_and_after)
    for act in acts:
        before, after = before_and_after[act["act"]]
        assert len(act["killed"]) >= 4, "each act flushes and renames at least once"
        assert [seen for seen, _ in groupby(act["killed"])] in ([before], [before, after], [after]), act
        assert act["done"] == after
    assert cleared["left"] > 0
    assert cleared["kept"] == [], "what was left half-written is cleared away a day later"


def test_two_servers_on_one_data_folder_lose_nothing(tmp_path: Path) -> None:
    found = told("tests.two_servers", tmp_path)[0]
    assert found["verdicts"] == {"said": ["done", "done"], "kept": 24}
    assert found["audit"] == {"said": ["done", "done"], "lines": 24, "broken": []}
    assert found["deletions"] == {"said": ["done", "done"], "kept": [], "left": []}
    uploads = found["uploads"]
    assert uploads["said"] == [["20", "deleted"]] * 12
    assert uploads["half"] == [False] * 12, "stored whole or gone whole"
    assert uploads["one of two fits"] == [[1, 1]] * 3
    run = found["run"]
    assert len(run["refusals"]) == 1, run["said"]
    assert "already at work in same; wait for it or cancel it" in run["refusals"][0]
    assert run["alive"]
    assert run["niceness"] in ([LOW, str(LOW)], []), "a training gives way, as a process and as a session"
    assert run["of"] == str(run["started"]), "the folder tells of the run that was started"
