"""All items of a model card in order; those that no run can answer say so, with who would have to."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from core.base.errors import RunError
from core.icu.view import RunView
from core.report.card import data, evidence
from core.report.card.parts import CardItem, CardTable, ModelCard, decide, hti, tripod
from core.report.limits import the_limits
from core.runs.added import run_digest
from core.runs.manifest import now
from core.sites import SiteResult


def model_card(view: RunView, sites: Sequence[SiteResult] = ()) -> ModelCard:
    """The card of a finished run. sites: what other sites found, see `core.sites.validate`; `RunError` where the run is
    not finished, or a site is of another study."""
    if not view.complete:
        raise RunError(f"run '{view.manifest.name}' is not finished; resume it, then write its card.")
    foreign = [site.site for site in sites if site.study != view.study.name]
    if foreign:
        raise RunError(f"{', '.join(foreign)} validated another study than '{view.study.name}'; leave them out.")
    whole = [
        data.intended_use(view),
        data.out_of_scope(view),
        data.population(view),
        data.inputs(view),
        data.outcome_and_estimand(view),
        data.assumptions(view),
        evidence.model(view),
        evidence.support(view),
        evidence.results(view),
        evidence.safety(view),
        evidence.groups(view),
        evidence.external(view, sites),
        _limits(view),
        *_left_open(),
        _versions(view),
    ]
    card = ModelCard(
        run=view.manifest.name,
        study=view.study.title,
        simulated=view.manifest.simulated,
        made=now(),
        data_hash=view.manifest.data_hash,
        run_digest=run_digest(view.path),
        items=whole,
    )
    return card.model_copy(update={"digest": card.right_digest})


def _limits(view: RunView) -> CardItem:
    return CardItem(
        key="limits",
        title="Limits",
        references=[tripod("26", "limitations"), decide("strengths and limitations")],
        said=list(the_limits(view).points),
    )


def _left_open() -> list[CardItem]:
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


def _versions(view: RunView) -> CardItem:
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
