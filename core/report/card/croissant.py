"""The cohort of a run described in Croissant 1.0 (JSON-LD): its columns, size and digest, and no patient's row.

Where the file itself is, the description does not say: patients' data are not passed on with it.
"""

from __future__ import annotations

from typing import Any

from core.figures.theme import fmt_unit
from core.icu.view import RunView
from core.study import Column, StudySpec

CONFORMS = "http://mlcommons.org/croissant/1.0"
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
FILE = "cohort.parquet"
MODEL = {"text": "sc:Text", "whole": "sc:Integer", "number": "sc:Float"}


def croissant(view: RunView) -> dict[str, Any]:
    """The description as a JSON document. Raises `ArtifactError` where the run cannot be read."""
    study, cohort, manifest = view.study, view.cohort, view.manifest
    kind = "Simulated" if manifest.simulated else "Recorded"
    fields = [
        _field("traj", "text", "Key of the stay"),
        _field("step", "whole", f"Number of the step from 0; one is {study.step_hours:g} hours"),
        *(_field(column.name, "number", _meaning(column)) for column in study.columns),
        _field("action", "whole", f"{view.study.actions.word.capitalize()} given: " + "; ".join(_doses(view))),
        *_ends(study),
    ]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS,
        "name": f"{study.name}-{manifest.data_hash[:8]}",
        "description": f"{kind} stays. {fmt_unit(study.population)}. {cohort.n_patients:,} stays, "
        f"{len(cohort.frame):,} steps. A description of the columns alone: the rows are not part of it.",
        "version": manifest.data_hash,
        "dateCreated": manifest.created,
        "isLiveDataset": False,
        "distribution": [_file(view)],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "steps",
                "name": "steps",
                "description": "One row a step of a stay.",
                "key": [{"@id": "steps/traj"}, {"@id": "steps/step"}],
                "field": fields,
            }
        ],
    }


def _file(view: RunView) -> dict[str, Any]:
    """The file that is meant, by its digest; not where it lies."""
    told = {
        "@type": "cr:FileObject",
        "@id": FILE,
        "name": FILE,
        "description": "Not distributed with this description.",
        "contentUrl": FILE,
        "encodingFormat": "application/vnd.apache.parquet",
    }
    digest = view.manifest.files.get(FILE)
    return told | ({"sha256": digest} if digest else {})


def _field(name: str, kind: str, meaning: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"steps/{name}",
        "name": name,
        "description": meaning,
        "dataType": MODEL[kind],
        "source": {"fileObject": {"@id": FILE}, "extract": {"column": name}},
    }


def _meaning(column: Column) -> str:
    known = "one value a stay" if column.kind == "static" else "one value a step"
    return f"{column.label or column.name} ({fmt_unit(column.unit)}), {known}"


def _ends(study: StudySpec) -> list[dict[str, Any]]:
    """The reward as given, and the outcome, as far as the study has them."""
    found = [_field(study.reward_column, "number", "Reward of the step, as given")] if study.reward_column else []
    if study.tells_survival:
        said = f"1 {study.survived_label}, -1 {study.died_label}; one value a stay"
        return [*found, _field("outcome", "whole", said)]
    return found if study.outcome == "none" else [*found, _field("outcome", "number", "One value a stay")]


def _doses(view: RunView) -> list[str]:
    actions = view.study.actions
    return [f"{a} {label} {fmt_unit(actions.unit)}".strip() for a, label in enumerate(actions.labels)]
