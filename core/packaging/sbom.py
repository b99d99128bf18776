"""The bill of materials of a bundle: CycloneDX 1.6 as JSON, checked against its schema.

A component is a wheel, or a JavaScript library that is built into the project's own map. What a wheel carries inside,
as Streamlit its front end, is part of that component. Nothing in the bill depends on the moment when it is made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from core.packaging.shipped import Wheel

ORIGIN = "phenopolicy:origin"  # a property of each wheel
LOCKED, OWN = "a file that requirements.lock names", "a build that is not on the public index"


def bill(
    wheels: Iterable[Wheel], needs: Mapping[str, tuple[str, ...]], root: str, foreign: Iterable[Wheel], scripts: Path
) -> str:
    """The bill as JSON text.

    needs: what each wheel needs, by name; root: the project's own name; foreign: wheels that are not the locked files;
    scripts: the folder of the map, whose package-lock.json names what is built into it.
    """
    others = {wheel.name for wheel in foreign}
    parts = {wheel.name: _wheel(wheel, root, OWN if wheel.name in others else LOCKED) for wheel in wheels}
    libraries = _libraries(scripts / "package-lock.json")
    own = parts[root]
    bom = Bom(components=[*(part for name, part in parts.items() if name != root), *libraries])
    bom.metadata.component = own
    bom.serial_number = uuid5(NAMESPACE_URL, "".join(sorted(wheel.sha256 for wheel in wheels)))
    for name, part in parts.items():
        bom.register_dependency(part, [parts[other] for other in needs[name]] + (libraries if part is own else []))
    found: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    found["metadata"].pop("timestamp", None)
    text = json.dumps(found, indent=2) + "\n"
    if fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ValueError(f"the bill of materials does not follow CycloneDX 1.6: {fault}")
    return text


def _wheel(wheel: Wheel, root: str, origin: str) -> Component:
    place = PackageURL("pypi", name=wheel.name, version=wheel.version)
    return Component(
        type=ComponentType.APPLICATION if wheel.name == root else ComponentType.LIBRARY,
        name=wheel.name,
        version=wheel.version,
        bom_ref=place.to_string(),
        purl=place,
        description=wheel.metadata["Summary"],
        licenses=[LicenseFactory().make_from_string(wheel.license)] if wheel.license else [],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=wheel.sha256)],
        properties=[] if wheel.name == root else [Property(name=ORIGIN, value=origin)],
    )


def _libraries(lock: Path) -> list[Component]:
    """What npm built into the map; tools that only build it stay out."""
    packages: dict[str, dict[str, Any]] = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    found: dict[str, Component] = {}
    for path, package in packages.items():
        if path and not package.get("dev"):
            group, _, name = path.rpartition("node_modules/")[2].rpartition("/")
            place = PackageURL("npm", group or None, name, package["version"])
            found[place.to_string()] = Component(
                type=ComponentType.LIBRARY,
                group=group or None,
                name=name,
                version=package["version"],
                bom_ref=place.to_string(),
                purl=place,
                licenses=[LicenseFactory().make_from_string(package["license"])],
            )
    return list(found.values())
