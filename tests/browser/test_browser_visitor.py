"""The key of a visitor in a real browser: in no address, no script, no log; a link cannot fix it."""

from __future__ import annotations

from collections.abc import Callable

from visitor import Tab

from pages.components.shell.door import COOKIE, OLD_COOKIE

KEY = "the-key-of-an-old-link-0"


def test_the_key_lives_in_a_cookie_alone_and_an_old_link_loses_its_own(new_tab: Callable[[], Tab]) -> None:
    tab = new_tab()
    tab.open("")
    cookies = {cookie["name"]: cookie for cookie in tab.page.context.cookies()}
    own = cookies[COOKIE]
    assert own["httpOnly"]
    assert own["sameSite"] == "Lax"
    assert "phenopolicy" not in tab.page.evaluate("document.cookie")
    assert own["value"] not in tab.page.url
    assert own["value"] not in tab.page.content()
    tab.open(f"cohort?owner={KEY}&k=4")
    assert "owner" not in tab.page.url
    assert "k=4" in tab.page.url
    cookies = {cookie["name"]: cookie for cookie in tab.page.context.cookies()}
    assert cookies[COOKIE]["value"] == own["value"]
    assert cookies[OLD_COOKIE]["httpOnly"]
    tab.page.reload()
    tab.rest()
    again = {cookie["name"]: cookie["value"] for cookie in tab.page.context.cookies()}
    assert again[COOKIE] == own["value"]
