"""The section of a run's report on its policies: what each is worth, how far that is supported, what it looks like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.figures.policy_values import policy_forest
from core.figures.theme import fmt, fmt_count, fmt_interval, fmt_percent
from core.figures.theme import policy_style as style
from core.icu.ask.against import as_told
from core.icu.ask.names import phenotype_texts
from core.icu.ask.tables import policy_table
from core.icu.panels import PanelFigure, policy_panel
from core.icu.view import RunView
from core.report.parts import Section, Table

NEAR_UNIFORM = 0.95  # normalized entropy from which a policy is called near-uniform
ESTIMATORS = {"phwis": "PHWIS", "phwdr": "PHWDR", "fqe": "FQE"}


def policy_rows(view: RunView) -> pd.DataFrame:
    """Rows of the stored comparison at the run's own K, lambda and mode."""
    fusion = view.config.fusion
    return policy_table(view, view.n_clusters, fusion.lambda_, fusion.mode)


def the_policies(view: RunView, repeats: pd.DataFrame | None = None, published: pd.DataFrame | None = None) -> Section:
    """Every policy's value with interval, ESS, support and truth; what it looks like; the policy panel."""
    rows, names = policy_rows(view), phenotype_texts(view, view.n_clusters)
    fusion, floor = view.config.fusion, view.config.evaluation.ess_floor
    return Section(
        "policies",
        "Policies and their values",
        [
            f"K = {view.n_clusters}, λ = {fusion.lambda_:g}, {fusion.mode} mode, test patients only. Value: expected "
            f"discounted {view.study.earned}.",
            "ESS is the number of patients that the weighted estimate is worth. Values in brackets are not supported "
            f"by the records (ESS under {floor:g}); their intervals understate the doubt. FQE is the critic's own "
            "estimate: it weighs no patient, so it has neither interval nor ESS.",
        ],
        tables=[_values(rows, names), _looks(view, rows)],
        figures=[_forest(rows, names), *policy_panel(view, repeats, published)],
    )


def _values(rows: pd.DataFrame, names: Sequence[str]) -> Table:
    lines = []
    for row in rows.to_dict("records"):
        known = np.isfinite(row["true_value"])
        covered = row["low"] <= row["true_value"] <= row["high"]
        lines.append(
            {
                "policy": style(row["policy"], names).name,
                "estimator": ESTIMATORS.get(row["estimator"], row["estimator"].upper()),
                "value": bracketed(fmt(row["value"]), row["support"]),
                "95 % interval": fmt_interval(row["low"], row["high"]),
                "ESS": fmt(row["ess"], 1),
                "patients": fmt_count(row["n"]),
                "support": row["support"] or "–",
                "true value ± standard error": f"{fmt(row['true_value'])} ± {fmt(row['true_se'])}" if known else "–",
                "interval holds it": "–" if not known or not np.isfinite(row["low"]) else "yes" if covered else "no",
            }
        )
    return Table.of(
        "Values of all policies under each estimator, with 95 % intervals, effective sample size (ESS), support and, "
        "on simulated patients, the true value.",
        pd.DataFrame(lines),
    )


def _looks(view: RunView, rows: pd.DataFrame) -> Table:
    """Survival under each policy and what the policy looks like, one row a policy."""
    weighted = rows[rows["estimator"] == "phwdr"] if (rows["estimator"] == "phwdr").any() else rows
    curve, names = view.survival_curve, phenotype_texts(view, view.n_clusters)
    lines = []
    for row in weighted.drop_duplicates("policy").to_dict("records"):
        low, high = (float(bound) for bound in curve.band(row["value"]))
        grade = row["support"]
        survival = f"{fmt_percent(row['survival'])} {_percents(row['survival_low'], row['survival_high'])}"
        expected = f"{fmt_percent(row['expected_survival'])} {_percents(low, high)}"
        true = fmt_percent(row["true_survival"])
        lines.append(
            {
                "policy": style(row["policy"], names).name,
                "survival, weighted (PHWIS)": bracketed(survival, grade),
                "published figure: survival read off at PHWDR": bracketed(expected, grade),
                "ESS": fmt(row["ess"], 1),
                "true survival": f"{true} ± {fmt_percent(row['true_survival_se'])}" if true != "–" else true,
                "the published figure's error, points": error_text(row["expected_survival"], row["true_survival"]),
                "agrees with clinicians": fmt_percent(row["concordance_rate"]),
                "entropy": fmt(row["entropy"]) + ("*" if row["entropy"] >= NEAR_UNIFORM else ""),
                "rarely given advice": fmt_percent(row["unsupported_share"]),
            }
        )
    rare = fmt_percent(view.config.evaluation.probability_floor, 0)
    said = (
        "Survival under each policy, and what the policy looks like. Survival by the mix stands under Against the "
        "clinicians. Survival, weighted: the weights of PHWIS on who survived. Published figure: read off the survival "
        "curve at PHWDR, with the curve's 95 % band there; it is no estimate of survival."
    )
    if not view.study.tells_survival:
        said = "What each policy looks like."
    return Table.of(
        f"{said} Agrees: steps whose likeliest dose was given. Entropy: 1 is a uniform choice; * is near-uniform, "
        f"without preference. Rarely given: steps whose likeliest dose clinicians give with probability below {rare}.",
        as_told(pd.DataFrame(lines), view.study),
    )


def error_text(said: float, true: float) -> str:
    """What a figure of survival misses the truth by, in points of a hundred; '–' where the truth is not known."""
    return f"{100 * (said - true):+.1f}" if np.isfinite(said) and np.isfinite(true) else "–"


def _percents(low: float, high: float) -> str:
    return f"[{fmt_percent(low)}, {fmt_percent(high)}]" if np.isfinite(low) else "no interval"


def bracketed(text: str, support: str) -> str:
    """The text of a number, in brackets where the records do not support it."""
    return f"({text})" if support == "not supported" else text


def _forest(rows: pd.DataFrame, names: Sequence[str]) -> PanelFigure:
    truth = bool(rows["true_value"].notna().any())
    weighted = rows[rows["low"].notna()]
    read = "; ".join(
        f"{style(r['policy'], names).name} {r['estimator'].upper()} {fmt(r['value'])} "
        f"{fmt_interval(r['low'], r['high'])}"
        for r in weighted.to_dict("records")
    )
    return PanelFigure(
        "values",
        "Values of all policies in this run",
        policy_forest(weighted if len(weighted) else rows, truth=truth, names=names),
        f"Values with 95 % intervals: {read}.",
        "Hollow: weak; hollow and gray: not supported by the records."
        + (" Black bars: true values in the simulator." if truth else ""),
    )
