"""How a site's file is read: by a mapping of the site's own, else by the one that travels in the bundle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.cohort import Cohort, load_cohort
from core.sites.bundle import opened
from core.study import StudySpec
from core.tables.mapping import TableMapping, load_mapping, read_mapping


def read_cohort(bundle: Path, file: Path, mapping: Path | None = None) -> Cohort:
    """A site's cohort in the form of the bundle's study.

    mapping: the TOML of the site. None: the study's own or that of the bundled run, where the file is of that form; a
    file that is in the study's form needs none. Raises as `core.cohort.load_cohort`.
    """
    with opened(bundle) as (view, _):
        own, brought = load_mapping(mapping), read_mapping(view.manifest.mapping, "the bundle's mapping")
        study = view.study if brought.empty else _reading(view.study, brought)
        return replace(load_cohort(file, study, mapping=own), study=view.study)


def _reading(study: StudySpec, brought: TableMapping) -> StudySpec:
    """The study with that mapping as its own; the columns that it leaves out are gone from a run's study already."""
    kept = brought.without_lacking(study.names)
    return study.model_copy(update={"mapping": kept.model_dump(mode="json", exclude_defaults=True, exclude_none=True)})
