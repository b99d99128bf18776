"""The pages that `make docs` writes: every public name is on them, and they load nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import core

ROOT = Path(__file__).resolve().parents[2]


def test_make_docs_writes_every_public_name_and_loads_nothing(tmp_path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    doors = re.search(r"^DOORS\s*:=([^#\n]*)", makefile, re.MULTILINE)
    assert doors is not None
    command = [sys.executable, "-m", "pdoc", "--output-directory", str(tmp_path), *doors[1].split()]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    pages = {
        path.relative_to(tmp_path).as_posix(): path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html")
    }
    assert {f"{door.replace('.', '/')}.html" for door in doors[1].split()} <= pages.keys()
    assert all(f'id="{name}"' in pages["core.html"] for name in core.__all__)
    loaded = re.compile(r'<(?:script|link|img)[^>]*(?:src|href)="(?:https?:)?//')
    assert [name for name, page in pages.items() if loaded.search(page)] == []
