"""Items of a registry run's model card on what was learned and how far it may be believed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.figures.theme import fmt, fmt_count, fmt_percent
from core.registry.ask.against import against_experts
from core.registry.ask.compared import DIALS, GREEDY, RECOMMENDED, TITLES
from core.registry.ask.groups import subgroups
from core.registry.view import RegistryView
from core.report.card.parts import CardItem, CardTable, decide, hti, reinforcement, tripod
from core.report.card.shared import differences, groups_item

TOP_N = (1, 5, 10)  # of accuracies that are told


def model(view: RegistryView) -> CardItem:
    config, screen = view.config, view.screen
    added = ", ".join(view.added)
    rare = f" of at least {fmt_percent(screen.threshold)} probability" if screen.threshold else ""
    return CardItem(
        key="model",
        title="Model",
        references=[
            tripod("12", "analytical methods"),
            tripod("16", "training versus evaluation"),
            tripod("22", "model specification"),
        ],
        said=[
            "Of each decision a network predicts which set of drugs experts give. Of each learned one a Q-network "
            f"({config.dqn.algorithm.replace('_', ' ')}, discount {view.spec.gamma:g} a stage, {config.dqn.updates:,} "
            f"updates) ranks the sets; a random forest of {config.forest.n_trees} trees that predicts the reward, and "
            "the set that experts give most, are compared with it.",
            f"What is recommended, '{TITLES[RECOMMENDED]}', is the best by Q among the experts' {screen.n} likeliest "
            f"sets{rare}. Seed {config.run.seed}; every setting with its meaning stands in the run's report.",
            "Learned on training patients; epochs and calibration were chosen on validation patients; test patients "
            "judge.",
            *([f"Added from elsewhere, not learned in this run, how is not known here: {added}."] if added else []),
        ],
    )


def screening(view: RegistryView) -> CardItem:
    """How right the predictions of the experts' choice are, on which screen and evaluation rest."""
    errors = view.calibration[view.calibration["stage"] == "all"].groupby("decision", sort=False).first()
    lines = []
    for decision in view.spec.decisions:
        line = {"decision": decision.title}
        line |= {f"among {n} likeliest": fmt_percent(_accuracy(view, decision.name, n)) for n in TOP_N}
        error, loss = (errors[name].get(decision.name, np.nan) for name in ("error", "log_loss"))
        lines.append(line | {"calibration error": fmt_percent(error), "log loss": fmt(loss)})
    return CardItem(
        key="screening",
        title="Prediction of the experts' choice",
        references=[
            tripod("23", "model performance"),
            reinforcement("access to the variables that influenced decisions"),
            hti("quantitative measures of performance"),
        ],
        said=[
            "Policies are screened by these predictions, and values divide by them: where they are wrong, so are these."
        ],
        tables=[
            CardTable.of(
                "On test patients: how often the set that was given is among the likeliest; expected calibration error "
                "of the probabilities.",
                pd.DataFrame(lines),
            )
        ],
    )


def _accuracy(view: RegistryView, decision: str, n: int) -> float:
    """Share of a decision's choices, at all its stages, that are among the n likeliest; NaN where the run has none."""
    rows = view.accuracy[(view.accuracy["decision"] == decision) & (view.accuracy["n"] == n)]
    asked = rows["decisions"].sum()
    return float((rows["accuracy"] * rows["decisions"]).sum() / asked) if asked else float("nan")


def support(view: RegistryView) -> CardItem:
    """How far the records carry each policy: effective courses, and how far from the experts it may go."""
    rows, floor = view.ope[view.ope["estimator"] == "phwis"], view.config.evaluation.ess_floor
    lines = []
    for row in rows.to_dict("records"):
        reached = {name: view.reach(row["policy"], name) for name in DIALS} if row["policy"] in GREEDY else {}
        lines.append(
            {
                "policy": TITLES.get(row["policy"], row["policy"]),
                "effective courses": f"{fmt(row['ess'], 1)} of {fmt_count(row['n'])}",
                "support": row["support"],
                "distance from the experts": fmt_percent(row["distance"]),
                **{f"supported up to, {name}": _setting(reached, name) for name in DIALS},
            }
        )
    return CardItem(
        key="support",
        title="Support of the records",
        references=[reinforcement("effective sample size"), tripod("10", "sample size")],
        said=[
            f"Support is missing under {floor:g} effective courses of test patients. From the experts toward a "
            "softened policy: mixture at a, from 0 (experts) to 1; floor: only sets that experts give with at least "
            "this probability.",
            "No sample size was planned: all patients of the file that fit the registry were taken.",
        ],
        tables=[CardTable.of("Weighted by whole courses; distance: mean total variation.", pd.DataFrame(lines))],
    )


def _setting(reached: dict[str, float | None], dial: str) -> str:
    if dial not in reached:
        return "–"
    setting = reached[dial]
    return "nowhere" if setting is None else f"{setting:g}"


def results(view: RegistryView) -> CardItem:
    """Differences to the experts with intervals, and how many held the truth where it is known."""
    references = [tripod("23", "model performance"), hti("quantitative measures of performance")]
    title, rows = "Results", against_experts(view)
    if rows is None or view.advice is None:
        again = "Differences to the experts: the run was made before they were judged. Train it again."
        return CardItem(key="results", title=title, references=references, unanswered=[again])
    atlas = view.advice.atlas.sentences() if view.advice.atlas else []
    table = differences(rows, lambda policy: policy, "effective courses")
    return CardItem(
        key="results",
        title=title,
        references=references,
        said=[view.advice.text, *_held(rows), *atlas],
        tables=[CardTable.of("Difference of each policy to the experts in reward; in brackets: not supported.", table)],
        unanswered=[
            "In what share of registries such intervals hold the truth: it was measured on too few simulated ones "
            "(docs/evidence.md), and is unknown of real ones."
        ],
    )


def _held(rows: pd.DataFrame) -> list[str]:
    """How many intervals of this one registry hold the truth; nothing of real patients."""
    known = rows[rows["true_difference"].notna() & (rows["ess"] > 0)]
    if known.empty:
        return []
    held = known["true_difference"].between(known["difference_low"], known["difference_high"])
    return [
        f"{int(held.sum())} of {len(known)} intervals of policies that some course follows hold the true difference; "
        "of one registry they are nearly one another's copies."
    ]


def safety(_: RegistryView) -> CardItem:
    return CardItem(
        key="safety",
        title="Hazardous sets of drugs",
        references=[decide("safety and errors"), hti("cautioned out-of-scope use")],
        unanswered=[
            "Which sets of drugs would be hazardous when: a registry names no hazards, and interactions are not known "
            "to it.",
            "Harm in use: errors, near misses and their causes were not studied; nobody used it.",
        ],
    )


def groups(view: RegistryView) -> CardItem:
    """The advice's difference by each baseline feature, where enough courses tell."""
    features = {feature.name: feature.label or feature.name for feature in view.spec.features}

    def word(by: str, group: str) -> str:
        return f"{features[by]}{', ' if group.endswith('third') else ': '}{group}"

    caption = "Groups of test patients by what was known before the first stage."
    return groups_item(subgroups(view), word, "experts", "courses", caption)


def external(_: RegistryView) -> CardItem:
    return CardItem(
        key="external",
        title="External validation",
        references=[tripod("23", "model performance, by setting"), hti("external validation process")],
        unanswered=[
            "Results on other patients than the run's: `registry evaluate RUN --cohort FILE` gives them for another "
            "registry; they are not part of the run."
        ],
    )
