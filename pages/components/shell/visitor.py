"""Whose session this is: a person who has signed in, or, on a server without sign-in, the browser that holds a key."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Literal, NoReturn

import streamlit as st

from core.access.acts import Acting, acting
from core.access.person import Person, Role, has_unchecked_email, local_person, recognized
from core.access.settings import server_settings
from core.base.text import markdown
from core.runs.folders import owner_of
from pages.components.shell.door import COOKIE, OLD_COOKIE
from pages.components.shell.places import TOKEN, new_token, rename_old

VISITOR = "phenopolicy-visitor"  # the person, in the session
_SEEN: dict[Path, bytes] = {}  # the deletions that this process knows of, by data folder
_TOLD: set[tuple[Path, Person]] = set()  # whose sign-in the audit of a data folder has been told of by this process
_TELLING = threading.Lock()
RUNS_SEEN, ON_SHOW = "phenopolicy-runs-seen", "phenopolicy-patient-on-show"


def visitor() -> Person:
    """Who asks for the page; one who has not signed in, or is on no list, gets a sentence, and the page stops."""
    person = _signed_in() if server_settings().sign_in else _holder_of_the_key()
    st.session_state[VISITOR] = person
    return person


def is_admitted() -> bool:
    """False for one who has not signed in, or is on no list."""
    settings = server_settings().sign_in
    if settings is None:
        return True
    person = recognized(dict(st.user.to_dict()), settings) if st.user.get("is_logged_in") else None
    return person is not None and person.may(Role.VIEWER)


def me() -> Acting:
    """The visitor at the engine's door."""
    return acting(st.session_state[VISITOR] if VISITOR in st.session_state else visitor())


def _holder_of_the_key() -> Person:
    """The person of this browser, who stays the same as long as the session lasts."""
    if VISITOR in st.session_state:
        found: Person = st.session_state[VISITOR]
        return found
    key = own_key()
    rename_old(key)
    return local_person(owner_of(key), server_settings())


def _signed_in() -> Person:
    settings = server_settings().sign_in
    assert settings is not None
    if not st.user.get("is_logged_in"):
        _ask("Sign in with the account that your institution gave you.")
    claims = dict(st.user.to_dict())
    person = recognized(claims, settings)
    if person is None:
        _ask("Your sign-in was made for another application or by another provider.")
    if person.expired:
        _ask("Your sign-in has ended.")
    if person.role is Role.STRANGER:
        unchecked = has_unchecked_email(claims, settings)
        _tell(person, "refused", "the address is not checked" if unchecked else "on no list")
        _refuse(person, unchecked)
    _tell(person, "sign-in")
    return person


def _tell(person: Person, what: Literal["sign-in", "refused"], detail: str = "") -> None:
    """Let the audit know who has come, once a sign-in, however many pages and tabs are opened with it.

    When it ends is part of a person, so that the next sign-in of the same one is another.
    """
    here = acting(person)
    with _TELLING:
        _TOLD.difference_update([told for told in _TOLD if told[1].expired])
        if (here.root, person) not in _TOLD:
            here.note(what, detail=detail)
            _TOLD.add((here.root, person))


def _ask(why: str) -> NoReturn:
    st.title("PhenoPolicy", anchor=False)
    st.markdown(f"{why} Research and teaching only; not a medical device.")
    st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login, key="sign-in")
    st.stop()


def _refuse(person: Person, unchecked: bool) -> NoReturn:
    why = (
        "is known to your institution, but its sign-in does not say that this address was checked, and only checked "
        "addresses are looked up on the list of those who may enter here."
        if unchecked
        else "is known to your institution, but is not on the list of those who may enter here."
    )
    st.title("PhenoPolicy", anchor=False)
    st.error(f"{markdown(person.name)} {why} Ask whoever runs this server.", icon=":material/block:")
    st.button("Sign out", icon=":material/logout:", on_click=st.logout, key="sign-out")
    st.stop()


def opened(run: str, patient: str = "") -> None:
    """Let the audit know what is on show: a run once a session, a patient each time that another one comes."""
    key = (run, patient) if patient else run
    seen: set[str] = st.session_state.setdefault(RUNS_SEEN, set())
    if key in seen or key == st.session_state.get(ON_SHOW):
        return
    me().note("patient opened" if patient else "run opened", run=run, patient=patient)
    if patient:
        st.session_state[ON_SHOW] = key
    else:
        seen.add(run)


def drop_deleted() -> None:
    """Take out of the server's memory what anybody has deleted since it was read, on the command line too."""
    here = me()
    if _SEEN.setdefault(here.root, here.deletions) != here.deletions:
        st.cache_resource.clear()
        st.cache_data.clear()
        _SEEN[here.root] = here.deletions


def who_is_here(person: Person) -> None:
    """Name, role and the way out, in the side bar; nothing on a server without sign-in."""
    if server_settings().sign_in is None:
        return
    with st.sidebar:
        st.caption(f"{markdown(person.name)} · {person.role.word}")
        st.button("Sign out", icon=":material/logout:", on_click=st.logout, type="tertiary", key="sign-out")


def own_key() -> str:
    """The key of this visitor; where the browser keeps no cookies, one that lasts as long as the session."""
    key = str(st.context.cookies.get(COOKIE, ""))
    return key if TOKEN.fullmatch(key) else new_token()


def old_owner() -> str:
    """The owner whose key stood in the link by which this session was opened, "" for none and where one signs in."""
    key = str(st.context.cookies.get(OLD_COOKIE, ""))
    return owner_of(key) if TOKEN.fullmatch(key) and server_settings().sign_in is None else ""
