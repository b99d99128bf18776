"""A visitor's key: set by the server in a cookie, never in an address, never fixed by a link."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
import streamlit

from core.access.settings import ServerSettings, SignIn
from core.icu.study import ICU
from core.runs.adopt import adopt, owned_runs
from core.runs.folders import owner_of
from core.runs.integrity import verify
from core.runs.manifest import read_manifest
from pages.components.shell.door import COOKIE, OLD_COOKIE, Door
from tests.manifests import edit_manifest

KEY = "k" * 24
SETTINGS = ServerSettings()


async def page_server(scope: dict, receive: object, send) -> None:  # type: ignore[no-untyped-def]
    """In place of Streamlit: a page for every path, and a socket that is opened for whoever comes as far."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    headers = [(b"content-type", b"text/html; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"<html></html>"})


def ask(
    path: str,
    kind: str = "http",
    scheme: str = "http",
    server: str = "127.0.0.1",
    settings: ServerSettings = SETTINGS,
    **headers: str,
) -> tuple[dict, list[tuple[str, str]]]:
    """The first message of the answer, and its headers."""
    sent: list[dict] = []

    async def receive() -> dict:
        return {"type": "http.request", "body": b""}

    async def send(message: dict) -> None:
        sent.append(message)

    where, _, query = path.partition("?")
    scope = {
        "type": kind,
        "scheme": scheme,
        "server": (server, 8501),
        "method": "GET",
        "path": where,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in {"host": "app.test", **headers}.items()],
    }
    asked = Door(page_server, settings, ("https://trusted.test",))(scope, receive, send)  # type: ignore[arg-type]
    with ThreadPoolExecutor(1) as other:  # browser tests leave a running loop in this thread
        other.submit(asyncio.run, asked).result()
    return sent[0], [(name.decode(), value.decode()) for name, value in sent[0].get("headers", [])]


def set_cookies(headers: list[tuple[str, str]]) -> dict[str, SimpleCookie]:
    return {value.partition("=")[0]: SimpleCookie(value) for name, value in headers if name == "set-cookie"}


def test_a_new_visitor_gets_a_key_that_no_script_sees_and_keeps_it() -> None:
    _, first = ask("/cohort?k=3")
    (cookie,) = (set_cookies(first)[COOKIE][COOKIE],)
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert not cookie["secure"]
    assert len(cookie.value) == 24
    assert set_cookies(ask("/", scheme="https")[1])[COOKIE][COOKIE]["secure"]
    assert set_cookies(ask("/")[1])[COOKIE][COOKIE].value != cookie.value
    assert not set_cookies(ask("/", cookie=f"a=b; {COOKIE}={cookie.value}")[1])
    assert set_cookies(ask("/", cookie=f"{COOKIE}=../../etc")[1])[COOKIE][COOKIE].value != "../../etc"


def test_an_old_link_loses_its_key_and_fixes_none() -> None:
    start, headers = ask(f"/patient?run=a&owner={KEY}&patient=3&owner=another", cookie=f"{COOKIE}={'m' * 24}")
    assert start["status"] == 303
    assert dict(headers)["location"] == "/patient?run=a&patient=3"
    brought = set_cookies(headers)
    assert COOKIE not in brought, "the visitor's own key stays what it is"
    old = brought[OLD_COOKIE][OLD_COOKIE]
    assert (old.value, old["max-age"], old["samesite"]) == (KEY, "60", "Lax")
    assert old["httponly"]
    assert not set_cookies(ask("/?owner=%0d%0aset-cookie:x=y")[1])
    assert dict(ask(f"//evil.test/?owner={KEY}")[1])["location"] == "/evil.test/"


def test_a_page_may_load_nothing_from_elsewhere() -> None:
    policy = dict(ask("/")[1])["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'self'"
    assert rules["frame-ancestors"] == "'none'"
    for rule, sources in rules.items():
        assert not any("//" in source or source in ("*", "http:", "https:") for source in sources.split()), rule
    assert rules["connect-src"] == "'self'"
    assert dict(ask("/")[1])["referrer-policy"] == "no-referrer"


def test_a_script_in_a_page_runs_only_where_streamlit_wrote_it() -> None:
    rules = dict(rule.split(" ", 1) for rule in dict(ask("/")[1])["content-security-policy"].split("; "))
    shell = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    own = [part.split("</script>")[0] for part in shell.split("<script>")[1:]]
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in own}
    assert own
    assert set(rules["script-src"].split()) == {"'self'", "'unsafe-eval'", "blob:", *hashes}


