"""What a registry's words mean, from its own definition: source, stages, what a state may know, treatments, outcome."""

from __future__ import annotations

from collections.abc import Sequence

from core.registry.spec import ALIVE, DEAD, TO_THE_END, RegistrySpec

REWARDED = "A reward is earned on arriving at a stage, the lowest that applies"
KNOWN_BEFORE = "As of the stage: what is recorded there was so before the drugs of the stage were chosen."
ORDER_UNTOLD = (
    "As of the stage: a decision is seen beside the state recorded at its stage. The file does not tell which came "
    "first; where the state was written down after the drugs, part of what they did is in it."
)


def definitions(spec: RegistrySpec, simulated: bool, seed: int) -> dict[str, str]:
    """Sentences by what they define: source, stages, what a state knows, treatments, outcome.

    seed: of the simulator, where the registry comes from it.
    """
    source = f"simulated by this program (seed {seed})" if simulated else "a file of recorded patients"
    return {
        "Source": f"Source: {source}.",
        "Stages": _stages(spec),
        "As of": KNOWN_BEFORE if simulated else ORDER_UNTOLD,
        "Treatments": _treatments(spec),
        "Outcome": _outcome(spec),
    }


def drugs_by_decision(spec: RegistrySpec) -> dict[str, str]:
    """The drugs that may be combined in each decision, by its title."""
    return {decision.title: ", ".join(decision.drugs) for decision in spec.decisions}


def state_titles(spec: RegistrySpec) -> dict[str, str]:
    """Each rewarded state in words."""
    titles = {ALIVE: "alive, none of these", DEAD: "dead"}
    return {**titles, **{one.name: one.title for one in spec.indicators}}


def _stages(spec: RegistrySpec) -> str:
    first, last = spec.stages[0].name, spec.stages[-1].name
    rest = [f"{one.name} (day {one.day})" for one in spec.stages[1:]]
    return f"Stages, in days from the {first}: {_list(rest)}. Nothing is decided at {last}: it is the end of follow-up."


def _treatments(spec: RegistrySpec) -> str:
    told = []
    for decision in spec.decisions:
        at = _list([spec.stages[index].name for index in decision.stages])
        predicted = "" if decision.learned else ", only predicted"
        told.append(f"{decision.title} among {len(decision.drugs)} drugs at {at}{predicted}")
    return (
        f"Treatments: {'; '.join(told)}. A combination is the set of drugs recorded for a decision at a stage; no drug "
        "is one, too. Doses and days are not recorded."
    )


def _outcome(spec: RegistrySpec) -> str:
    titles = state_titles(spec)
    worth = "; ".join(f"{titles[name]} = {reward:g}" for name, reward in spec.rewards.items())
    whole = [decision.title for decision in spec.decisions if decision.learned and decision.counts == TO_THE_END]
    to_end = f" {_list(whole)}: the last decision earns all rewards to the end of follow-up." if whole else ""
    return f"Outcome: the state at each stage. {REWARDED}: {worth}.{to_end}"


def _list(names: Sequence[str]) -> str:
    """'a, b and c'."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
