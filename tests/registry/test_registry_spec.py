"""The registry's definition: the published shape, and every contradiction named."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import StudyError
from core.registry import RegistrySpec, load_registry_spec
from core.study import STUDIES


@pytest.fixture
def values() -> dict[str, Any]:
    return tomllib.loads((STUDIES / "transplant.toml").read_text(encoding="utf-8"))


def test_shipped_registry_has_the_published_shape() -> None:
    spec = load_registry_spec()
    assert spec.days == (0, 100, 180, 365, 730, 1460)
    shape = {d.name: (len(d.drugs), d.stages) for d in spec.decisions}
    assert shape == {
        "conditioning": (19, (0,)),
        "prophylaxis": (14, (0,)),
        "acute": (18, (1, 2)),
        "chronic": (24, (1, 2, 3, 4)),
    }
    assert spec.rewards == {"alive": 1.0, "acute_gvhd": 0.8, "chronic_gvhd": 0.7, "relapse": 0.0, "dead": 0.0}
    assert (spec.learned, spec.passing, spec.ending) == (
        ("acute", "chronic"),
        ("acute_gvhd", "chronic_gvhd"),
        ("relapse",),
    )
    assert spec.gamma == 0.99
    assert spec.horizon == 5


def test_columns_are_unique_and_hold_every_drug() -> None:
    spec = load_registry_spec("transplant")
    assert len(set(spec.columns)) == len(spec.columns) == 2 + 10 + 4 + 19 + 14 + 18 + 24
    assert spec.decision("acute").columns[0] == "acute:systemic corticosteroids"


def test_json_copy_rebuilds_the_same_registry() -> None:
    spec = load_registry_spec()
    assert RegistrySpec.from_values(spec.model_dump(mode="json"), "copy") == spec
    assert load_registry_spec(spec) is spec


def test_another_registry_comes_from_another_file(tmp_path: Path) -> None:
    text = (STUDIES / "transplant.toml").read_text(encoding="utf-8").replace('name = "transplant"', 'name = "mine"', 1)
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    assert load_registry_spec(tmp_path / "mine.toml").name == "mine"


def test_version_1_is_read_as_naming_what_it_took_for_granted(values: dict[str, Any]) -> None:
    first = {key: value for key, value in values.items() if key != "indicators"} | {"schema_version": 1}
    first["decisions"] = [
        {key: value for key, value in decision.items() if key not in ("learned", "treats")}
        for decision in first["decisions"]
    ]
    assert RegistrySpec.from_values(first, "old") == load_registry_spec()


def _set(values: dict[str, Any], path: tuple[str | int, ...], value: Any) -> None:
    at: Any = values
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("stages", 2, "day"), 50, "days increase"),
        (("stages", 1, "name"), "transplant", "twice"),
        (("features", 0, "name"), "alive", "reserved"),
        (("features", 0, "name"), "acute:age", "colon"),
        (("features", 0, "plausible"), [5.0, 1.0], "low < high"),
        (("features", 1, "categories"), ["female"], "two different"),
        (("decisions", 2, "stages"), [1, 3], "consecutive"),
        (("decisions", 2, "stages"), [5], "last stage is the outcome"),
        (("decisions", 2, "name"), "../surgery", "pattern"),
        (("decisions", 2, "name"), "encoder", "reserved"),
        (("decisions", 2, "treats"), "fever", "indicators are acute_gvhd"),
        (("indicators", 0, "name"), "outcome", "reserved"),
        (("indicators", 0, "name"), "age", "reserved"),
        (("rewards", "fever"), 0.5, "fever"),
        (("schema_version",), 1, "schema_version"),
        (("decisions", 1, "drugs"), ["MMF", "MMF"], "twice"),
        (("decisions", 1, "drugs"), ["A+B"], "separator"),
        (("gamma",), 1.5, "gamma"),
        (("colour",), "red", "colour"),
    ],
)
def test_a_contradiction_is_named(values: dict[str, Any], path: tuple[str | int, ...], value: Any, said: str) -> None:
    _set(values, path, value)
    with pytest.raises(StudyError, match=said):
        RegistrySpec.from_values(values, "test")


def test_unreadable_files_are_study_errors(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="does not exist"):
        load_registry_spec(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("stages = [", encoding="utf-8")
    with pytest.raises(StudyError, match="not valid TOML"):
        load_registry_spec(tmp_path / "bad.toml")
    with pytest.raises(StudyError, match="not in registry"):
        load_registry_spec().decision("surgery")
