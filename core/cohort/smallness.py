"""What is too small to learn from, in words: a cohort, its test part, the stays of a phenotype."""

from __future__ import annotations

from core.cohort.cohort import Cohort

FEW_STAYS = 100
TEST_SHARE = 0.15
FEW_DEATHS = 10  # in the test part
PHENOTYPES = 3
FEW_PER_PHENOTYPE = 30


def too_small(n_stays: int, died: int | None, treated_steps: int, drug: str) -> tuple[str, ...]:
    """One sentence each for what such a cohort cannot show; none where it is large enough. died: None where the
    outcome does not tell."""
    found = []
    test, test_deaths = n_stays * TEST_SHARE, 0.0 if died is None else min(died, n_stays - died) * TEST_SHARE
    deaths = "" if died is None else f", {died} deaths"
    if n_stays < FEW_STAYS:
        found.append(f"Only {n_stays} stays{deaths}: enough to see how it works, too few to learn what means anything.")
    if n_stays / PHENOTYPES < FEW_PER_PHENOTYPE:
        found.append(
            f"Too small for phenotypes: {PHENOTYPES} of them would hold {n_stays / PHENOTYPES:.0f} stays each on "
            f"average, some of them one or two; at least {FEW_PER_PHENOTYPE} each are needed."
        )
    if died is not None and test_deaths < FEW_DEATHS:
        found.append(
            f"Too small to test: the {test:.0f} stays of a test part would hold about {test_deaths:.0f} of the rarer "
            f"outcome, and a value judged on fewer than {FEW_DEATHS} says nothing."
        )
    if treated_steps == 0:
        found.append(f"No step has {drug}: nothing about its dose can be learned from these stays.")
    return tuple(found)


def cohort_too_small(cohort: Cohort) -> tuple[str, ...]:
    """`too_small` for a cohort."""
    died = int(cohort.died.sum()) if cohort.study.tells_survival else None
    actions = cohort.study.actions
    given = int((cohort.actions > 0).sum()) if actions.has_nothing else len(cohort.actions)
    return too_small(cohort.n_patients, died, given, actions.drug)
