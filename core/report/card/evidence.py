"""Items of a model card on what was learned and how far it may be believed: model, support, values, groups, sites."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from core.base.errors import PhenoPolicyError
from core.base.judging import judging_words
from core.experiments.judgment_evidence import judgment_evidence
from core.figures.theme import fmt, fmt_count, fmt_interval, fmt_percent
from core.figures.theme import policy_style as style
from core.icu.ask.against import against_clinicians
from core.icu.ask.frontier import reach_of
from core.icu.ask.hazards import hazard_table
from core.icu.view import RunView
from core.policies.hazards import GIVEN, default_rules, default_warnings
from core.policies.key import PolicyKey
from core.policies.rules import Rule
from core.report.card.parts import (
    FEW,
    FEWEST_SHOWN,
    CardItem,
    CardTable,
    decide,
    hti,
    reinforcement,
    shown_count,
    tripod,
)
from core.report.card.shared import differences, groups_item
from core.report.policies import bracketed, policy_rows
from core.runs.manifest import JUDGED_BY
from core.sites import SiteResult, once_each, pool


def model(view: RunView) -> CardItem:
    config, fusion = view.config, view.config.fusion
    own = view.own_policy
    return CardItem(
        key="model",
        title="Model",
        references=[
            tripod("12", "analytical methods"),
            tripod("16", "training versus evaluation"),
            tripod("22", "model specification"),
        ],
        said=[
            f"An encoder reads the stay so far; {view.n_clusters} phenotypes by KMeans on its representation; one "
            f"agent a phenotype ({config.agents.algorithm.replace('_', ' ')}, discount {config.agents.gamma:g}); their "
            f"policies are fused by the distances to the phenotypes (λ = {fusion.lambda_:g}).",
            f"The run's own policy is '{own.policy}' at K = {own.n_clusters}. Preset {config.preset}, seed "
            f"{config.run.seed}; every setting with its meaning stands in the run's report.",
            "Learned on training patients, the encoder chosen on validation patients, judged on test patients; the "
            "advice by five folds of all, each stay by a fold that never saw its person.",
            *(_added(view)),
        ],
    )


def _added(view: RunView) -> list[str]:
    if not view.added:
        return []
    return [f"Added from elsewhere, not learned in this run, how is not known here: {', '.join(view.added)}."]


def support(view: RunView) -> CardItem:
    """How far the records carry each policy: effective stays, rare doses, and how far from the clinicians it may go."""
    rows = policy_rows(view)
    rows = rows[rows["estimator"] == "phwis"]
    lines = [
        {
            "policy": style(row["policy"]).name,
            "effective stays": f"{fmt(row['ess'], 1)} of {fmt_count(row['n'])}",
            "support": row["support"],
            "rarely given advice": fmt_percent(row["unsupported_share"]),
            "agrees with clinicians": fmt_percent(row["concordance_rate"]),
        }
        for row in rows.to_dict("records")
    ]
    reach, floor = reach_of(view, view.own_policy), view.config.evaluation.ess_floor
    how = "not even as far as the clinicians' own policy" if reach is None else f"up to a = {reach:g} of the way to it"
    return CardItem(
        key="support",
        title="Support of the records",
        references=[reinforcement("effective sample size"), tripod("10", "sample size")],
        said=[
            f"From the clinicians' policy toward the run's own, the test patients carry an effective sample size of "
            f"{floor:g} {how}.",
            "No sample size was planned: all stays of the file that fit the study were taken.",
        ],
        tables=[
            CardTable.of(
                f"Weighted by whole stays of test patients; support is missing under {floor:g} effective stays.",
                pd.DataFrame(lines),
            )
        ],
    )


def results(view: RunView) -> CardItem:
    """Differences to the clinicians with intervals, and in how many simulated cohorts such intervals held the truth."""
    references = [tripod("23", "model performance"), hti("quantitative measures of performance")]
    rows = against_clinicians(view, view.config.fusion.mode)
    if rows is None or view.advice is None:
        again = "Differences to the clinicians: the run was made before they were judged. Train it again."
        return CardItem(key="results", title="Results", references=references, unanswered=[again])
    audit = view.advice.audit.sentences() if view.advice.audit else []
    atlas = view.advice.atlas.sentences() if view.advice.atlas else []
    return CardItem(
        key="results",
        title="Results, with the measured coverage of their intervals",
        references=references,
        said=[view.advice.text, *_coverage(view.cohort.n_patients), *audit, *atlas],
        tables=[
            CardTable.of(
                "Difference of each policy to the clinicians in reward; in brackets: not supported.",
                differences(rows, lambda policy: style(policy).name, "effective stays"),
            )
        ],
        unanswered=[]
        if view.manifest.simulated
        else ["Whether these very intervals hold the truth, which is unknown."],
    )


def _coverage(n_patients: int) -> list[str]:
    """How often 95 % intervals of the mix held the truth, at the measured size that is nearest to the run's."""
    evidence = judgment_evidence()
    if evidence is None:
        return []
    rows = evidence.table("estimators")
    rows = rows[rows["estimator"] == "mix"]
    row = rows.iloc[int(np.argmin(np.abs(np.log(rows["patients"].to_numpy(dtype=float) / n_patients))))]
    return [
        f"Measured coverage: on {row['cohorts']} fresh simulated cohorts of {row['patients']:,} stays, 95 % intervals "
        f"of such differences held the truth in {100 * row['covers']:.1f} ± {100 * row['cover_se']:.1f} % of "
        f"{row['n']} cases (policies with {evidence.ess_floor:g} effective stays or more, {evidence.date}). On real "
        "records it is not known."
    ]