@pytest.mark.parametrize(
    ("origin", "opens"),
    [
        ("http://app.test", True),
        ("https://trusted.test", True),
        ("", True),  # no browser
        ("http://localhost:9999", False),
        ("http://app.test.evil.test", False),
        ("null", False),
    ],
)
def test_only_the_apps_own_pages_open_its_socket(origin: str, opens: bool) -> None:
    start, _ = ask("/_stcore/stream", kind="websocket", **({"origin": origin} if origin else {}))
    assert start["type"] == ("websocket.accept" if opens else "websocket.close")


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_without_sign_in_another_machine_is_not_let_in_unless_told(kind: str) -> None:
    refused = {"http": ("http.response.start", 403), "websocket": ("websocket.close", None)}[kind]
    for server in ("192.0.2.7", "0.0.0.0", "", "localhost.evil.test"):
        start, _ = ask("/", kind, server=server)
        assert (start["type"], start.get("status")) == refused, server
    for server, settings in (("::1", SETTINGS), ("192.0.2.7", ServerSettings(open_without_sign_in=True))):
        start, _ = ask("/", kind, server=server, settings=settings)
        assert (start["type"], start.get("status")) != refused, server


def test_behind_tls_every_cookie_is_secure(tmp_path: Path) -> None:
    sign_in = SignIn(
        issuer="https://id.test",
        client_id="app",
        client_secret_file=tmp_path / "secret",
        cookie_secret_file=tmp_path / "cookie",
        address="https://app.test",
        viewers=("@app.test",),
    )
    _, headers = ask("/", server="192.0.2.7", settings=ServerSettings(sign_in=sign_in))
    assert set_cookies(headers)[COOKIE][COOKIE]["secure"]


def test_the_servers_metrics_are_closed() -> None:
    assert ask("/_stcore/metrics")[0]["status"] == 404
    assert ask("/_stcore/health")[0]["status"] == 200


def test_what_a_key_of_an_address_owned_is_given_to_the_browser_that_asks(app_data: Path, tiny_run: Path) -> None:
    before, owner = owner_of(KEY), owner_of("m" * 24)
    for name, whose in (("theirs", before), ("shared", ""), ("others", owner_of("o" * 24))):
        edit_manifest(Path(shutil.copytree(tiny_run, ICU.folder / name)), owner=whose)
    for whose, name, text in ((before, "a.parquet", "a"), (before, "verdicts/v", "old"), (owner, "verdicts/v", "own")):
        path = app_data / "uploads" / whose / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert [folder.name for folder in owned_runs(before)] == ["theirs"]
    assert adopt(before, owner) == 1
    assert read_manifest(ICU.folder / "theirs").owner == owner
    verify(ICU.folder / "theirs")
    assert [read_manifest(ICU.folder / name).owner for name in ("shared", "others")] == ["", owner_of("o" * 24)]
    kept = {path.name: path.read_text() for path in (app_data / "uploads").rglob("*") if path.is_file()}
    assert kept == {"a.parquet": "a", "v": "own"}
    assert owned_runs(before) == []


def test_a_session_of_an_old_link_sees_its_runs_but_uploads_as_itself(
    open_page, app_data: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit_manifest(Path(shutil.copytree(tiny_run, app_data / "runs" / "theirs")), owner=owner_of(KEY))
    monkeypatch.setattr("pages.components.shell.session.old_owner", lambda: owner_of(KEY))
    page = open_page("overview", {"run": "theirs", "owner": "m" * 24})
    assert page.metric
    session = page.session_state["phenopolicy"]
    assert session.owner == owner_of("m" * 24)
    assert "owner" not in page.query_params
    page.button(key="old-link-keep").click().run()
    assert not page.exception
    assert read_manifest(app_data / "runs" / "theirs").owner == owner_of("m" * 24)
    assert page.metric
