"""The definitions behind a cohort and where it comes from, in sentences, to be shown beside it."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

from core.cohort.extract.manifest import CopyManifest
from core.cohort.extract.options import HEPARIN_KINDS
from core.cohort.extract.work import Work
from core.cohort.knowledge import AS_OF

POPULATIONS = {
    "sepsis-3": "Sepsis-3: an antibiotic with a culture up to 72 h before or 24 h after it, and a SOFA of 2 or more "
    "from "
    "48 h before to 24 h after the suspicion of infection (the score before it taken as 0).",
    "codes": "Sepsis by {}, not suspected infection: sepsis, severe sepsis, septic shock or septicemia.",
    "platelets": "No diagnosis and no infection is required.",
}
SOFA = {
    "standard": "phenylephrine and vasopressin, which the score does not name, count as norepinephrine equivalents "
    "(0.1 a "
    "ug/kg/min, 2.5 a unit/min); this is our choice",
    "reference": "phenylephrine and vasopressin do not count, and ventilation is invasive, as in the public "
    "reference concepts",
    "sofa-2": "the score of 2025 (SOFA-2) without ECMO, mechanical support and delirium drugs, urine over 24 h",
}
KINDS = {
    "drip": "drips", "bolus": "boluses", "subcutaneous": "subcutaneous prophylaxis", "flush": "line flushes",
    "circuit": "circuit heparin", "emar": "the medication record",
}  # fmt: skip


OUTCOMES = {
    "days": "Outcome: death within {:g} days of ICU admission.",
    "icu": "Outcome: death in the ICU.",
    "hospital": "Outcome: death in hospital.",
}


def definitions(work: Work, population: str) -> tuple[str, ...]:
    """One sentence a definition."""
    options = work.options
    outcome = OUTCOMES[options.outcome or work.concepts.outcome].format(options.mortality_days)
    stays = "A patient's stays are separate trajectories: split by patient, or extract the first stay only."
    if options.first_stay_only:
        stays = "Only the first stay of each patient is kept."
    return (
        POPULATIONS[population].format(work.concepts.sepsis),
        *_time(work),
        *work.clocks,
        *_values(work),
        *work.concepts.remarks,
        outcome,
        stays,
    )


def _time(work: Work) -> tuple[str, ...]:
    """Onset, steps, and what a state may know."""
    options, window = work.options, work.window
    infection = "" if options.onset == "platelets" else " Infection: its suspicion."
    return (
        f"Onset ({options.onset}): first platelets below {options.platelet_threshold:g} x 10^9/L from "
        f"{options.lookback_hours:g} h before ICU admission to ICU discharge; what came before admission puts the "
        f"onset at admission.{infection}",
        f"Steps of {window.step:g} h from {window.start:+g} h to {window.end:+g} h around onset, those whose middle "
        f"lies in the ICU stay.",
        AS_OF[options.as_of],
    )


def _values(work: Work) -> tuple[str, ...]:
    """What each column holds."""
    options = work.options
    counted = ", ".join(KINDS[kind] for kind in HEPARIN_KINDS if kind in options.kinds) or "none"
    apart = ", ".join(KINDS[kind] for kind in HEPARIN_KINDS if kind not in options.kinds) or "none"
    return (
        f"A step holds the mean of vital signs and the last laboratory value; a laboratory value goes before one of a "
        f"blood-gas analyser, and that before a finger stick. The first step of a stay looks back "
        f"{options.lookback_hours:g} h. Weight is the first charted of the stay, height the median of the person.",
        f"Heparin that counts as the drug: {counted}; counted apart: {apart}. A drip is shared over the steps it "
        f"overlaps; what is given at once counts where it starts. A subcutaneous dose without units is "
        f"{options.prophylaxis_units:g} units. Low-molecular-weight heparins are not heparin here.",
        "Vasopressor: norepinephrine equivalent (epinephrine 1, phenylephrine 0.1, dopamine 0.01, vasopressin 2.5 "
        "per unit/min), mean over the step.",
        "Ventilation: an invasive or noninvasive ventilation procedure, or a charted tidal volume or PEEP.",
        "Fluids: total input and output recorded for the step, with what dialysis removed, without what was charted as "
        "pre-admission; none is 0.",
        f"SOFA ({options.sofa}): worst values of the 24 h up to the step's {options.as_of}; a component without a "
        f"value scores 0; {SOFA[options.sofa]}. A verbal response that a tube prevents is not scored; respiration "
        f"counts as ventilated if so when the blood gas was drawn; urine of a day is scaled to the hours charted.",
    )


def provenance(work: Work, source: str, population: str, copied: CopyManifest | None = None) -> dict[str, str]:
    """Where the cohort comes from, by name; copied: what `source` is a columnar copy of."""
    source = copied.source if copied else source
    release = (
        sorted({part for part in Path(source).parts if part[:1].isdigit() and "." in part})
        if "://" not in source
        else []
    )
    options = work.options.model_dump() | {
        "population": population,
        "outcome": work.options.outcome or work.concepts.outcome,
    }
    chosen = {
        name: value for name, value in options.items() if value is not None and name not in ("memory_gb", "threads")
    }
    layout = f"{work.concepts.layout}, {Path(source).name if '://' not in source else source}"
    return {
        "Source": f"{layout} (columnar copy of {copied.made})" if copied else layout,
        "Release": ", ".join(release) or "not named in the source",
        "Study": f"{work.study.name}: {work.study.title}",
        "Options": json.dumps(chosen, ensure_ascii=False),
        "Versions": f"duckdb {version('duckdb')}, pandas {version('pandas')}, "
        f"concepts schema {work.concepts.schema_version}",
    }
