"""All items of a model card in order; those that no run can answer say so, with who would have to."""

from __future__ import annotations

from collections.abc import Sequence

from core.base.errors import RunError
from core.icu.view import RunView
from core.registry.view import RegistryView
from core.report import registry as registry_report
from core.report.card import data, evidence, registry_data, registry_evidence, shared
from core.report.card.parts import CardItem, ModelCard
from core.report.limits import the_limits
from core.runs.added import run_digest
from core.runs.manifest import now
from core.sites import SiteResult


def model_card(view: RunView | RegistryView, sites: Sequence[SiteResult] = ()) -> ModelCard:
    """The card of a finished run of either study. sites: what other sites found, see `core.sites.validate`; `RunError`
    where the run is not finished, or a site is of another study."""
    if not view.complete:
        raise RunError(f"run '{view.manifest.name}' is not finished; resume it, then write its card.")
    study = view.manifest.study
    foreign = [site.site for site in sites if site.study != study.name or isinstance(view, RegistryView)]
    if foreign:
        raise RunError(f"{', '.join(foreign)} validated another study than '{study.name}'; leave them out.")
    own = _of_registry(view) if isinstance(view, RegistryView) else _of_stays(view, sites)
    card = ModelCard(
        run=view.manifest.name,
        study=study.title,
        simulated=view.manifest.simulated,
        made=now(),
        data_hash=view.manifest.data_hash,
        run_digest=run_digest(view.path),
        items=[*own, *shared.left_open(), shared.versions(view)],
    )
    return card.model_copy(update={"digest": card.right_digest})


def _of_stays(view: RunView, sites: Sequence[SiteResult]) -> list[CardItem]:
    """What an ICU run answers."""
    return [
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
        shared.limits(the_limits(view).points),
    ]


def _of_registry(view: RegistryView) -> list[CardItem]:
    """What a run of the registry study answers."""
    return [
        registry_data.intended_use(view),
        registry_data.out_of_scope(view),
        registry_data.population(view),
        registry_data.inputs(view),
        registry_data.reward_and_estimand(view),
        registry_data.assumptions(view),
        registry_evidence.model(view),
        registry_evidence.screening(view),
        registry_evidence.support(view),
        registry_evidence.results(view),
        registry_evidence.safety(view),
        registry_evidence.groups(view),
        registry_evidence.external(view),
        shared.limits(registry_report.the_limits(view).points),
    ]
