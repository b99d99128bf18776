"""Who may enter, as what, for how long; what a role is refused at the engine's door; settings that are not usable."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from core.access.acts import Acting
from core.access.chain import lines
from core.access.person import Person, Role, has_unchecked_email, local_person, owner_of_subject, recognized
from core.access.settings import ServerSettings, SignIn, refuse_to_bind, server_settings
from core.base.errors import AccessError, ConfigError
from core.icu.study import ICU
from core.runs.folders import owner_of

ROOT = Path(__file__).resolve().parents[2]
ISSUER = "https://id.clinic.test"


def sign_in(**values: Any) -> SignIn:
    given = {
        "issuer": ISSUER,
        "client_id": "app",
        "client_secret_file": "/none",
        "cookie_secret_file": "/none",
        "address": "https://app.clinic.test",
        "viewers": ["@clinic.test"],
        "researchers": ["group:icu", "rae@clinic.test"],
        "admins": ["sub:Root-1"],
    }
    return SignIn.build(given | values)


def claims(**values: Any) -> dict[str, Any]:
    known = {"iss": ISSUER, "aud": "app", "sub": "u1", "email": "x@clinic.test", "email_verified": True}
    return known | {"iat": time.time()} | values


@pytest.mark.parametrize(
    ("told", "role"),
    [
        ({}, Role.VIEWER),
        ({"email": "X@CLINIC.TEST"}, Role.VIEWER),
        ({"email": "rae@clinic.test"}, Role.RESEARCHER),
        ({"groups": ["icu", "other"]}, Role.RESEARCHER),
        ({"groups": "icu"}, Role.RESEARCHER),
        ({"sub": "Root-1", "email": None}, Role.ADMIN),
        ({"sub": "root-1", "email": None}, Role.STRANGER),
        ({"groups": ["ICU"], "email": None}, Role.STRANGER),
        ({"email": "x@clinic.test.evil.test"}, Role.STRANGER),
        ({"email": "x@evil.test@clinic.test"}, Role.STRANGER),
        ({"email": "rae@clinic.test", "email_verified": False}, Role.STRANGER),
        ({"email": "rae@clinic.test", "email_verified": "true"}, Role.STRANGER),
        ({"email": "group:icu"}, Role.STRANGER),
        ({"email": None, "name": "rae@clinic.test", "groups": ["sub:Root-1"]}, Role.STRANGER),
    ],
)
def test_a_role_comes_from_the_lists_and_the_highest_counts(told: dict[str, Any], role: Role) -> None:
    person = recognized(claims(**told), sign_in())
    assert person is not None
    assert person.role is role


def test_an_address_that_the_provider_has_not_checked_is_told_from_one_on_no_list() -> None:
    for told, unchecked in (({}, False), ({"email_verified": None}, True), ({"email": None}, False)):
        assert has_unchecked_email(claims(**told), sign_in()) is unchecked
    assert not has_unchecked_email(claims(email_verified=None), sign_in(trust_unverified_email=True))


def test_a_claim_may_say_the_role_itself() -> None:
    settings = sign_in(viewers=[], researchers=[], admins=[], role_claim="app_role")
    roles = [recognized(claims(app_role=text), settings) for text in ("admin", ["viewer", "Researcher"], "stranger", 3)]
    assert [person.role for person in roles if person] == [Role.ADMIN, Role.RESEARCHER, Role.STRANGER, Role.STRANGER]


@pytest.mark.parametrize(
    "wrong", [{"iss": "https://evil.test"}, {"aud": "other"}, {"aud": None}, {"sub": ""}, {"sub": 7}]
)
def test_claims_of_another_provider_or_for_another_application_are_nobodys(wrong: dict[str, Any]) -> None:
    assert recognized(claims(**wrong), sign_in()) is None
    assert recognized(claims(aud=["other", "app"]), sign_in()) is not None


def test_an_owner_is_stable_and_no_visitors_key_leads_to_it() -> None:
    first, again = (recognized(claims(email=email), sign_in()) for email in ("a@clinic.test", "b@clinic.test"))
    assert first is not None
    assert again is not None
    assert first.owner == again.owner == owner_of_subject(ISSUER, "u1")
    assert first.owner != owner_of_subject(f"{ISSUER} u", "1")
    assert first.owner not in {owner_of(key) for key in ("u1", f"{ISSUER} u1", first.owner)}


def test_a_sign_in_ends_and_one_that_does_not_say_when_it_began_has_ended() -> None:
    for told, ended in (
        ({"iat": time.time() - 3700}, True),
        ({"iat": time.time() - 3500}, False),
        ({"iat": None}, True),
    ):
        person = recognized(claims(**told), sign_in(hours=1))
        assert person is not None
        assert person.expired is ended
    with pytest.raises(AccessError, match="sign in again"):
        Person("a" * 32, Role.ADMIN, until=time.time() - 1).require(Role.VIEWER, "looking")


@pytest.mark.parametrize("role", [Role.STRANGER, Role.VIEWER])
def test_a_viewer_is_refused_at_the_engines_door_and_the_audit_says_so(tmp_path: Path, role: Role) -> None:
    door = Acting(Person("a" * 32, role, "vic"), tmp_path, ServerSettings())
    run = tmp_path / "runs" / "r"
    run.mkdir(parents=True)
    acts = (
        lambda: door.start(ICU, tmp_path / "c.parquet", run),
        lambda: door.resume(run),
        lambda: door.cancel(run),
        lambda: door.share(run, True),
        lambda: door.storing(tmp_path / "uploads", 1, "cohort").__enter__(),
    )
    for act in acts:
        with pytest.raises(AccessError, match=f"is for researchers; you are a {role.word}"):
            act()
    assert not list(run.iterdir())
    assert [found.line.what for found in lines(door.trail) if found.line] == ["refused"] * len(acts)


def test_a_run_reads_nothing_but_ones_own_and_what_one_sees(tmp_path: Path) -> None:
    door = Acting(Person("a" * 32, Role.RESEARCHER), tmp_path, ServerSettings())
    for other in (tmp_path / "uploads" / ("b" * 32) / "c.parquet", Path("/etc/passwd"), tmp_path / "runs" / "r" / "x"):
        with pytest.raises(AccessError, match="a file that is not among one's uploads"):
            door.start(ICU, other, tmp_path / "r")
    mine = tmp_path / "uploads" / ("a" * 32) / "c.parquet"
    (tmp_path / "theirs").mkdir()
    with pytest.raises(AccessError, match="training into this run is for its owner"):
        door.start(ICU, mine, tmp_path / "theirs")
    for folder in (tmp_path / "uploads" / ("b" * 32) / "encoder-1", tmp_path / "uploads" / ("a" * 32) / ".." / "x"):
        with pytest.raises(AccessError, match=r"run\.encoder_folder outside of one's uploads"):
            door.start(ICU, mine, tmp_path / "r", overrides={"run.encoder_folder": str(folder)})


def test_without_an_audit_nothing_is_done_where_people_sign_in(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("a file where a folder should be", encoding="utf-8")
    me = Person("a" * 32, Role.ADMIN)
    with pytest.raises(AccessError, match="the audit cannot be written"):
        Acting(me, tmp_path, ServerSettings(sign_in=sign_in())).note("run opened", run="r")
    Acting(me, tmp_path, ServerSettings()).note("run opened", run="r")  # one user of one machine may look


def test_a_local_visitor_is_the_machines_user_unless_it_is_open_to_others() -> None:
    assert local_person("a" * 32, ServerSettings()).role is Role.ADMIN
    assert local_person("a" * 32, ServerSettings(open_without_sign_in=True)).role is Role.RESEARCHER


def test_settings_come_from_a_file_and_variables_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "server.toml"
    file.write_text("[quota]\nruns = 3\nmegabytes = 5\n", encoding="utf-8")
    monkeypatch.setenv("PHENOPOLICY_SETTINGS", str(file))
    monkeypatch.setenv("PHENOPOLICY_QUOTA__RUNS", "7")
    assert (server_settings().quota.runs, server_settings().quota.megabytes) == (7, 5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[quota]\nrun = 3", "unknown key 'quota.run'"),
        ("[quota]\nruns = -1", "'quota.runs' = -1"),
        ("[audit]\npatients = 'name'", "'audit.patients'"),
        ("[quota", "is not valid TOML"),
        ("[sign_in]\nissuer = 'http://id.clinic.test'", "begins with https://"),
        ("[sign_in]\nissuer = 'https://id.test'", "'sign_in.client_id' is missing"),
    ],
)
def test_unusable_settings_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, says: str) -> None:
    (tmp_path / "server.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PHENOPOLICY_SETTINGS", str(tmp_path / "server.toml"))
    with pytest.raises(ConfigError, match=says):
        server_settings()


def test_somebody_must_be_let_in_and_secrets_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nobody may enter"):
        sign_in(viewers=[], researchers=[], admins=[])
    short = tmp_path / "short"
    short.write_text("abc", encoding="utf-8")
    with pytest.raises(ConfigError, match="holds 3 characters"):
        _ = sign_in(cookie_secret_file=str(short)).provider
    with pytest.raises(ConfigError, match="cannot be read"):
        _ = sign_in().provider


@pytest.mark.parametrize("address", ["0.0.0.0", "", None, "192.0.2.1", "clinic.test"])
def test_a_server_without_sign_in_does_not_listen_to_other_machines(address: str | None) -> None:
    with pytest.raises(ConfigError, match="there is no sign-in"):
        refuse_to_bind(address, ServerSettings())
    refuse_to_bind(address, ServerSettings(sign_in=sign_in()))
    refuse_to_bind(address, ServerSettings(open_without_sign_in=True))
    for own in ("127.0.0.1", "localhost", "::1"):
        refuse_to_bind(own, ServerSettings())


def test_the_server_itself_refuses_in_a_sentence_and_asks_nobody_for_its_address(tmp_path: Path) -> None:
    told = tmp_path / "reached"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "tests" / "browser" / "alone"), "REACHED_OUT": str(told)}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.address", "0.0.0.0", "--server.port", "1"]
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 2
    assert "http" not in ended.stdout + ended.stderr, "no address is said of what is not served"
    assert "app: server.address = 0.0.0.0 lets other machines in, and there is no sign-in." in ended.stderr
    assert not told.exists(), told.read_text(encoding="utf-8")
