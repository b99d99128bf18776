"""Extract the cohort of the ICU heparin study from a folder of MIMIC-IV tables (full release or demo).

Stays of adults with sepsis and low platelets, in steps around the onset of low platelets while the patient is in the
unit. Tables are read by DuckDB, each large one once, restricted to the selected stays and items, and spilled to disk
when memory is short. A patient's several stays are several trajectories, unless `first_stay_only`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from core.base.errors import ExtractError
from core.cohort.extract import mimic_items as items
from core.cohort.extract.mimic_care import read_care, read_output, read_ventilation
from core.cohort.extract.mimic_events import read_events, step_measurements
from core.cohort.extract.mimic_grid import read_grid
from core.cohort.extract.mimic_stays import exclusion, read_labs, read_stays, select_stays
from core.cohort.extract.options import Extraction, ExtractOptions, Window, plan_window
from core.cohort.extract.source import connect, open_tables
from core.cohort.extract.steps import BODY, CARE, Grid, assemble
from core.study import StudySpec, load_study
from core.tables.report import Exclusion

if TYPE_CHECKING:
    import duckdb


EXTRACTED = (*BODY, *(signal.name for signal in items.SIGNALS), *CARE)


def extract_mimic_iv(
    source: str | Path, options: ExtractOptions | None = None, study: StudySpec | str | Path | None = None
) -> Extraction:
    """The study's cohort from MIMIC-IV tables in `source`/hosp and `source`/icu (.csv or .csv.gz).

    Sepsis is defined by discharge diagnosis (ICD-9 and ICD-10 codes in `mimic_items`), onset by platelets (see
    `mimic_stays`). Values of a step are those measured within it: a laboratory value may follow a dose of the same
    step. Raises `ExtractError` naming every missing table and column, or where no stay is left.
    """
    import duckdb

    options = options or ExtractOptions()
    spec = load_study(study)
    _check_columns(spec)
    window = plan_window(options, spec)
    with tempfile.TemporaryDirectory(prefix="phenopolicy-") as scratch:
        db = connect(Path(scratch), options.memory_gb, options.threads)
        try:
            _check_units(open_tables(db, Path(source), items.TABLES, items.LAYOUT), Path(source))
            return _extract(db, options, spec, window)
        except duckdb.OutOfMemoryException:
            raise ExtractError(
                f"{source} does not fit into {options.memory_gb:g} GB of memory; raise memory_gb, or lower threads."
            ) from None
        except duckdb.Error as error:
            raise ExtractError(f"{source} cannot be extracted: {str(error).splitlines()[0]}") from error
        finally:
            db.close()


def _extract(db: duckdb.DuckDBPyConnection, options: ExtractOptions, study: StudySpec, window: Window) -> Extraction:
    read_stays(db, options)
    read_labs(db, options, window)
    attrition, counts = select_stays(db, options, window)
    implausible = read_events(db, window, study)
    step_measurements(db, window)
    counts["heparin_entries_without_unit"] = read_care(db, options, window)
    read_output(db, window)
    read_ventilation(db, window)
    grid = read_grid(db, window)
    reason = f"steps outside the unit or outside {window.start:+g} h to {window.end:+g} h around onset"
    kept = _restrict(grid, 1, reason, attrition)
    kept = _restrict(kept, options.min_steps, f"fewer than {options.min_steps} steps", attrition)
    if kept.inside.size == 0:
        left = "; ".join(f"{line.reason}: {line.patients_left} left" for line in attrition)
        raise ExtractError(
            f"no stay meets the criteria ({left}). Widen the population or the window, or check that the tables "
            f"belong to one release."
        )
    frame, refused = assemble(kept, study, window, options.lookback_hours)
    return Extraction(frame, tuple(attrition), counts, {**implausible, **refused}, _notes(options, window))


def _restrict(grid: Grid, min_steps: int, reason: str, attrition: list[Exclusion]) -> Grid:
    """Stays with at least `min_steps`; appends the line to the attrition chart."""
    kept = grid.select(grid.inside.sum(axis=1) >= min_steps)
    attrition.append(exclusion(attrition[-1], reason, len(kept.stays), int(kept.inside.sum())))
    return kept


def _check_units(found: dict[str, set[str]], source: Path) -> None:
    if "amountuom" not in found["inputevents"] and "unitname" not in found.get("d_items", ()):
        raise ExtractError(
            f"{source} does not say in which unit drugs and fluids are recorded: table icu/inputevents has no column "
            f"amountuom, and table icu/d_items with column unitname is missing. Add one of the two."
        )


def _check_columns(study: StudySpec) -> None:
    unknown = [name for name in study.names if name not in EXTRACTED]
    if unknown:
        raise ExtractError(
            f"the MIMIC-IV extraction has no definition of column {', '.join(unknown)}; it fills "
            f"{', '.join(EXTRACTED)}. Rename or remove the column in the study."
        )


def _notes(options: ExtractOptions, window: Window) -> tuple[str, ...]:
    """The definitions behind the cohort, to be shown beside it."""
    septic = (
        "Suspected sepsis: an ICD-9 or ICD-10 discharge diagnosis of sepsis, severe sepsis, septic shock or septicemia."
    )
    return (
        septic if options.population == "sepsis" else "No diagnosis is required.",
        f"Onset: first platelets below {options.platelet_threshold:g} x 10^9/L from {options.lookback_hours:g} h "
        f"before ICU admission to ICU discharge; a count from before admission puts the onset at admission.",
        f"Steps of {window.step:g} h from {window.start:+g} h to {window.end:+g} h around onset, those whose middle "
        f"lies in the ICU stay.",
        f"A step holds the mean of vital signs and the last laboratory value; the first step of a stay looks back "
        f"{options.lookback_hours:g} h. PaO2, PaCO2 and pH are arterial samples.",
        "Values of a step are those measured within it, so a laboratory value may follow a dose of the same step, and "
        "part of what the dose did may be in the state it is judged from.",
        f"Heparin: drips (item {items.HEPARIN_DRIP}) by their overlap with the step, prophylactic doses (item "
        f"{items.HEPARIN_PROPHYLAXIS}) of {options.prophylaxis_units:g} units at their start; flushes, circuit "
        f"heparin and low-molecular-weight heparins are not counted.",
        "Vasopressor: norepinephrine equivalent (epinephrine 1, phenylephrine 0.1, dopamine 0.01, vasopressin 2.5 per "
        "unit/min), mean over the step.",
        "Ventilation: an invasive or noninvasive ventilation procedure, or a charted tidal volume or PEEP.",
        "Fluids: total input and output recorded for the step, without what was charted as pre-admission; none is 0.",
        "SOFA: worst values of the 24 h up to the step's end; a component without a value scores 0.",
        f"Outcome: death within {options.mortality_days:g} days of ICU admission.",
        "A patient's stays are separate trajectories: split by patient, or extract the first stay only."
        if not options.first_stay_only
        else "Only the first stay of each patient is kept.",
    )
