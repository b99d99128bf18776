"""Sign-in at a real OpenID Connect provider on this machine, through Chromium: some may enter, and some may not."""

from __future__ import annotations

import http.client
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from app_server import SIZE, free_port, serve
from visitor import PATIENCE

from core.access.chain import check, lines
from core.access.person import owner_of_subject
from core.access.settings import Audit
from core.access.trail import Trail
from core.runs.manifest import read_manifest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PEOPLE = {"rae": "rae@clinic.test", "vic": "vic@clinic.test", "stan": "stan@elsewhere.test", "una": "una@clinic.test"}
UNCHECKED = "una"  # whose address the provider has not checked
OTHER = "0" * 32


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """Issuer of a provider that knows four people."""
    mock = pytest.importorskip("oidc_provider_mock", reason="see requirements-dev.txt")
    people = [
        mock.User(sub=sub, claims={"email": email, "email_verified": sub != UNCHECKED, "name": sub.title()})
        for sub, email in PEOPLE.items()
    ]
    with mock.run_server_in_thread(user_claims=people, require_nonce=True) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture(scope="module")
def data(tiny_run: Path, provider: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of three kinds: everybody's, the researcher's own, and a stranger's."""
    root = tmp_path_factory.mktemp("clinic")
    for name, owner in (("tiny", ""), ("raes", owner_of_subject(provider, "rae")), ("others", OTHER)):
        folder = Path(shutil.copytree(tiny_run, root / "runs" / name))
        read_manifest(folder).model_copy(update={"owner": owner, "name": f"Run {name}"}).write(folder)
    return root


@pytest.fixture(scope="module")
def clinic(data: Path, provider: str) -> Iterator[str]:
    """Address of the app with sign-in."""
    (data / "secret").write_text("any", encoding="utf-8")
    (data / "cookie").write_text("c" * 40, encoding="utf-8")
    port = free_port()
    sign_in = {
        "ISSUER": provider,
        "CLIENT_ID": "phenopolicy",
        "CLIENT_SECRET_FILE": str(data / "secret"),
        "COOKIE_SECRET_FILE": str(data / "cookie"),
        "ADDRESS": f"http://127.0.0.1:{port}",
        "VIEWERS": json.dumps(["@clinic.test"]),
        "RESEARCHERS": json.dumps(["rae@clinic.test"]),
    }
    with serve(data, port=port, **{f"PHENOPOLICY_SIGN_IN__{key}": value for key, value in sign_in.items()}) as address:
        yield address


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[[], Page]]:
    """Pages of different browsers."""
    contexts = []

    def open_page() -> Page:
        contexts.append(browser.new_context(viewport=SIZE))
        contexts[-1].set_default_timeout(PATIENCE)
        return contexts[-1].new_page()

    yield open_page
    for context in contexts:
        context.close()


def sign_in(page: Page, address: str, sub: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name=sub, exact=True).click()
    page.wait_for_url(f"{address}/**")


def shake_hands(address: str, origin: str) -> int:
    """Status of the answer to a browser that would open the app's socket from a page of `origin`."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
    headers = {"Origin": origin, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    connection.request("GET", "/_stcore/stream", headers=headers | {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    status = connection.getresponse().status
    connection.close()
    return status


def test_people_see_what_their_role_gives_and_strangers_a_sentence(
    new_page: Callable[[], Page], clinic: str, data: Path
) -> None:
    rae, vic, stan = new_page(), new_page(), new_page()
    rae.goto(f"{clinic}/experiments")  # a deep link on a fresh server, which runs the page before the frame
    rae.get_by_role("button", name="Sign in", exact=True).wait_for()
    assert "Run tiny" not in rae.content()
    sign_in(rae, clinic, "rae")
    rae.get_by_text("· researcher").wait_for()
    rae.goto(f"{clinic}/experiments?run=others&owner={'k' * 24}")
    rae.get_by_text("2 runs that you may see").wait_for()
    assert "Run others" not in rae.content()

    sign_in(vic, clinic, "vic")
    vic.get_by_text("· viewer").wait_for()
    vic.goto(f"{clinic}/encoder?run=raes")
    vic.get_by_text("Training is for researchers").wait_for()
    vic.get_by_text("Run tiny").wait_for()
    assert "Run raes" not in vic.content()

    sign_in(stan, clinic, "stan")
    stan.get_by_text("is not on the list of those who may enter here").wait_for()
    assert stan.get_by_test_id("stSidebarNav").count() == 0
    stan.goto(f"{clinic}/patient?run=tiny&patient=1")
    stan.get_by_text("is not on the list of those who may enter here").wait_for()

    una = new_page()
    sign_in(una, clinic, "una")
    una.get_by_text("does not say that this address was checked").wait_for()

    (until,) = (cookie["expires"] for cookie in rae.context.cookies() if cookie["name"] == "_streamlit_user")
    assert 0 < until - time.time() < 12 * 3600 + 60, "as long as the sign-in lasts"
    rae.get_by_role("button", name="Sign out").click()
    rae.wait_for_url(lambda url: "owner" not in url and "run" not in url)
    rae.goto(f"{clinic}/experiments")
    rae.get_by_role("button", name="Sign in", exact=True).wait_for()
    assert not [cookie for cookie in rae.context.cookies() if cookie["name"].startswith("_streamlit_user")]

    assert shake_hands(clinic, clinic) == 101
    assert shake_hands(clinic, "http://127.0.0.1:1") == 403
    trail = Trail(data, Audit())
    assert check(trail).broken == ()
    every = [(found.line.name, found.line.what, found.line.run) for found in lines(trail) if found.line]
    told = set(every)
    for who, what in (
        ("rae@clinic.test", "sign-in"),
        ("stan@elsewhere.test", "refused"),
        ("una@clinic.test", "refused"),
    ):
        assert every.count((who, what, "")) == 1, "once a sign-in, however many pages were opened with it"
    assert {("rae@clinic.test", "sign-in", ""), ("vic@clinic.test", "run opened", "tiny")} <= told
    assert {what for name, what, _ in told if name == "stan@elsewhere.test"} == {"refused"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (data / "audit").iterdir())
