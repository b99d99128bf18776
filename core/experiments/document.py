"""The tables of an experiment in two files, tables.json and tables.md, with the sentences that belong to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from core.base.files import read_json, read_table, write_atomic, write_json
from core.experiments import tables as make
from core.experiments.choice_tables import choice_table, findings
from core.experiments.choose import TABLE as CHOICES
from core.experiments.estimator_summary import markdown as lab_markdown
from core.experiments.published import COHORTS
from core.experiments.repeats import RECORD, TABLE
from core.experiments.settings import ExperimentSettings
from core.experiments.testing import smallest_sign_flip
from core.icu.config import load_preset
from core.runs.document import SMALL
from core.runs.manifest import now

SIMULATED = (
    "These patients are simulated. A simulated cohort is not the published one: the published numbers stand beside "
    "ours to compare the shape of the tables, and no agreement or disagreement with them says anything about "
    "real patients."
)
RETROSPECTIVE = (
    "A retrospective policy weighs phenotypes by the whole stay, which nobody has while treating; it can be estimated "
    "but not rolled out, so it has no true value."
)
ABROAD = {
    "own": (
        "On the external cohort the clinicians' probabilities, which every estimate divides by, are those of the "
        "cohort's own clinicians in similar states of its other patients; policies and critics come from the "
        "development cohort."
    ),
    "development": (
        "On the external cohort the clinicians' probabilities, which every estimate divides by, are those of similar "
        "training states of the development cohort. Where clinicians abroad dose otherwise, PHWIS and PHWDR are "
        "biased, and neither their intervals nor the ESS show it."
    ),
}
EFFECTIVE = (
    "ESS is the effective sample size of PHWIS, in patients; an estimate that rests on few of them is no evidence. "
    "'Supported' counts the repeats whose estimate the records support (yes), support weakly, or do not support (no), "
    "by ESS, weights, rare doses and disagreement of the estimators; of a difference, the worse of its two policies."
)
LAB = "lab"  # the estimator lab's folder
TABLES_JSON, TABLES_MD = "tables.json", "tables.md"
SHOWN_CHOICES = 40  # rows in Markdown; all are in JSON
Row = dict[str, Any]
Column = tuple[str, Callable[[Row], str]]


def write_tables(folder: Path) -> dict[str, Any]:
    """Make all tables of an experiment's folder and write them as JSON and Markdown; returns the document."""
    document = build_document(folder)
    write_json(folder / TABLES_JSON, document)
    write_atomic(folder / TABLES_MD, lambda file: file.write(as_markdown(document).encode()))
    return document


def build_document(folder: Path) -> dict[str, Any]:
    """{"name", "written", "machine", "cells", "statements", "tables": {name: rows}}; NaN becomes null."""
    record, table = read_json(folder / RECORD), read_table(folder / TABLE)
    settings = ExperimentSettings.build(record["settings"], where=str(folder / RECORD))
    development = settings.config(settings.presets[0], settings.repeats[0]).run.fractions
    ratio = development[2] / development[0]
    choices = read_table(folder / CHOICES) if (folder / CHOICES).is_file() else None
    document = {
        "name": record["name"],
        "title": settings.title,
        "written": now(),
        "computed": record["written"],
        "machine": record["machine"],
        "settings": record["settings"],
        "cells": record["cells"],
        "statements": statements(settings, table),
        "choice": [] if choices is None else findings(choices, settings.choice),
        "lab": read_json(folder / LAB / "summary.json") if (folder / LAB / "summary.json").is_file() else None,
        "tables": {
            "values": make.value_table(table),
            "gains_over_clinicians": make.gain_table(table, "clinician", ratio),
            "fused_against_others": make.gain_table(table, "fused", ratio),
            "ablations": make.ablation_table(table),
            "truth": make.truth_table(table),
            "shape": make.shape_table(table),
            "choice": [] if choices is None else choice_table(choices),
        },
    }
    return make.plain(document)


