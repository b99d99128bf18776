"""Visitors who come first draw a page alone; sessions of those who left are let go of in time, whoever comes after."""

from __future__ import annotations

import asyncio
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from streamlit import runtime
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager

from app import app
from pages.components.shell import first, left
from pages.components.shell.first import alone_at_first
from pages.components.shell.left import let_go

OVER, LASTS = "over", "lasts"


class Session:
    """In place of Streamlit's: it refers to itself, as that does."""

    def __init__(self, name: str) -> None:
        self.id, self.itself = name, self


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> dict[str, weakref.ref]:
    """Two sessions without a browser, of which one has waited as long as it may."""
    storage = MemorySessionStorage(ttl_seconds=120)
    manager = WebsocketSessionManager(storage, None, None, None)  # type: ignore[arg-type]
    monkeypatch.setattr(runtime, "get_instance", lambda: SimpleNamespace(_session_mgr=manager))
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(storage._cache, "_timer", lambda: clock.now)
    kept = {}
    for name, clock.now in ((OVER, 0.0), (LASTS, 60.0)):
        session = Session(name)
        kept[name] = weakref.ref(session)
        storage.save(SimpleNamespace(client=None, session=session))  # type: ignore[arg-type]
    clock.now = 130.0
    return kept


def test_what_is_over_goes_and_what_may_come_back_stays(sessions: dict[str, weakref.ref]) -> None:
    assert let_go() == 1
    assert let_go() == 0, "it is gone, not only out of sight"
    assert sessions[LASTS]() is not None


def test_a_server_that_nobody_visits_any_more_gives_the_memory_back(
    sessions: dict[str, weakref.ref],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(left, "LOOK", 0.0)

    broken = iter([True])
    drop = left.let_go

    def fails_at_first() -> int:
        if next(broken, False):
            raise AttributeError("a name of another version")
        return drop()

    monkeypatch.setattr(left, "let_go", fails_at_first)

    async def serve_until_it_is_gone() -> None:
        async with app._user_lifespan(app):  # type: ignore[misc]  # as it is served
            for _ in range(100):
                await asyncio.sleep(0)
                if sessions[OVER]() is None:
                    return

    with ThreadPoolExecutor(1) as other:  # browser tests leave a running loop in this thread
        other.submit(asyncio.run, serve_until_it_is_gone()).result()
    assert sessions[OVER]() is None
    assert sessions[LASTS]() is not None
    assert "a name of another version" in caplog.text, "said, and the next look went on"
    assert "PhenoPolicy: http://127.0.0.1:" in capsys.readouterr().out, "the address is said once it is served"


def test_pages_are_drawn_one_after_another_the_first_time_and_beside_each_other_from_then_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(first, "_DRAWN", set())
    inside, most = threading.Semaphore(0), []
    beside: list[str] = []

    def draw(page: str) -> None:
        with alone_at_first(page):
            beside.append(page)
            most.append(len(beside))
            inside.acquire(timeout=0.05)  # time in which another one could come in
            beside.remove(page)

    def at_once(*pages: str) -> int:
        most.clear()
        visitors = [threading.Thread(target=draw, args=(page,)) for page in pages]
        for visitor in visitors:
            visitor.start()
        for visitor in visitors:
            visitor.join()
        return max(most)

    assert at_once("a", "a", "b", "c") == 1
    assert at_once("a", "b", "c") > 1
