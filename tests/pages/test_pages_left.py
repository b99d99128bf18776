"""What a page needs is imported alone; sessions of those who left are let go of in time, whoever comes after."""

from __future__ import annotations

import asyncio
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit import runtime
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager

from app import HERE, PAGES, app
from pages.components.shell import first, left
from pages.components.shell.first import import_alone
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


def test_what_pages_need_is_imported_by_one_visitor_at_a_time_and_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = SimpleNamespace(beside=[], most=[], got=[])
    module = "import seen, time\nseen.beside.append(1)\nseen.most.append(len(seen.beside))\ntime.sleep(0.02)\n"
    monkeypatch.setitem(sys.modules, "seen", seen)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("of_a", "of_b", "later"):
        (tmp_path / f"{name}.py").write_text(f"{module}seen.beside.pop()\nseen.got.append(__name__)\n", "utf-8")
    for name in "ab":
        drawn = "import seen\nseen.got.append('drawn')\ndef f():\n    import of_no_use\n"
        (tmp_path / f"{name}.py").write_text(f"import of_{name}\n{drawn}", "utf-8")
    monkeypatch.setattr(first, "_IMPORTED", set())
    monkeypatch.setattr(first, "LATER", ("later",))
    visitors = [threading.Thread(target=import_alone, args=(tmp_path / f"{name}.py",)) for name in "aabb"]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert seen.most == [1, 1, 1]
    assert sorted(seen.got) == ["later", "of_a", "of_b"], "and no page was drawn"


def test_every_page_has_its_script_and_what_comes_later_can_be_imported() -> None:
    names = {name for pages in PAGES.values() for name, _, _ in pages}
    assert all(first.head(HERE / "pages" / f"{name}.py").body for name in names)
    assert all(find_spec(module) for module in first.LATER)