def statements(settings: ExperimentSettings, table: pd.DataFrame) -> list[str]:
    """What a reader must know before reading a number."""
    n, smallest = len(settings.repeats), smallest_sign_flip(len(settings.repeats))
    share = settings.config(settings.presets[0], settings.repeats[0]).run.fractions[2]
    never = "; it can therefore never be below 0.05" if smallest >= 0.05 else ""
    said = [SIMULATED] if table["simulated"].any() else []
    said.append(
        f"{n} repeats are {n} random splits of the same patients, not folds: two test parts share about "
        f"{100 * share:.0f} % of their patients and the training parts overlap far more, so repeats are not "
        "independent and the plain t test is too sure of itself; the corrected t test widens the variance for that "
        "(Nadeau and Bengio). On the external cohort every repeat is tested on the same patients, so its spread over "
        "repeats is that of training alone, and no corrected test exists."
    )
    said.append(
        f"With {n} repeats the exact sign-flip test cannot give a p below {smallest:.4g}, before any correction{never}."
        " Holm's correction counts all policies compared within one preset, cohort and estimator."
    )
    tested = int(table["n"].min())
    if tested < SMALL:
        said.append(f"Some values here rest on {tested} test patients: too few for any conclusion.")
    changes = [sentence for preset in settings.presets if (sentence := _changes(settings, preset))]
    external = table[table["cohort"] == "external"]
    whose = external["clinicians"] if "clinicians" in external else pd.Series("development", index=external.index)
    abroad = [ABROAD[name] for name in whose.fillna("development").unique()]
    return [*said, *abroad, RETROSPECTIVE, EFFECTIVE, *changes]


def _changes(settings: ExperimentSettings, preset: str) -> str:
    """What the experiment sets otherwise than the preset does."""
    given = load_preset(preset).model_dump(mode="json")
    changed = []
    for key, value in settings.changed(preset).items():
        group, _, field = key.partition(".")
        before = given[group].get(field)
        if before != value:
            changed.append(f"{key} = {value} (preset: {before})")
    return f"Preset {preset} runs here with {', '.join(changed)}." if changed else ""


def as_markdown(document: dict[str, Any]) -> str:
    """The document as a page of text and tables."""
    machine, cells, tables = document["machine"], document["cells"], document["tables"]
    hours = sum(cell["seconds"] for cell in cells) / 3600
    lines = [f"# Experiment {document['name']}", ""]
    lines += [document["title"], ""] if document["title"] else []
    lines += [
        f"Computed {document['computed']} on {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}; "
        f"{len(cells)} runs, {hours:.2f} hours of run time in sum. Research and teaching only.",
        "",
    ]
    lines += [f"- {sentence}" for sentence in document["statements"]]
    for heading, name, columns in SECTIONS:
        for title, rows in _parts(tables[name]):
            lines += ["", f"## {heading}: {title}", "", *markdown(rows, columns)]
    if document["choice"]:
        lines += ["", "## Settings by true value, on tuning seeds", ""]
        lines += [f"- {sentence}" for sentence in document["choice"]]
        lines += ["", *markdown(tables["choice"][:SHOWN_CHOICES], CHOICE)]
    if document["lab"]:
        lines += ["", lab_markdown(document["lab"]).replace("\n#", "\n##").replace("# ", "## ", 1).rstrip()]
    return "\n".join(lines) + "\n"


