"""A data folder of its own for every test, and pages run as Streamlit runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]
OWNER = "a-token-of-this-test-only"
TIMEOUT = 60

OpenPage = Callable[..., AppTest]


def as_visitor(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """Let sessions that begin from now on be those of the browser that holds this key."""
    monkeypatch.setattr("pages.components.shell.visitor.own_key", lambda: key)


@pytest.fixture
def app_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder that the pages use instead of the project's."""
    monkeypatch.setenv("PHENOPOLICY_DATA", str(tmp_path))
    (tmp_path / "runs").mkdir()
    return tmp_path


@pytest.fixture
def app_run(app_data: Path, tiny_run: Path) -> str:
    """Name of a finished run that the pages can show."""
    (app_data / "runs" / "tiny").symlink_to(tiny_run, target_is_directory=True)
    return "tiny"


@pytest.fixture
def open_page(app_data: Path, monkeypatch: pytest.MonkeyPatch) -> OpenPage:
    """Run one page with query parameters, of which "owner" is the visitor's cookie; a test without errors is asserted
    here, so that no page may crash."""

    def open_one(name: str, params: Mapping[str, str] | None = None) -> AppTest:
        page = AppTest.from_file(str(ROOT / "pages" / f"{name}.py"), default_timeout=TIMEOUT)
        asked = {"owner": OWNER, **(params or {})}
        as_visitor(monkeypatch, asked.pop("owner"))
        for key, value in asked.items():
            page.query_params[key] = value
        page.run()
        assert not page.exception, page.exception[0].message
        return page

    return open_one
