"""The queue of background runs: fair between owners, and the death of one, at work or waiting, harms no other."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from core.base.files import read_json
from core.runs.queue import QUEUE, SERVED, TICKET, slot

ROOT = Path(__file__).resolve().parents[2]
POLL = 0.01
WAITER = (
    "import sys, time\nfrom pathlib import Path\nfrom core.runs.queue import slot\n"
    "with slot(Path(sys.argv[1]), poll_seconds=0.02, on_wait=lambda: print('waits', flush=True), owner=sys.argv[2]):\n"
    "    print('in', flush=True)\n"
    "    time.sleep(float(sys.argv[3]))\n"
)


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(POLL)


def tickets(root: Path) -> int:
    return len(list((root / QUEUE).glob(f"*{TICKET}")))


def order_served(root: Path, owners: list[str]) -> list[str]:
    """Who was served, in order, where all came in this order while one run of the first owner was at work."""
    served: list[str] = []

    def work(name: str) -> None:
        with slot(root, poll_seconds=POLL, owner=name[0]):
            served.append(name)

    threads = []
    with slot(root, owner=owners[0]):
        for n, owner in enumerate(owners):
            threads.append(Thread(target=work, args=(f"{owner}{n}",)))
            threads[-1].start()
            until(lambda n=n: tickets(root) == n + 1)
    for thread in threads:
        thread.join(60)
    return served


def test_who_asks_for_one_run_does_not_wait_for_anothers_many(tmp_path: Path) -> None:
    served = order_served(tmp_path, ["a", "a", "a", "a", "b", "c", "b"])
    assert served == ["b4", "a0", "c5", "a1", "b6", "a2", "a3"]
    assert tickets(tmp_path) == 0


@settings(max_examples=8, deadline=None)
@given(owners=st.lists(st.sampled_from("abc"), min_size=1, max_size=6))
def test_nobodys_second_run_comes_before_anybodys_first(
    tmp_path_factory: pytest.TempPathFactory, owners: list[str]
) -> None:
    served = order_served(tmp_path_factory.mktemp("queue"), owners)
    rounds = [sum(earlier[0] == name[0] for earlier in served[:place]) for place, name in enumerate(served)]
    assert rounds == sorted(rounds), served
    for owner in "abc":  # one's own runs stay in the order in which they were asked for
        own = [int(name[1:]) for name in served if name[0] == owner]
        assert own == sorted(own)


def waiter(root: Path, owner: str, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WAITER, str(root), owner, str(seconds)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def says(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_run_that_dies_at_work_or_in_the_queue_harms_no_other(tmp_path: Path) -> None:
    first = waiter(tmp_path, "a", 60)
    assert says(first) == "in"
    second, third = waiter(tmp_path, "b", 60), None
    try:
        assert says(second) == "waits"
        third = waiter(tmp_path, "c", 0)
        assert says(third) == "waits"
        second.kill()  # the next in turn dies while it waits
        second.wait()
        first.kill()  # and so does the one at work
        first.wait()
        assert says(third) == "in"
        assert third.wait(60) == 0
    finally:
        for process in filter(None, (first, second, third)):
            process.kill()
            process.wait()
    with slot(tmp_path, owner="d"):
        assert tickets(tmp_path) == 0, "the tickets of the dead are gone"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"round": "x"}'])
def test_a_damaged_record_of_who_was_served_holds_nobody_up(tmp_path: Path, text: str) -> None:
    with slot(tmp_path, owner="a"):
        pass
    (tmp_path / QUEUE / SERVED).write_text(text)
    with slot(tmp_path, owner="b"):
        assert read_json(tmp_path / QUEUE / SERVED)["owner"] == "b"


def test_a_run_gives_its_slot_back_where_it_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), slot(tmp_path):
        raise ZeroDivisionError
    with FileLock(tmp_path / ".slot-0.lock", timeout=0):
        pass