def _parts(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Rows of each cohort and preset under their title."""
    parts: dict[str, list[Row]] = {}
    for row in rows:
        kind = "simulated, like " if row["simulated"] else ""
        like = COHORTS.get(row["like"], row["like"])
        title = f"{row['cohort']} cohort ({kind}{like}), preset {row['preset']}"
        parts.setdefault(title, []).append(row)
    return list(parts.items())


def markdown(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """Lines of a Markdown table: (heading, cell of a row) a column."""
    head = ["| " + " | ".join(heading for heading, _ in columns) + " |", "|" + "---|" * len(columns)]
    return head + ["| " + " | ".join(cell(row) for _, cell in columns) + " |" for row in rows]


def text(key: str) -> Callable[[Row], str]:
    return lambda row: str(row[key])


def number(key: str, digits: int = 2) -> Callable[[Row], str]:
    return lambda row: shown(row.get(key), digits)


def spread(key: str, digits: int = 2) -> Callable[[Row], str]:
    """Mean ± SD over repeats."""
    return lambda row: (
        shown(row.get(f"{key}_mean"), digits)
        + (f" ± {shown(row[f'{key}_sd'], digits)}" if known(row.get(f"{key}_sd")) else "")
    )


def covers(key: str) -> Callable[[Row], str]:
    """In how many repeats the interval holds the true value."""
    return lambda row: f"{row[key]} of {row['repeats']}" if known(row.get(key)) else ""


def known(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def shown(value: Any, digits: int) -> str:
    return f"{value:.{digits}f}" if known(value) else ""


def _grades(row: Row) -> str:
    """Repeats of each grade: "3 yes, 1 weak, 1 no"."""
    counts = ((row["supported"], "yes"), (row["weak"], "weak"), (row["not_supported"], "no"))
    return ", ".join(f"{count} {word}" for count, word in counts if count)


NAME: Column = ("policy", text("name"))
SUPPORT: Column = ("supported", _grades)
CHOICE: list[Column] = [
    ("policy", text("policy")),
    ("kind", text("kind")),
    ("lambda", number("lambda_")),
    ("temperature", number("temperature")),
    ("epochs", number("epochs", 0)),
    ("batch size", number("batch_size", 0)),
    ("true value", number("true_value")),
    ("SE", number("se")),
    ("gain over clinicians", number("gain")),
    ("SE", number("gain_se")),
    ("true survival, %", number("true_survival_percent", 1)),
]
TESTS: list[Column] = [
    NAME,
    ("estimator", lambda row: row["estimator"].upper()),
    ("difference", spread("difference")),
    SUPPORT,
    ("p, t", number("p_t", 4)),
    ("p, corrected t", number("p_corrected", 4)),
    ("p, sign-flip", number("p_flip", 4)),
    ("Holm, corrected t", number("p_corrected_holm", 4)),
    ("Holm, sign-flip", number("p_flip_holm", 4)),
    ("published difference", number("published_difference")),
]
SECTIONS: list[tuple[str, str, list[Column]]] = [
    (
        "Values",
        "values",
        [
            NAME,
            ("PHWIS", spread("phwis")),
            ("PHWDR", spread("phwdr")),
            ("expected survival, %", spread("esr_percent", 1)),
            ("mean ESS", number("ess_mean", 1)),
            SUPPORT,
            ("published PHWIS", spread("published_phwis")),
            ("published PHWDR", spread("published_phwdr")),
            ("published survival, %", spread("published_esr_percent")),
        ],
    ),
    (
        "True values",
        "truth",
        [
            NAME,
            ("true value", spread("true_value")),
            ("SE", number("true_se")),
            ("true survival, %", spread("true_survival_percent", 1)),
            SUPPORT,
            ("PHWIS", number("phwis_mean")),
            ("its error", number("phwis_error")),
            ("interval holds the truth", covers("phwis_covers")),
            ("PHWDR", number("phwdr_mean")),
            ("its error", number("phwdr_error")),
            ("interval holds the truth", covers("phwdr_covers")),
            ("FQE", number("fqe_mean")),
        ],
    ),
    ("Gain over the clinicians", "gains_over_clinicians", TESTS),
    ("Difference from HOPAS-B", "fused_against_others", TESTS),
    (
        "Ablations of HOPAS-B",
        "ablations",
        [
            NAME,
            ("estimator", lambda row: row["estimator"].upper()),
            ("value without", spread("without")),
            ("added by the part", spread("added")),
            SUPPORT,
            ("published", number("published_added")),
        ],
    ),
    (
        "How the policies dose",
        "shape",
        [
            NAME,
            ("entropy (1 is uniform)", spread("entropy", 3)),
            ("top probability", spread("max_probability", 3)),
            ("distance from uniform", spread("distance_from_uniform", 3)),
            ("distance from clinicians", spread("distance_from_clinicians", 3)),
            ("agrees with clinicians", spread("concordance_rate", 3)),
            ("advice without data", spread("unsupported_share", 3)),
        ],
    ),
]
