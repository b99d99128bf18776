"""The licenses of what is shipped, as one text: the project's own, those of all wheels, and of the map's JavaScript."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from core.packaging.shipped import Wheel

RULE = "=" * 120


def license_text(wheels: Iterable[Wheel], scripts: Path) -> str:
    """A table of names, versions and licenses, then every text that a wheel carries.

    scripts: the folder of the map, with the licenses of what is built into it.
    """
    wheels = tuple(wheels)
    table = [f"{wheel.name:<28}{wheel.version:<20}{wheel.license or 'see the text below'}" for wheel in wheels]
    texts = [part for wheel in wheels for part in _texts(wheel)]
    script = f"{RULE}\nassets/{scripts.name} (JavaScript that is part of the project's own wheel)\n{RULE}\n\n"
    script += (scripts / "LICENSES.txt").read_text(encoding="utf-8")
    head = "Licenses of everything in this bundle: first what each wheel says of itself, then the texts that it carries"
    return "\n".join([head, "", *table, "", *texts, script])


def _texts(wheel: Wheel) -> list[str]:
    found = wheel.license_texts()
    if not found:
        stated = wheel.metadata["License"] or wheel.license or "nothing"
        found = {"METADATA": f"The wheel carries no license text. Its metadata state: {stated}\n"}
    return [
        f"{RULE}\n{wheel.name} {wheel.version}: {path}\n{RULE}\n\n{text.strip()}\n"
        for path, text in sorted(found.items())
    ]
