"""The page for those who run a server: every setting stands in its table with what holds unless it is set."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from core.access.settings import ServerSettings, SignIn
from core.icu.study import ICU
from core.keep.backup import AUDIT
from core.keep.holdings import LINKS, MORE, UPLOADS
from core.registry.study import REGISTRY
from core.teaching.rooms import rooms_root

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "deploy.md"
TABLE = PAGE.read_text(encoding="utf-8").partition("## All settings")[2]
ROW = re.compile(r"^\| `([a-z_.]+)` \| `?([^|`]+)`? \|", re.MULTILINE)
WORDS = {"needed": None, "nobody": (), "none": "", "true": True, "false": False}


def settings(model: type[BaseModel], group: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        inner = SignIn if name == "sign_in" else field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from settings(inner, f"{name}.")
        else:
            yield f"{group}{name}", field


def test_every_setting_stands_in_the_table_with_what_holds_unless_it_is_set() -> None:
    said = {name: value.strip() for name, value in ROW.findall(TABLE)}
    there = dict(settings(ServerSettings))
    assert said.keys() == there.keys()
    for name, field in there.items():
        assert field.is_required() == (said[name] == "needed"), name
        if not field.is_required():
            assert str(WORDS.get(said[name], said[name])) == str(field.default), name


def test_every_folder_of_data_stands_in_the_table_is_ignored_by_git_and_removed_by_make_clean() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## Where data go")[2].partition("## ")[0]
    said = set(re.findall(r"^\| `([a-z]+)` \|", table, re.MULTILINE))
    assert said == {ICU.home, REGISTRY.home, UPLOADS, LINKS, *MORE, AUDIT, rooms_root().name}
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    clean = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nclean:\n")[2].splitlines()[0].split()
    for name in said:
        assert f"data/{name}/" in ignored
        assert f"data/{name}" in clean
