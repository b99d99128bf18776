"""The version of the judging, which cards, manifests, boards and results of sites carry.

It is raised by one whenever the same policy on the same stays gets other numbers than before, whatever part the change
is in: clinicians' probabilities, features, critics, mix, grade, gate, or the published estimators beside them. A test
holds the numbers of a small judgment to it. Numbers of different versions are not comparable, and a card whose numbers
do not come out again is no forgery for that where the version is another. It stands here, below the judges of
`core.evaluation.judging`, for manifests of any study carry it.
"""

from __future__ import annotations

CHANGES = {
    1: "critics did not center actions, until 2026-11-29",
    2: "critics center actions by how likely they were",
    3: "the mix hears a memory longer than one action only where 300 effective stays, or 15 % of all, follow it",
    4: "as version 3, with critics that do not center actions, of runs from before version 2",
    5: "the mix weighs its memories by how far chance and bias may have moved each",
    6: "as version 5, with critics that do not center actions, of runs from before version 2",
}
JUDGING, UNCENTERED = 5, 6  # by the second, runs from before version 2 go on judging
NOT_CENTERED = (1, 4, UNCENTERED)  # versions whose critics did not center actions


def judging_version(centered: bool = True) -> int:
    """The version that judges, of critics that center actions or of those that did not yet."""
    return JUDGING if centered else UNCENTERED


def judging_words(version: int | None) -> str:
    """ "version 2 of the judging (critics center ...)"; None: of what was made before there was a number."""
    if version is None:
        return "a version of the judging from before it had a number"
    said = CHANGES.get(version)
    return f"version {version} of the judging" + (f" ({said})" if said else ", which this program does not know")
