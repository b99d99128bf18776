"""What a policy's tree says, in words: of each group, as boxes to be drawn, as a table, and as a text to take along."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from core.figures.policy_tree import TreeNode
from core.figures.theme import fmt_count, fmt_interval, fmt_percent, fmt_unit
from core.icu.ask.in_words import InWords, Share
from core.policies.tree import Branch, Leaf, group_text, side_text, tree_lines
from core.study import StudySpec

SECOND = 0.2  # share of a group's next likely dose from which it is told
AS_CLINICIANS = "as clinicians do"


def outcomes(study: StudySpec) -> list[str]:
    """What a tree may say: each dose, and to do as clinicians do."""
    return [*(study.actions.label(action) for action in range(study.n_actions)), AS_CLINICIANS]


def said(study: StudySpec, found: InWords) -> list[str]:
    """'52 % no heparin, 34 % as clinicians do' of each group: what the policy does there most often, and next."""
    names, texts = outcomes(study), []
    for probs in found.tree.probs:
        first, second = np.argsort(-probs, kind="stable")[:2]
        told = [first, second] if probs[second] >= SECOND else [first]
        texts.append(", ".join(f"{fmt_percent(float(probs[a]), 0)} {names[a]}" for a in told))
    return texts


def boxes(study: StudySpec, found: InWords) -> list[TreeNode]:
    """The tree's boxes, each before those that it leads to."""
    tree, texts, nodes = found.tree, said(study, found), list[TreeNode]()

    def add(node: Branch | Leaf, text: str, parent: int) -> None:
        number = len(nodes)
        if isinstance(node, Leaf):
            i = node.number
            share = f"{fmt_percent(float(tree.share[i]), 0)} of the steps"
            hover = f"{group_text(study, tree, i)}<br>{texts[i]}<br>{share}"
            label = f"{text}<br><b>{texts[i].replace(', ', '<br>', 1)}</b>"
            nodes.append(TreeNode(number, parent, label, fmt_unit(hover), int(tree.probs[i].argmax())))
            return
        nodes.append(TreeNode(number, parent, text, text))
        column = study.columns[node.column]
        for child, above in ((node.below, False), (node.above, True)):
            add(child, fmt_unit(side_text(column, above, node.threshold)), number)

    add(tree.root, "all states", -1)
    return nodes


def departures(study: StudySpec, found: InWords) -> pd.DataFrame:
    """The groups in which the tree departs from the clinicians, what moves most doses first: the columns of `groups`,
    with group and said, in words."""
    groups = found.groups.assign(
        group=[group_text(study, found.tree, number) for number in range(len(found.groups))], said=said(study, found)
    )
    groups = groups[groups["departs"]]
    return groups.sort_values("moved", ascending=False, kind="stable", ignore_index=True)


def deferring_text(found: InWords) -> str:
    """What to do in all other states."""
    rest = found.groups[~found.groups["departs"]]
    if rest.empty:
        return "It departs from the clinicians in every group."
    share = fmt_percent(float(rest["steps"].sum()) / max(found.steps, 1), 0)
    return (
        f"Everywhere else, in {len(rest)} of {len(found.groups)} groups with {share} of the steps, it moves no more "
        "than a tenth of the doses beyond chance: there, do as clinicians do."
    )


def fidelity_text(found: InWords) -> str:
    """How often the tree says what the policy does."""
    return (
        f"The tree says the policy's likeliest dose at {_share(found.fidelity)} of {found.steps:,} steps of "
        f"{found.stays:,} test patients; weighted by how sure the policy is, {_share(found.weighted)}. Always saying "
        f"its commonest dose: {fmt_percent(found.plain, 0)}."
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


def as_text(study: StudySpec, found: InWords, name: str, run: str) -> str:
    """All of it as plain text; name: what the policy is called; run: the run's name."""
    return "\n".join(_lines(study, found, name, run)) + "\n"


def _lines(study: StudySpec, found: InWords, name: str, run: str) -> Iterator[str]:
    actions = study.actions
    unit = f" in {actions.unit}" if actions.unit else ""
    yield f"{name}, in words (run {run}; {actions.words} of {actions.drug}{unit})"
    yield "Research and teaching only; nothing in it may guide the care of a patient."
    yield ""
    yield fidelity_text(found)
    yield "Difference to the clinicians (reward of a stay) by the mix:"
    for row in _rows(found.judged):
        interval = fmt_interval(row.difference_low, row.difference_high)
        yield (
            f"    {row.what}: {row.difference:+.2f} {interval}, ESS {row.ess:.1f} of {fmt_count(row.n)}, {row.grade}; "
            f"true difference (simulated) {true_text(row)}"
        )
    yield ""
    yield "The tree:"
    yield from (f"    {line}" for line in tree_lines(study, found.tree, said(study, found)))
    yield ""
    yield f"Where it departs from the clinicians (intervals corrected for {len(found.groups)} groups):"
    for row in _rows(departures(study, found)):
        yield (
            f"    {row.group}: {row.said}. {row.steps:,} steps of {row.stays:,} patients; {_mean_dose(study, row)}"
            f"moves {fmt_percent(row.moved, 0)} of the {actions.words}; effect {effect_text(row)}, "
            f"true effect (simulated) {true_text(row)}"
        )
    yield deferring_text(found)


def _mean_dose(study: StudySpec, row: Any) -> str:
    """'mean dose 900 -> 300; ' of a group; nothing of actions that are no doses."""
    return f"mean dose {row.given:,.0f} -> {row.own:,.0f}; " if study.actions.ordered else ""


def _share(share: Share) -> str:
    """'51 % [48, 54]'."""
    return f"{fmt_percent(share.value, 0)} [{100 * share.low:.0f}, {100 * share.high:.0f}]"


def _rows(frame: pd.DataFrame) -> Iterator[Any]:
    """Rows as named tuples, whose fields may be anything."""
    yield from frame.itertuples()
