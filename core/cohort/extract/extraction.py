"""Extract the cohort of a study from an EHR database: stays in steps around their onset, while in the unit.

Tables are read by DuckDB, each large one once, restricted to the stays and codes that are wanted, and spilled to disk
when memory is short. A patient's several stays are several trajectories, unless `first_stay_only`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import ModuleType

from core.base.errors import ExtractError
from core.cohort.extract import clif, eicu, meds, mimic_iv
from core.cohort.extract.clocks import clocks
from core.cohort.extract.concepts import Concepts, load_concepts
from core.cohort.extract.drugs import standardize
from core.cohort.extract.faults import in_words, not_utf8
from core.cohort.extract.infection import suspect
from core.cohort.extract.manifest import CopyManifest, read_manifest
from core.cohort.extract.notes import definitions, provenance
from core.cohort.extract.options import ExtractOptions, plan_window, scaled_study
from core.cohort.extract.portions import assemble_selected
from core.cohort.extract.readings import count_implausible, prepare, read_streams, streams_of
from core.cohort.extract.relation import hidden
from core.cohort.extract.result import Extraction
from core.cohort.extract.select import (
    count_source,
    eligible,
    find_low_platelets,
    find_sepsis3,
    limit_candidates,
    select_stays,
)
from core.cohort.extract.source import connect, open_source, open_tables
from core.cohort.extract.steps import BODY, CARE, DRUGS
from core.cohort.extract.unread import tell_persons, tell_unread
from core.cohort.extract.watch import Watch, Watched
from core.cohort.extract.work import Work
from core.study import StudySpec, load_study
from core.tables.report import Exclusion

PARTS = ("stays", "drugs and fluids", "output and ventilation", "selecting stays", "steps")  # beside the streams
READERS: dict[str, ModuleType] = {"mimic-iv": mimic_iv, "eicu": eicu, "meds": meds, "clif": clif}


def extract(
    database: str,
    source: str | Path,
    options: ExtractOptions | None = None,
    study: StudySpec | str | Path | None = None,
    watch: Watch | None = None,
) -> Extraction:
    """The study's cohort from the tables in `source`: a folder, a DuckDB file or a PostgreSQL connection string.

    watch: is told how far the work is. Raises `ExtractError` naming every missing table and column, a time that cannot
    be read, a column of the study that the database has no concept for, or where no stay is left.
    """
    import duckdb

    options = options or ExtractOptions()
    concepts = load_concepts(database)
    spec = scaled_study(load_study(study), options.step_hours)
    _check_study(spec, concepts)
    plan_window(options, spec)
    latin: frozenset[str] = frozenset()
    watch = watch or Watch()
    while True:
        try:
            return _attempt(concepts, source, options, spec, latin, watch)
        except duckdb.OutOfMemoryException:
            raise ExtractError(
                f"{hidden(source)} does not fit into {options.memory_gb:g} GB of memory; raise memory_gb, or lower "
                f"threads."
            ) from None
        except duckdb.Error as error:
            files = _files(source)
            named = not_utf8(str(error), (file.name for file in files)) - latin
            if not named:
                raise in_words(error, hidden(source), files, watch.part) from error
            latin |= named


def extracting(
    database: str, source: str | Path, options: ExtractOptions, study: StudySpec | str | Path | None = None
) -> Watched[Extraction]:
    """`extract` that yields how far it is, and then holds the extraction as `result`."""
    return Watched(lambda watch: extract(database, source, options, study, watch))


def extract_mimic_iv(
    source: str | Path, options: ExtractOptions | None = None, study: StudySpec | str | Path | None = None
) -> Extraction:
    """`extract` from MIMIC-IV tables in `source`/hosp and `source`/icu."""
    return extract("mimic-iv", source, options, study)


def _files(source: str | Path) -> list[Path]:
    """The CSV files of a folder."""
    path = Path(str(source))
    return sorted(path.rglob("*.csv*")) if path.is_dir() else []


def _attempt(
    concepts: Concepts,
    source: str | Path,
    options: ExtractOptions,
    study: StudySpec,
    latin: frozenset[str],
    watch: Watch,
) -> Extraction:
    with tempfile.TemporaryDirectory(prefix="phenopolicy-") as scratch:
        db = connect(Path(scratch), options.memory_gb, options.threads)
        try:
            found = open_tables(db, open_source(db, source, concepts, Path(scratch), latin), concepts)
            work = Work(db, concepts, options, study, plan_window(options, study), found, watch)
            watch.begin(db, len(concepts.streams) + len(PARTS))
            copied = read_manifest(Path(str(source)))
            for name in copied.latin if copied else sorted(latin):
                work.losses.append(f"{name} is not UTF-8; it was read as Latin-1.")
            return _extract(work, READERS[concepts.database], hidden(source), copied)
        finally:
            db.close()


def _extract(work: Work, reader: ModuleType, source: str, copied: CopyManifest | None) -> Extraction:
    reader.check(work)
    work.clocks = clocks(work)
    tell_unread(work)
    population = _population(work, reader)
    work.watch.at(PARTS[0])
    reader.read_stays(work)
    tell_persons(work)
    if population == "sepsis-3":
        reader.read_infection(work)
        suspect(work)
    prepare(work)
    _read_values(work, reader, population)
    work.watch.at(PARTS[3])
    if population == "sepsis-3":
        find_sepsis3(work)
        work.counts["sepsis3"] = work.number("SELECT count(*) FROM septic")
    attrition = select_stays(work, population)
    work.watch.at(PARTS[4])
    made, attrition = assemble_selected(work, attrition)
    if made is None:
        raise _nobody(work, attrition)
    notes = definitions(work, population)
    about = provenance(work, source, population, copied)
    return Extraction(
        made.frame,
        tuple(attrition),
        work.counts,
        {**work.implausible, **made.refused},
        notes,
        work.concepts.database,
        tuple(work.losses),
        about,
        made.ages,
        work.study,
    )


def _nobody(work: Work, attrition: list[Exclusion]) -> ExtractError:
    """Why no stay is left: each criterion, and what was lost or out of range, which may have decided it."""
    left = "; ".join(f"{line.reason}: {line.patients_left} left" for line in attrition)
    refused = ", ".join(f"{n:,} of {name}" for name, n in work.implausible.items())
    seen = [*work.losses, *([f"Values out of their range: {refused}."] if refused else [])]
    row = work.db.execute(
        "SELECT count(*), min(value), max(value) FROM recorded WHERE concept = 'Platelets'"
    ).fetchone()
    if row and row[0]:
        seen.append(f"The {row[0]:,} platelet counts that were read lie between {row[1]:g} and {row[2]:g} x 10^9/L.")
    return ExtractError(
        f"no stay meets the criteria ({left}). Widen the population or the window, or check that the tables belong to "
        f"one release.{' What was seen on the way: ' if seen else ''}{' '.join(seen)}"
    )


def _population(work: Work, reader: ModuleType) -> str:
    """The population asked for, or the published one where the source can tell; `ExtractError` where it cannot."""
    asked, able = work.options.population, reader.can_suspect_infection(work)
    if asked is None:
        if able:
            return "sepsis-3"
        if work.options.onset != "platelets":
            raise ExtractError(
                f"onset by {work.options.onset} needs antibiotics and cultures, which the source does not have."
            )
        work.losses.append(
            f"Sepsis-3 needs antibiotics and cultures, which the source does not have: sepsis is taken from "
            f"{work.concepts.sepsis}."
        )
        return "codes"
    if asked == "sepsis-3" and not able:
        raise ExtractError(
            f"population sepsis-3 needs antibiotics and cultures, which this source of {work.concepts.layout} does "
            f"not have; "
            f"choose codes or platelets."
        )
    return asked


def _read_values(work: Work, reader: ModuleType, population: str) -> None:
    """Readings, drugs, output and ventilation of the stays that may enter; platelets of all stays."""
    before = max(work.options.lookback_hours, (work.window.lead + 1) * work.window.step)
    rule = eligible(work, population)
    work.db.execute(f"""CREATE OR REPLACE TABLE stay AS
                        SELECT *, {-before} AS from_h, los AS to_h, {rule} AS wanted, true AS whole FROM stay""")
    work.db.execute("CREATE TABLE candidate AS SELECT * FROM stay WHERE wanted ORDER BY subject_id, stay_id")
    early = streams_of(work, "Platelets")
    read_streams(work, early, of_all=True)
    find_low_platelets(work)
    count_source(work)
    limit_candidates(work, population)
    read_streams(work, (name for name in work.concepts.streams if name not in early))
    count_implausible(work)
    _body(work)
    work.watch.at(PARTS[1])
    reader.read_entries(work)
    standardize(work)
    work.watch.at(PARTS[2])
    reader.read_output(work)
    reader.read_ventilation(work)


def _body(work: Work) -> None:
    """Table `body`: first weight of the stay; median height over all stays of the person."""
    work.db.execute("""
        CREATE TABLE body AS
        WITH weights AS (SELECT stay_id, arg_min(value, h) AS weight FROM reading
                         WHERE concept = 'Weight' AND plausible GROUP BY stay_id),
        heights AS (SELECT subject_id, median(value) AS height FROM reading
                    WHERE concept = 'Height' AND plausible GROUP BY subject_id)
        SELECT stay_id, coalesce(weights.weight, candidate.weight) AS weight, coalesce(heights.height,
            candidate.height) AS height
        FROM candidate LEFT JOIN weights USING (stay_id) LEFT JOIN heights USING (subject_id)
    """)


def _check_study(study: StudySpec, concepts: Concepts) -> None:
    """`ExtractError` naming the columns, and the drug, that the database has no concept for."""
    known = (*BODY, *(name for name in concepts.concepts if name not in BODY), *CARE)
    unknown = [name for name in study.names if name not in known]
    if unknown:
        raise ExtractError(
            f"data/concepts/{concepts.database.replace('-', '_')}.toml has no concept for column "
            f"{', '.join(unknown)} of the study; "
            f"it has {', '.join(known)}. Rename or remove the column in the study."
        )
    unit = DRUGS.get(study.actions.drug)
    if unit is None or not study.actions.unit.startswith(unit):
        drugs = ", ".join(f"{drug} (in {unit})" for drug, unit in DRUGS.items())
        raise ExtractError(
            f"the drug '{study.actions.drug}' in '{study.actions.unit}' cannot be extracted; the drugs are {drugs}, "
            f"a dose "
            f"a step, its unit written first. Change [actions] of the study."
        )
