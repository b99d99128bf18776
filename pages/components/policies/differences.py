"""Every policy against the clinicians: the difference by the mix, its interval, grade, and what speaks against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.evaluation.learned import said_of
from core.figures.differences import difference_forest
from core.figures.theme import fmt_interval, fmt_lambda, two_lines
from core.icu.ask.against import against_clinicians, as_told, hidden_text, points_text, true_points_text
from core.icu.ask.learned import CRITIC, NEIGHBORS, STACK
from pages.components.policies.advice import BEFORE, HOW, hazards_in_words
from pages.components.shell.estimates import ESTIMATORS, bracketed, compared, rows_of
from pages.components.shell.export import show, table
from pages.components.shell.frame import empty
from pages.components.shell.names import policy_name
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView

PUBLISHED = ("phwis", "phwdr")
POINTS = (
    "Survival, points: how many more of a hundred patients survive than under the clinicians, by the same judges asked "
    "about the outcome alone. "
)


def difference_view(run: RunView, mode: str) -> None:
    """Forest and table of differences at the run's own K and lambda."""
    st.markdown("**Against the clinicians: difference by the mix**")
    rows = against_clinicians(run, mode)
    if rows is None:
        empty("Not judged against the clinicians", BEFORE, icon=":material/balance:")
        return
    known = rows["true_difference"].notna().any()
    show(
        difference_forest(rows, two_line_names(run, rows)),
        "policy-differences",
        "Difference of each policy to the clinicians with 95 % interval: "
        + "; ".join(
            f"{policy_name(run, r.policy, run.n_clusters)} {r.difference:+.2f} "
            f"{fmt_interval(r.difference_low, r.difference_high)}, {r.grade}"
            for r in rows_of(rows)
        ),
        caption=f"{_own(run, mode)} Right of the dotted line: better than the clinicians. Hollow: weak; hollow and "
        "gray: not supported. Advice, a: the pessimistic step with probability a, else as clinicians do, judged on all "
        "stays; all others on test patients."
        + (f" Brought in, not learned here: {', '.join(run.added)}." if run.added else "")
        + (" Upright bar: true difference by simulation." if known else ""),
        help=HOW,
        data=rows,
    )
    if run.advice is not None:
        words = hazards_in_words(run, run.advice)
        st.caption(f":material/warning: Advice, {run.advice.shown.share:g}. {words} Other policies: Hazard rules.")
    table(
        _lines(run, rows, mode),
        "difference-table",
        name="against-clinicians",
        caption=f"In brackets: not supported by the records. {POINTS if run.study.tells_survival else ''}PHWIS and "
        "PHWDR: published estimators of the value itself, with their own intervals and support; the mix is the "
        "value that belongs to the difference. Γ: by how much an unrecorded cause must multiply the odds of a "
        f"{run.study.actions.word} throughout a stay to kill a claimed gain; passing: where it is another cause at "
        "every step. Its own Q: what an agent says its policy is worth at the first step, held against the mix, a "
        f"phenotype's agent against the returns recorded in its phenotype.{_models(run)}",
        csv=rows,
        reasons="why not more",
    )


def two_line_names(run: RunView, rows: pd.DataFrame) -> dict[str, str]:
    """What the policies of a forest are called, at the run's own K, in two lines where there are words."""
    return {str(policy): two_lines(policy_name(run, str(policy), run.n_clusters)) for policy in rows["policy"]}


def _models(run: RunView) -> str:
    """Whether the models that the estimates rest on learned."""
    names = (CRITIC, NEIGHBORS, STACK)
    said = [(name, text) for name, text in zip(names, said_of(run.learned, names), strict=True) if text != "–"]
    return "".join(f" {name[0].upper()}{name[1:]}: {text}." for name, text in said)


def _own(run: RunView, mode: str) -> str:
    """At which setting policies were judged, and that the sliders do not move it."""
    session, fusion = get_session(), run.config.fusion
    moved = session.n_clusters != run.n_clusters or session.lambda_ != fusion.lambda_
    text = f"At the run's own K = {run.n_clusters} and λ = {fmt_lambda(fusion.lambda_)}, {mode}."
    return f"{text} The sliders move the published estimators below, not these." if moved else text


def _lines(run: RunView, rows: pd.DataFrame, mode: str) -> pd.DataFrame:
    """One line a policy, as text."""
    values = compared(run, run.n_clusters, run.config.fusion.lambda_, mode)
    published = {
        (row.policy, row.estimator): bracketed(f"{row.value:.2f} {fmt_interval(row.low, row.high)}", row.support)
        for row in rows_of(values[values["estimator"].isin(PUBLISHED)])
    }
    known, lines = rows["true_difference"].notna().any(), []
    for row in rows_of(rows):
        interval = fmt_interval(row.difference_low, row.difference_high)
        line = {
            "policy": policy_name(run, row.policy, run.n_clusters),
            "difference": bracketed(f"{row.difference:+.2f} {interval}", row.grade),
            "survival, points": bracketed(points_text(row._asdict(), "survival_difference"), row.grade),
            "ESS": round(row.ess, 1),
            "stays": row.n,
            "grade": row.grade,
            "claim, by Γ of a hidden cause": hidden_text(row._asdict()),
        }
        if known:
            true = f"{row.true_difference:+.2f} ± {row.true_difference_se:.2f}"
            line["true difference"] = true if np.isfinite(row.true_difference) else "–"
            line["true survival, points"] = true_points_text(row._asdict())
        mix = f"{row.mix:.2f} {fmt_interval(row.mix_low, row.mix_high)}"
        line["mix"] = bracketed(mix, row.grade) if np.isfinite(row.mix) else "–"
        line |= {ESTIMATORS[name]: published.get((row.policy, name), "–") for name in PUBLISHED}
        lines.append(line | {"why not more": row.doubts, "its own Q": row.learned})
    return as_told(pd.DataFrame(lines), run.study)
