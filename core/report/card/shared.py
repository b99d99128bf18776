"""What the model cards of both studies tell in the same way: attrition, differences, groups, versions, what is open."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from core.figures.theme import fmt, fmt_count, fmt_interval
from core.icu.view import RunView
from core.registry.view import RegistryView
from core.report.card.parts import FEW, NOT_SHOWN, CardItem, CardTable, decide, hti, shown_counts, tripod
from core.report.policies import bracketed
from core.runs.added import run_digest
from core.tables.report import CohortReport

_SMALL = re.compile(r"(?<![\d,.])(?:[1-9]|10) of (\d)")  # a small count in a sentence on where the stays come from


def attrition(report: CohortReport, records: str) -> CardTable:
    """What removed stays or patients; how many were left stands beside it only where no number is left out."""
    steps = report.attrition
    removed = shown_counts([step.patients for step in steps])
    table = pd.DataFrame({"reason": [step.reason for step in steps], f"{records} removed": removed})
    if NOT_SHOWN not in removed:
        table[f"{records} left"] = [fmt_count(step.patients_left) for step in steps]
    return CardTable.of(f"What removed {records} before the run.", table)


def population_item(view: RunView | RegistryView, whose: str, tables: Sequence[CardTable], unanswered: str) -> CardItem:
    """Who the patients are: simulated or not, whose records, tables with rows, and what the file left open."""
    origin, simulated = view.manifest.origin, view.manifest.simulated
    like = f"{origin.like}-like, " if isinstance(view, RunView) else ""
    source = f"Simulated patients ({like}seed {origin.seed}); no real person is among them."
    return CardItem(
        key="population",
        title="Population and attrition",
        references=[
            tripod("5a", "source of data"),
            tripod("6a, 6b", "setting and eligibility"),
            tripod("20", "participants"),
            hti("intervention development details and input features"),
            decide("patients"),
        ],
        said=[source if simulated else "Recorded patients.", whose, *notes(view.report)],
        tables=[table for table in tables if table.rows],
        unanswered=[] if simulated or view.report.notes else [unanswered],
    )


def notes(report: CohortReport) -> list[str]:
    """Where the file comes from, in sentences without counts of 1 to 10."""
    return [_SMALL.sub(rf"{FEW} of \1", note) for note in report.notes]


def mended(report: CohortReport) -> str:
    """How many kinds of problem the file had."""
    kinds = len({problem.rule for problem in report.warnings})
    if not kinds:
        return "No problem had to be mended in the file."
    return f"{kinds} kinds of problem were found in the file and mended as the report of the run lists them."


def differences(rows: pd.DataFrame, title: Callable[[str], str], followed: str) -> pd.DataFrame:
    """Judged policies, a line each; title: what a policy is called; followed: the column of effective stays."""
    lines = []
    for row in rows.to_dict("records"):
        known = np.isfinite(row["true_difference"])
        lines.append(
            {
                "policy": title(row["policy"]),
                "difference": bracketed(f"{row['difference']:+.2f}", row["grade"]),
                "95 % interval": fmt_interval(row["difference_low"], row["difference_high"]),
                followed: fmt(row["ess"], 1),
                "grade": row["grade"],
                "true difference": f"{row['true_difference']:+.2f}" if known else "not known",
            }
        )
    return pd.DataFrame(lines)


def groups_item(
    rows: pd.DataFrame | None, word: Callable[[str, str], str], others: str, records: str, caption: str
) -> CardItem:
    """The advice's difference in groups, as `core.evaluation.judging.groups` tells it; None: it was not judged.

    word: a group by what it is grouped by, and its name; others: those who treated; records: stays or courses.
    """
    item = CardItem(
        key="groups",
        title="Subgroups",
        references=[
            tripod("14", "fairness"),
            tripod("3c", "health inequalities"),
            hti("process used to ensure fairness in development of the intervention"),
        ],
        unanswered=[
            "Groups that the records do not tell, as race, ethnicity, language and income.",
            "Whether care in the records was itself unequal; a policy learned from it may carry that on.",
        ],
    )
    if rows is None:
        again = "Subgroups: the run was made before they were judged apart. Train it again."
        return item.model_copy(update={"unanswered": [again, *item.unanswered]})
    said = (
        f"The advice's difference to the {others} in each group; intervals are corrected for the number of groups. In "
        "brackets: not supported. Differences between groups are less sure than either."
    )
    table = CardTable.of(caption, _group_lines(rows, word, records))
    return item.model_copy(update={"said": [said], "tables": [table]})


def _group_lines(rows: pd.DataFrame, word: Callable[[str, str], str], records: str) -> pd.DataFrame:
    lines = []
    for _, division in rows.groupby("by", sort=False):
        counts = shown_counts([int(n) for n in division["n"]])
        for row, count in zip(division.to_dict("records"), counts, strict=True):
            judged = np.isfinite(row["difference"])
            text = f"{row['difference']:+.2f} {fmt_interval(row['low'], row['high'])}" if judged else "too few to judge"
            lines.append(
                {
                    "group": word(str(row["by"]), str(row["group"])),
                    records: count,
                    "difference and interval": bracketed(text, row["grade"]) if judged else text,
                    f"effective {records}": fmt(row["ess"], 1) if judged else "–",
                    "grade": row["grade"] if judged else "–",
                }
            )
    return pd.DataFrame(lines)


def limits(points: Sequence[str]) -> CardItem:
    return CardItem(
        key="limits",
        title="Limits",
        references=[tripod("26", "limitations"), decide("strengths and limitations")],
        said=list(points),
    )


def left_open() -> list[CardItem]:
    """What is asked for and stands in no run."""
    return [
        CardItem(
            key="users",
            title="Users in practice",
            references=[decide("users"), decide("human factors"), decide("implementation")],
            unanswered=["How users understood it, worked with it, or were misled by it: nobody used it in care."],
        ),
        CardItem(
            key="ethics",
            title="Ethics, funding, registration, involvement of patients",
            references=[
                tripod("17", "ethical approval"),
                tripod("18", "open science"),
                tripod("19", "patient and public involvement"),
                hti("details and output of the intervention"),
                decide("ethics"),
            ],
            unanswered=[
                "Approval for the use of the records, who paid, competing interests, protocol, registration, whether "
                "patients had a say, and whom to write to: whoever publishes the run must add them."
            ],
        ),
        CardItem(
            key="maintenance",
            title="Maintenance",
            references=[
                tripod("24", "model updating"),
                hti("ongoing maintenance of intervention implementation and use"),
                hti("update and continued validation or fairness assessment schedule"),
            ],
            unanswered=["Nothing is planned: a run is of the day on which it was made, and is not updated."],
        ),
    ]


def versions(view: RunView | RegistryView) -> CardItem:
    manifest = view.manifest
    facts = {
        "run": manifest.name,
        "made": manifest.created,
        "data hash": manifest.data_hash,
        "run digest": run_digest(view.path),
        **manifest.versions,
    }
    unchecked = [] if manifest.has_checksums else ["Whether files are as written: the run is from before checksums."]
    return CardItem(
        key="versions",
        title="Versions and hashes",
        references=[tripod("18", "open science: data and code"), tripod("22", "model specification")],
        said=["The run digest covers the SHA-256 of every file that the run's stages wrote."],
        tables=[CardTable.of("What it was made of.", pd.DataFrame(list(facts.items()), columns=["what", "value"]))],
        unanswered=unchecked,
    )
