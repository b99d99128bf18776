"""What a finished experiment says about the standard preset's defaults: the file that the Learn page quotes.

`data/reference/choice_evidence.json` is written by `python -m core experiment NAME --publish`, from the true values on
tuning seeds; the default estimator is judged by the estimator lab (see `core.experiments.estimator_evidence`, which the
same command publishes). No number in it is written by hand.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.base.errors import RunError
from core.base.files import read_json, write_json
from core.evaluation.weighted import DEFAULT_ESTIMATOR
from core.experiments import estimator_evidence
from core.experiments.choice_tables import CANDIDATE, Row, around, choice_table, findings, fused_rows
from core.experiments.document import LAB
from core.experiments.tables import plain
from core.experiments.view import ExperimentView

PATH = estimator_evidence.PATH.with_name("choice_evidence.json")
QUOTED = 12  # candidates of the table that is quoted
SHOWN = (*CANDIDATE, "seeds", "true_value", "se", "gain", "gain_se", "true_survival_percent")


def make_evidence(view: ExperimentView, date: str) -> Row:
    """The choice of an experiment as the Learn page quotes it: settings, findings, the best candidates beside the
    preset's own default and the clinicians, and what one setting alone changes around the best candidate."""
    choices, settings = view.choices, view.settings.choice
    if choices.empty:
        raise RunError(f"experiment '{view.name}' has chosen no settings; give it tuning seeds under [choice].")
    best, default = fused_rows(choices, settings)
    rows = choice_table(choices)
    kept = [row for row in rows if row["policy"] == "fused"][:QUOTED]
    kept += [row for row in rows if row["policy"] == "clinician"]
    if default is not None and default not in kept:
        kept.append(default)
    return plain(
        {
            "schema_version": 1,
            "date": date,
            "experiment": view.name,
            "machine": view.record["machine"],
            "settings": settings.model_dump(mode="json"),
            "findings": findings(choices, settings),
            "best": best,
            "default": default,
            "around": [] if best is None else around(choices, best),
            "rows": [{name: row[name] for name in SHOWN} for row in sorted(kept, key=lambda row: -row["true_value"])],
        }
    )


def publish_evidence(folder: Path) -> list[Path]:
    """Write what a finished experiment has shown to where pages read it; returns the files that were written."""
    view, date = ExperimentView(folder), datetime.now(UTC).date().isoformat()
    write_json(PATH, make_evidence(view, date))
    load_choice.cache_clear()
    written, lab = [PATH], folder / LAB / "summary.json"
    if lab.is_file():
        written.append(estimator_evidence.publish(lab, date))
    return written


@lru_cache(maxsize=1)
def load_choice() -> Row | None:
    """The stored evidence; None where no experiment has been quoted yet."""
    return read_json(PATH) if PATH.is_file() else None


def estimator_sentence(evidence: Row | None) -> str:
    """How the default estimator compares with the others in the lab; empty where it was not measured."""
    measured: dict[str, Any] = {} if evidence is None else evidence["studies"].get("simulated", {})
    own = measured.get(DEFAULT_ESTIMATOR)
    if own is None or own["coverage"] is None or own["rank_correlation"] is None:
        return ""
    names = estimator_evidence.NAMES
    listed = "; ".join(
        f"{names[name]}: coverage {100 * row['coverage']:.0f} %, rank correlation {row['rank_correlation']:.2f}, "
        f"root mean squared error {row['rmse']:.2f}"
        for name, row in measured.items()
        if None not in (row["coverage"], row["rank_correlation"], row["rmse"])
    )
    return f"Where one value must do, the estimator is {names[DEFAULT_ESTIMATOR]}. On the lab's seeds, {listed}."
