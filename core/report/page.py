"""One HTML file of a run: sections filled into a template that escapes all text, figures drawn by one library."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from core.base.errors import RunError
from core.base.files import read_table, write_atomic
from core.experiments.published import published
from core.experiments.repeats import TABLE
from core.icu.panels import ESTIMATORS, PanelFigure
from core.icu.view import RunView
from core.registry.view import RegistryView
from core.report.against import against_the_clinicians
from core.report.limits import the_limits
from core.report.parts import Section
from core.report.policies import the_policies
from core.report.registry import registry_sections
from core.report.sections import parameters, the_cohort, the_phenotypes, the_run
from core.runs.integrity import open_run
from core.runs.manifest import now, read_manifest
from core.runs.study import study_of
from core.study import StudySpec

TEMPLATE = "report.html.j2"
# What JSON may hold but a script element may not: an end tag, and two line ends that old parsers refuse.
UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def write_report(run_folder: str | Path, out: str | Path, experiment: str | Path | None = None) -> Path:
    """Write the report of a finished run to the file `out`; returns its path. `RunError` where the run is unfinished.

    experiment: folder of repeats for the box plots (default: the one that the run is a cell of, if any).
    """
    folder = Path(run_folder)
    page = render_report(open_run(study_of(read_manifest(folder).kind), folder), experiment)
    write_atomic(Path(out), lambda file: file.write(page.encode("utf-8")))
    return Path(out)


def render_report(view: RunView | RegistryView, experiment: str | Path | None = None) -> str:
    """The report as HTML text."""
    if not view.complete:
        raise RunError(f"run '{view.manifest.name}' is not finished; resume it, then write its report.")
    sections = registry_sections(view) if isinstance(view, RegistryView) else _sections(view, experiment)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(TEMPLATE).render(
        name=view.manifest.name,
        simulated=view.manifest.simulated,
        written=now(),
        facts=view.manifest,
        study=view.manifest.study.title,
        sections=sections,
        figures=[(plot.name, figure_json(plot)) for plot in _figures(sections)],
        plotly=Markup(get_plotlyjs()),
    )


def _sections(view: RunView, experiment: str | Path | None) -> list[Section]:
    """Of a run of the ICU study."""
    repeats, published = _repeats(view, experiment)
    return [
        the_run(view),
        the_cohort(view),
        the_phenotypes(view),
        against_the_clinicians(view),
        the_policies(view, repeats, published),
        the_limits(view),
        parameters(view),
    ]


def _figures(sections: Sequence[Section]) -> list[PanelFigure]:
    return [plot for section in sections for plot in section.figures]


def figure_json(plot: PanelFigure) -> Markup:
    """Data and layout as JSON that is safe inside a script element; WebGL traces become vectors, which print."""
    parsed = json.loads(plot.figure.to_json())
    for trace in parsed["data"]:
        if trace.get("type") == "scattergl":
            trace["type"] = "scatter"
    parsed["layout"].pop("width", None)
    text = json.dumps({"data": parsed["data"], "layout": parsed["layout"]}, separators=(",", ":"))
    for character, safe in UNSAFE.items():
        text = text.replace(character, safe)
    return Markup(text)


def _repeats(view: RunView, experiment: str | Path | None) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Repeats of the experiment and the published values beside them; nothing where there is no experiment."""
    folder = view.path.resolve().parents[1] if experiment is None else Path(experiment)
    if not (folder / TABLE).is_file():
        return None, None
    repeats = read_table(folder / TABLE)
    return repeats, published_means(repeats, view.study)


def published_means(repeats: pd.DataFrame, study: StudySpec | None = None) -> pd.DataFrame:
    """Published means of the policies and cohorts of a table of repeats: cohort, policy, estimator, value.

    study: whose publication is meant, as in `published`.
    """
    rows = []
    for cohort, like, policy in repeats[["cohort", "like", "policy"]].drop_duplicates().itertuples(index=False):
        found = published(like, policy, study)
        values = {name: found[f"{name}_mean"] for name in ESTIMATORS}
        rows += [(cohort, policy, name, value) for name, value in values.items() if value is not None]
    return pd.DataFrame(rows, columns=["cohort", "policy", "estimator", "value"])