def safety(view: RunView) -> CardItem:
    """Hazardous doses of the run's own policy and of added ones, beside what was given."""
    references = [decide("safety and errors"), hti("cautioned out-of-scope use")]
    rules, warnings = default_rules(view.study), default_warnings(view.study)
    if not rules and not warnings:
        missing = "Which doses would be hazardous when: the study names no hazards."
        return CardItem(key="safety", title="Hazardous doses", references=references, unanswered=[missing])
    told = (("Rules, on test patients.", rules), ("Warnings, which are no rules, on test patients.", warnings))
    return CardItem(
        key="safety",
        title="Hazardous doses",
        references=references,
        said=[
            "How often a dose is given that a hazard rule or a warning of the study names, at the recorded steps where "
            "it applies."
        ],
        tables=[CardTable.of(caption, _hazard_rates(view, which)) for caption, which in told if which],
        unanswered=["Harm in use: errors, near misses and their causes were not studied; nobody used it."],
    )


def _hazard_rates(view: RunView, rules: list[Rule]) -> pd.DataFrame:
    """One line a rule and policy; counts and rates of few patients are not told."""
    keys = [view.own_policy, *(PolicyKey(name) for name in view.added)]
    found = hazard_table(view, view.split.test, rules, keys)
    lines = []
    for row in found.to_dict("records"):
        few = row["patients"] < FEWEST_SHOWN
        known = np.isfinite(row["low"]) and not few
        lines.append(
            {
                "hazard": row["text"],
                "doses of": "as given" if row["policy"] == GIVEN else style(row["policy"]).name,
                "rate": FEW + " patients" if few else fmt_percent(row["rate"]),
                "95 % interval": f"[{fmt_percent(row['low'])}, {fmt_percent(row['high'])}]" if known else "none",
                "patients": shown_count(int(row["patients"])),
            }
        )
    return pd.DataFrame(lines)


def groups(view: RunView) -> CardItem:
    """The advice's difference by sex, age, severity and phenotype, where enough stays tell."""
    caption = "Groups by the first step of the stay."
    return groups_item(view.subgroups, partial(_group, view), "clinicians", "stays", caption)


def _group(view: RunView, by: str, group: str) -> str:
    """A group in words."""
    if by == "phenotype":
        return f"Phenotype {group}"
    column = view.study.column(by)
    title = column.label or column.name
    return f"{title}: {column.word(float(group)) or group}" if column.binary else f"{title}, {group}"


def external(view: RunView, sites: Sequence[SiteResult]) -> CardItem:
    """What other sites found of the run's own policy, pooled where two or more were judged by the same version."""
    own = view.own_policy.policy
    kept, again = once_each(sites)
    found = [(site, one) for site in kept for one in site.policies if one.policy == own]
    lines = [
        {
            "site": site.site,
            "stays": fmt_count(site.stays),
            "difference": bracketed(f"{one.difference:+.2f}", one.grade),
            "95 % interval": fmt_interval(one.low, one.high),
            "grade": one.grade,
            "version of the judging": "none yet" if site.judging is None else str(site.judging),
        }
        for site, one in found
    ]
    said = [f"The policy '{own}' judged at {len(found)} other sites by their own clinicians."] if found else []
    if again:
        said.append(f"Given more than once, of which the first is counted: {', '.join(again)}.")
    if len(found) > 1:
        said += _pooled(view, [site for site, _ in found])
    return CardItem(
        key="external",
        title="External validation",
        references=[tripod("23", "model performance, by setting"), hti("external validation process")],
        said=said,
        tables=[CardTable.of("Difference to the clinicians of each site.", pd.DataFrame(lines))] if lines else [],
        unanswered=[] if found else ["Results on other patients than the run's: no site's results were given."],
    )


def _pooled(view: RunView, sites: Sequence[SiteResult]) -> list[str]:
    """The sites pooled, in sentences; of several versions of the judging only those of one, for `pool` mixes none.

    It is the run's own version where two sites were judged by it, or else that of most sites.
    """
    counts, own = Counter(site.judging for site in sites), view.manifest.versions.get(JUDGED_BY)
    version = max(counts, key=lambda one: (counts[one] > 1, str(one) == own, counts[one], one or 0))
    if counts[version] < 2:
        return ["Not pooled: each was judged by a version of its own, and their numbers are not comparable."]
    alike = [site for site in sites if site.judging == version]
    try:
        pooled = next(one for one in pool(alike).policies if one.policy == view.own_policy.policy)
    except PhenoPolicyError as error:
        return [f"Not pooled: {error}"]
    whole = pooled.random_effects
    said = (
        f"At a further site: {whole.value:+.2f} {fmt_interval(whole.low, whole.high)} (random effects; between "
        f"sites SD {pooled.tau:.2f}, I² {100 * pooled.i2:.0f} %)."
    )
    others = [f"{site.site} by {judging_words(site.judging)}" for site in sites if site.judging != version]
    if not others:
        return [said]
    return [
        said,
        f"Pooled are the {len(alike)} sites judged by {judging_words(version)}. Left out, as their numbers are not "
        f"comparable: {'; '.join(others)}.",
    ]
