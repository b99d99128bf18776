"""A model card as files: one HTML page, the same as JSON, and a Croissant description of the cohort beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from core.base.errors import ConfigError
from core.base.files import write_atomic, write_json
from core.report.card.build import model_card
from core.report.card.croissant import croissant
from core.report.card.parts import ModelCard
from core.runs.integrity import open_run
from core.runs.manifest import read_manifest
from core.runs.study import study_of
from core.sites import SiteResult


def write_model_card(run_folder: str | Path, out: str | Path, sites: Sequence[SiteResult] = ()) -> list[Path]:
    """Write OUT.html, OUT.json and OUT.croissant.json of a finished run; returns their paths.

    `ConfigError` for a name that does not end in .html, `RunError` and `ArtifactError` for a run that has no card.
    """
    page = Path(out)
    if page.suffix != ".html":
        raise ConfigError(f"{page.name}: a model card is written as .html (with .json beside it); name it so.")
    folder = Path(run_folder)
    view = open_run(study_of(read_manifest(folder).kind), folder)
    card = model_card(view, sites)
    data, described = page.with_suffix(".json"), page.with_suffix(".croissant.json")
    write_json(data, card.model_dump(mode="json"))
    write_json(described, croissant(view))
    write_atomic(page, lambda file: file.write(card_html(card).encode()))
    return [page, data, described]


def card_html(card: ModelCard) -> str:
    """The card as one page of HTML that loads nothing."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("card.html.j2").render(card=card)
