"""Files that travel with the engine: beside it in a checkout, inside it once it is installed under its own name."""

from __future__ import annotations

from pathlib import Path

NAME = __name__.partition(".")[0]  # what the engine is imported as: "core" in a checkout, "phenopolicy" installed
ENGINE = Path(__file__).resolve().parents[1]
INSTALLED = (ENGINE / "data").is_dir()  # the build puts them inside
HOME = ENGINE if INSTALLED else ENGINE.parent


def shipped(*parts: str) -> Path:
    """A file or folder of `data/`, as `shipped("reference", "features.csv")`."""
    return HOME.joinpath("data", *parts)


def app_script() -> Path:
    """The script of the app; its pages and pictures lie beside it."""
    return HOME / "app" / "app.py" if INSTALLED else HOME / "app.py"
