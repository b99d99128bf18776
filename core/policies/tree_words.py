"""What a policy's tree says, in words: of each group, as boxes to be drawn, as a table, and as a text to take along."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.figures.policy_tree import TreeNode
from core.figures.theme import fmt_count, fmt_interval, fmt_percent, fmt_unit
from core.policies.in_words import InWords, Share
from core.policies.tree import Branch, Leaf, group_text, side_text, tree_lines
from core.study import Column, StudySpec

SECOND = 0.2  # share of a group's next likely action from which it is told


@dataclass(frozen=True)
class TreeWords:
    """What a tree is told by. columns: of its states; outcomes: what it may say, the last to do as those who treated;
    who: those; action, actions: what is decided, one and several; steps: when; earned: what a difference is in.

    doses: the actions are amounts of a drug, so that a mean of them means something; about: what the text is about.
    """

    columns: Sequence[Column]
    outcomes: tuple[str, ...]
    who: str
    action: str
    actions: str
    steps: str
    earned: str
    doses: bool
    about: str


def words_of(study: StudySpec) -> TreeWords:
    """Of trees on a study's columns."""
    actions = study.actions
    labels = (actions.label(action) for action in range(study.n_actions))
    return TreeWords(
        columns=study.columns,
        outcomes=(*labels, "as clinicians do"),
        who="clinicians",
        action=actions.word,
        actions=actions.words,
        steps="steps",
        earned="reward of a stay",
        doses=actions.ordered,
        about=f"{actions.words} of {actions.drug}{f' in {actions.unit}' if actions.unit else ''}",
    )


def given(words: TreeWords, found: InWords) -> list[str]:
    """'88 % no heparin' of each group: what was given there most often, and next; '–' where nobody was."""
    return [_most(words, shares) if shares.any() else "–" for shares in found.given]


def said(words: TreeWords, found: InWords) -> list[str]:
    """'52 % no heparin, 34 % as clinicians do' of each group: what the policy does there most often, and next."""
    return [_most(words, probs) for probs in found.tree.probs]


def _most(words: TreeWords, probs: np.ndarray) -> str:
    first, second = np.argsort(-probs, kind="stable")[:2]
    told = [first, second] if probs[second] >= SECOND else [first]
    return ", ".join(f"{fmt_percent(float(probs[a]), 0)} {words.outcomes[a]}" for a in told)


def boxes(words: TreeWords, found: InWords) -> list[TreeNode]:
    """The tree's boxes, each before those that it leads to."""
    tree, texts, nodes = found.tree, said(words, found), list[TreeNode]()

    def add(node: Branch | Leaf, text: str, parent: int) -> None:
        number = len(nodes)
        if isinstance(node, Leaf):
            i = node.number
            share = f"{fmt_percent(float(tree.share[i]), 0)} of the {words.steps}"
            hover = f"{group_text(words.columns, tree, i)}<br>{texts[i]}<br>{share}"
            label = f"{text}<br><b>{texts[i].replace(', ', '<br>', 1)}</b>"
            nodes.append(TreeNode(number, parent, label, fmt_unit(hover), int(tree.probs[i].argmax())))
            return
        nodes.append(TreeNode(number, parent, text, text))
        column = words.columns[node.column]
        for child, above in ((node.below, False), (node.above, True)):
            add(child, fmt_unit(side_text(column, above, node.threshold)), number)

    add(tree.root, "all states", -1)
    return nodes


def departures(words: TreeWords, found: InWords) -> pd.DataFrame:
    """The groups in which the tree departs from those who treated, what moves most first: the columns of `groups`,
    with group, said and gave (what was given there), in words."""
    groups = found.groups.assign(
        group=[group_text(words.columns, found.tree, number) for number in range(len(found.groups))],
        said=said(words, found),
        gave=given(words, found),
    )
    groups = groups[groups["departs"]]
    return groups.sort_values("moved", ascending=False, kind="stable", ignore_index=True)


def deferring_text(words: TreeWords, found: InWords) -> str:
    """What to do in all other states."""
    rest = found.groups[~found.groups["departs"]]
    if rest.empty:
        return f"It departs from the {words.who} in every group."
    share = fmt_percent(float(rest["steps"].sum()) / max(found.steps, 1), 0)
    return (
        f"Everywhere else, in {len(rest)} of {len(found.groups)} groups with {share} of the {words.steps}, it moves "
        f"no more than a tenth of the {words.actions} beyond chance: there, do as {words.who} do."
    )


def fidelity_text(words: TreeWords, found: InWords) -> str:
    """How often the tree says what the policy does."""
    return (
        f"The tree says the policy's likeliest {words.action} at {_share(found.fidelity)} of {found.steps:,} "
        f"{words.steps} of {found.stays:,} test patients; weighted by how sure the policy is, "
        f"{_share(found.weighted)}. Always saying its commonest {words.action}: {fmt_percent(found.plain, 0)}."
    )


def effect_text(row: Any) -> str:
    """'+0.42 [-0.68, 1.53]' of a group; why not where it was not judged."""
    if not np.isfinite(row.difference):
        return "too few patients"
    return f"{row.difference:+.2f} {fmt_interval(row.low, row.high)}"


def true_text(row: Any) -> str:
    """'+0.15 ± 0.10'; '–' where it was not rolled out."""
    known = np.isfinite(row.true_difference)
    return f"{row.true_difference:+.2f} ± {row.true_difference_se:.2f}" if known else "–"


def as_text(words: TreeWords, found: InWords, name: str, run: str) -> str:
    """All of it as plain text; name: what the policy is called; run: the run's name."""
    return "\n".join(_lines(words, found, name, run)) + "\n"


def _lines(words: TreeWords, found: InWords, name: str, run: str) -> Iterator[str]:
    yield f"{name}, in words (run {run}; {words.about})"
    yield "Research and teaching only; nothing in it may guide the care of a patient."
    yield ""
    yield fidelity_text(words, found)
    yield f"Difference to the {words.who} ({words.earned}) by the mix:"
    for row in _rows(found.judged):
        interval = fmt_interval(row.difference_low, row.difference_high)
        yield (
            f"    {row.what}: {row.difference:+.2f} {interval}, ESS {row.ess:.1f} of {fmt_count(row.n)}, {row.grade}; "
            f"true difference (simulated) {true_text(row)}"
        )
    yield ""
    yield "The tree:"
    yield from (f"    {line}" for line in tree_lines(words.columns, found.tree, said(words, found)))
    yield ""
    yield f"Where it departs from the {words.who} (intervals corrected for {len(found.groups)} groups):"
    for row in _rows(departures(words, found)):
        yield (
            f"    {row.group}: {row.said}; given were {row.gave}. {row.steps:,} {words.steps} of {row.stays:,} "
            f"patients; {_mean_dose(words, row)}moves {fmt_percent(row.moved, 0)} of the {words.actions}; effect "
            f"{effect_text(row)}, true effect (simulated) {true_text(row)}"
        )
    yield deferring_text(words, found)


def _mean_dose(words: TreeWords, row: Any) -> str:
    """'mean dose 900 -> 300; ' of a group; nothing of actions that are no doses."""
    return f"mean dose {row.given:,.0f} -> {row.own:,.0f}; " if words.doses else ""


def _share(share: Share) -> str:
    """'51 % [48, 54]'."""
    return f"{fmt_percent(share.value, 0)} [{100 * share.low:.0f}, {100 * share.high:.0f}]"


def _rows(frame: pd.DataFrame) -> Iterator[Any]:
    """Rows as named tuples, whose fields may be anything."""
    yield from frame.itertuples()
