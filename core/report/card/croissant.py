"""The cohort of a run described in Croissant 1.0 (JSON-LD): its columns, size and digest, and no patient's row.

Where the file itself is, the description does not say: patients' data are not passed on with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.figures.theme import fmt_unit
from core.icu.view import RunView
from core.registry.spec import ALIVE, Feature, RegistrySpec
from core.registry.view import RegistryView
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
Told = tuple[str, str, str]  # a column: name, kind of `MODEL`, meaning
MODEL = {"text": "sc:Text", "whole": "sc:Integer", "number": "sc:Float"}


def croissant(view: RunView | RegistryView) -> dict[str, Any]:
    """The description as a JSON document, of a run of either study. Raises `ArtifactError` where the run cannot be
    read."""
    if isinstance(view, RegistryView):
        return _described(view, _stages(view.spec), "stages", "patient")
    return _described(view, _steps(view.study), "steps", "stay")


def _described(view: RunView | RegistryView, columns: Sequence[Told], rows: str, record: str) -> dict[str, Any]:
    """rows: what its rows are, steps or stages; record: of whom; the first two columns are its keys."""
    study, cohort, manifest = view.manifest.study, view.cohort, view.manifest
    kind = "Simulated" if manifest.simulated else "Recorded"
    fields = [_field(rows, *column) for column in columns]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS,
        "name": f"{study.name}-{manifest.data_hash[:8]}",
        "description": f"{kind} {record}s. {fmt_unit(study.population)}. {cohort.n_patients:,} {record}s, "
        f"{len(cohort.frame):,} {rows}. A description of the columns alone: the rows are not part of it.",
        "version": manifest.data_hash,
        "dateCreated": manifest.created,
        "isLiveDataset": False,
        "distribution": [_file(view)],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": rows,
                "name": rows,
                "description": f"One row a {rows.removesuffix('s')} of a {record}.",
                "key": [{"@id": field["@id"]} for field in fields[:2]],
                "field": fields,
            }
        ],
    }


def _steps(study: StudySpec) -> list[Told]:
    """Columns of an ICU cohort."""
    actions = study.actions
    given = "; ".join(f"{a} {label} {fmt_unit(actions.unit)}".strip() for a, label in enumerate(actions.labels))
    return [
        ("traj", "text", "Key of the stay"),
        ("step", "whole", f"Number of the step from 0; one is {study.step_hours:g} hours"),
        *((column.name, "number", _meaning(column)) for column in study.columns),
        ("action", "whole", f"{actions.word.capitalize()} given: {given}"),
        *_ends(study),
    ]


def _stages(spec: RegistrySpec) -> list[Told]:
    """Columns of a registry."""
    days = "; ".join(f"{stage.day} {stage.name}" for stage in spec.stages)
    drugs = [
        (column, "whole", f"{decision.title}: {drug} given, 0 or 1")
        for decision in spec.decisions
        for column, drug in zip(decision.columns, decision.drugs, strict=True)
    ]
    return [
        ("patient", "text", "Key of the patient"),
        ("stage", "whole", f"Day of the stage: {days}"),
        *map(_feature, spec.features),
        (ALIVE, "whole", "1 alive at the stage, 0 dead"),
        *((one.name, "whole", f"{one.title} at the stage, 0 or 1") for one in spec.indicators),
        *drugs,
    ]


def _feature(one: Feature) -> Told:
    if one.kind == "number":
        return one.name, "number", f"{one.label or one.name} ({one.unit}), one value a patient"
    return one.name, "text", f"{one.label or one.name}: {', '.join(one.categories)}; one value a patient"


def _file(view: RunView | RegistryView) -> dict[str, Any]:
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


def _field(rows: str, name: str, kind: str, meaning: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{rows}/{name}",
        "name": name,
        "description": meaning,
        "dataType": MODEL[kind],
        "source": {"fileObject": {"@id": FILE}, "extract": {"column": name}},
    }


def _meaning(column: Column) -> str:
    known = "one value a stay" if column.kind == "static" else "one value a step"
    return f"{column.label or column.name} ({fmt_unit(column.unit)}), {known}"


def _ends(study: StudySpec) -> list[Told]:
    """The reward as given, and the outcome, as far as the study has them."""
    found: list[Told] = [(study.reward_column, "number", "Reward of the step, as given")] * bool(study.reward_column)
    if study.tells_survival:
        said = f"1 {study.survived_label}, -1 {study.died_label}; one value a stay"
        return [*found, ("outcome", "whole", said)]
    return found if study.outcome == "none" else [*found, ("outcome", "number", "One value a stay")]
