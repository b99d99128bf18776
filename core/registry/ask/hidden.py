"""What causes that are not recorded could do to a registry's differences, beside what the recorded columns do.

The bounds are those of `core.evaluation.judging.hidden`. Their yardstick: each recorded column is left out in turn,

    x_j is replaced by what the other columns tell of it,    gamma_j: factor on the odds of the combination given

by the screening networks, which say what experts do; no network is trained anew. For networks without a hidden layer
this is the formula of `core.evaluation.judging.left_out`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from core.base.statistics import Z95
from core.evaluation.judging.hidden import factor_text
from core.evaluation.judging.left_out import ColumnOdds, beside_a_claim, strongest_first, unique_parts
from core.evaluation.judging.mix import Judged
from core.registry.ask.ope import Recorded
from core.registry.spec import RegistrySpec
from core.registry.view import RegistryView

TOLD = 2.0  # Gamma at which bounds are told: a cause that doubles or halves the odds
HIDDEN = (  # of judgments: Gamma at which a gain is gone, and ends of the interval with causes of strength `TOLD`
    *("claim_dies_at", "claim_dies_at_passing", "hidden_low", "hidden_high"),
    *("hidden_passing_low", "hidden_passing_high"),
)


def hidden_row(judged: Judged) -> dict[str, float]:
    """`HIDDEN` of one policy: NaN where no recorded course follows it."""
    if judged.hidden is None:
        return dict.fromkeys(HIDDEN, np.nan)
    found, kinds = judged.difference, (judged.hidden.lasting, judged.hidden.passing)
    margin = found.value - Z95 * found.se
    dies = [kind.reaches(margin) if margin > 0 else np.nan for kind in kinds]
    ends = (found.low, found.high)
    told = [end + shift for kind in kinds for end, shift in zip(ends, kind.at(TOLD), strict=True)]
    return dict(zip(HIDDEN, [*dies, *told], strict=True))


def hidden_in_words(row: Mapping[Any, Any], columns: Sequence[ColumnOdds] = ()) -> str:
    """What causes that are not recorded could do to a judged policy, of its row in a table of judgments; columns: how
    far recorded ones move the odds, strongest first."""
    if "hidden_low" not in row:
        return "This run does not hold what an unrecorded cause could do; train it again to see."
    if np.isnan(row["hidden_low"]):
        return "No recorded course follows it, so nothing bounds what an unrecorded cause could do."
    lasting, passing = row["claim_dies_at"], row["claim_dies_at_passing"]
    if np.isnan(lasting):
        said = (
            "Its interval holds no gain that an unrecorded cause could kill. With one that multiplies the odds of what "
            f"was given by up to {TOLD:g}, it could lie from {row['hidden_low']:+.2f} to {row['hidden_high']:+.2f}, or "
            f"from {row['hidden_passing_low']:+.2f} to {row['hidden_passing_high']:+.2f} where it is another one at "
            "every stage."
        )
        strongest = [
            f"The strongest recorded column, {top.column}, does so by up to {top.gamma:.2f}." for top in columns
        ]
        return " ".join([said, *strongest[:1]])
    said = (
        f"Its gain would be none any more if an unrecorded cause multiplied the odds of what was given by "
        f"{factor_text(lasting)} throughout a course, or by {factor_text(passing)} where it is another one at every "
        "stage."
    )
    return f"{said} {beside_a_claim(columns, lasting, passing)}".strip()


def hidden_text(row: Mapping[Any, Any]) -> str:
    """The same in few words, for a table: 'dies at 1.08 (passing: 1.21)'."""
    lasting, passing = float(row.get("claim_dies_at", np.nan)), float(row.get("claim_dies_at_passing", np.nan))
    if np.isnan(lasting):
        return "–" if np.isnan(float(row.get("hidden_low", np.nan))) else "no gain"
    return f"dies at {factor_text(lasting)} (passing: {factor_text(passing)})"


def recorded_groups(spec: RegistrySpec, names: Sequence[str]) -> dict[str, list[int]]:
    """Columns of the states that a recorded column fills, by its words; those of a category belong together.

    Words that are said of several columns are followed by the column's name.
    """
    columns = [*((feature.name, feature.label or feature.name) for feature in spec.features)]
    columns += [(one.name, one.title) for one in spec.indicators]
    said = [words for _, words in columns]
    return {words if said.count(words) == 1 else f"{words} ({name})": _filled(name, names) for name, words in columns}


def _filled(column: str, names: Sequence[str]) -> list[int]:
    return [place for place, name in enumerate(names) if name.partition("=")[0] == column]


def strengths(view: RegistryView, recorded: Recorded) -> tuple[ColumnOdds, ...]:
    """How far each recorded column moves the odds of what was given, over all learned decisions of recorded courses."""
    groups, moved = recorded_groups(view.spec, view.encoder.names), []
    for name, points in recorded.treatments.items():
        known, stage = points.actions >= 0, points.step + recorded.courses.first
        experts = partial(view.models(name).expert_probs, stage=stage[known])
        moved.append(odds_moved(experts, points.states[known], points.actions[known], list(groups.values())))
    return strongest_first(list(groups), np.concatenate(moved, axis=1))


def odds_moved(
    experts: Callable[[np.ndarray], np.ndarray], states: np.ndarray, taken: np.ndarray, groups: Sequence[Sequence[int]]
) -> np.ndarray:
    """(G, m) factor, at least 1, by which leaving out each group of columns moves the odds of the combination taken.

    experts: states (m, D) -> probabilities (m, A); taken (m,).
    """
    whole, moved = _log_odds(experts(states), taken), np.ones((len(groups), len(taken)))
    for place, (group, unique) in enumerate(zip(groups, unique_parts(states, groups), strict=True)):
        without = states.copy()
        without[:, list(group)] -= unique
        moved[place] = np.exp(np.abs(whole - _log_odds(experts(without), taken)))
    return moved


def _log_odds(probs: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """(m,) of the combination taken, probs (m, A)."""
    p = probs[np.arange(len(taken)), taken].astype(np.float64)
    return np.asarray(np.log(np.maximum(p, 1e-12)) - np.log1p(-np.minimum(p, 1 - 1e-12)))
