"""Rows of a run's comparison and the patients that a panel counts: what the policy and value pages share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from core.evaluation import Light
from core.figures.theme import fmt, fmt_interval, fmt_lambda
from core.icu.ask.tables import comparison, policy_table
from core.policies.families import names_at
from core.policies.key import FUSED, SINGLE_EXPERT, PolicyKey
from pages.components.shell.controls import k_slider, lambda_slider, mode_control
from pages.components.shell.frame import empty
from pages.components.shell.names import policy_name
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView

ESTIMATORS = {"phwis": "PHWIS", "phwdr": "PHWDR", "fqe": "FQE"}
FQE_REMARK = "critic's own estimate, shrunk toward what clinicians achieve; its error is not known"
SUPPORT_RULE = (
    "Support: not supported where ESS is under {floor:g}; weak under {double:g}, or where ESS over all stays together "
    "is under {floor:g}, more than half of the stays have ratio 0, one stay carries more than 10 % of the weight, more "
    "than 10 % of the top doses are hardly ever given by clinicians, or PHWIS, PHWDR and FQE lie further apart than "
    "half an interval."
)
COUNTED = {"test": "Held-out test patients", "all": "All patients", "selection": "Selected patients"}
COUNTED_MARK = "policies-patients"  # which of them, in the link and the same in every panel
FEWEST_COUNTED = 5  # patients under whom a panel shows no shares
ONE_EXPERT = 0.99  # largest fusion weight above which one expert decides
NEAR_UNIFORM = 0.95  # normalized entropy from which a policy is called near-uniform


def policy_names(n_clusters: int, run: RunView, *, baselines: bool = True) -> list[str]:
    """Policies that a run compares at one K, in the order of tables: its baselines, unless they are left out, then
    those that were added to it, last."""
    rivals = run.baselines if baselines else ()
    return names_at(n_clusters, rivals, run.n_clusters, run.added, run.study.actions.has_nothing)


def fusion_controls(run: RunView, key: str) -> tuple[int, float, str]:
    """K, lambda and mode in one row."""
    row = st.container(key=f"{key}-sticky-controls")
    first, second, third = row.columns([2, 3, 2], vertical_alignment="bottom")
    with first:
        k = k_slider(run, key=f"{key}-k")
    with second:
        lambda_ = lambda_slider(run, key=f"{key}-lambda")
    with third:
        mode = mode_control(key=f"{key}-mode")
    if np.isinf(lambda_):
        st.caption(f"At λ = {fmt_lambda(lambda_)} the fused policy is the single expert, and stands under that name.")
    return k, lambda_, mode


def choose_patients(run: RunView, key: str) -> tuple[np.ndarray, str]:
    """Positions that a panel counts, and their name: held-out patients unless asked otherwise."""
    session = get_session()
    selection = session.selection
    options = [name for name in COUNTED if name != "selection" or selection is not None]
    kept = session.marks.get(COUNTED_MARK, "test")
    st.session_state[key] = kept if kept in options else "test"
    choice = st.segmented_control(
        "Patients",
        options,
        format_func=COUNTED.__getitem__,
        key=key,
        required=True,
        on_change=lambda: session.mark(COUNTED_MARK, st.session_state[key]),
        help="Agents were trained on the training patients; only held-out patients show how they do on new ones.",
    )
    if choice == "selection" and selection is not None:
        trained = int((run.split_name[selection.patients] == "train").sum())
        return selection.patients, f"patients of '{selection.name}', {trained:,} of whom the agents were trained on"
    if choice == "all":
        return np.arange(run.cohort.n_patients), "all patients"
    return run.split.test, "test patients"


def too_few(patients: np.ndarray, least: int = FEWEST_COUNTED) -> bool:
    """True where a panel counts too few patients, which it then says and what to do."""
    if len(patients) >= least:
        return False
    noun = "patient" if len(patients) == 1 else "patients"
    empty(
        "Too few patients",
        f"This needs at least {least} patients and {len(patients)} {noun} would be counted. "
        "Choose all patients above, or select more.",
    )
    return True


def compared(run: RunView, n_clusters: int, lambda_: float, mode: str) -> pd.DataFrame:
    """Rows of the stored comparison for this view (every policy at this K, lambda and mode), in the order of tables."""
    found = policy_table(run, n_clusters, lambda_, mode)
    order = {name: i for i, name in enumerate(policy_names(n_clusters, run))}
    found = found.sort_values("policy", key=lambda names: names.map(order).fillna(len(order)), kind="stable")
    for column in ("true_value", "true_se", "true_survival"):
        if column not in found:
            found[column] = np.nan
    if "reasons" not in found:  # a run from before reasons were stored
        found["reasons"] = ""
    return found


def stored_support(run: RunView, key: PolicyKey) -> Light:
    """Grade and reasons of a fused policy, as stored with its values."""
    rows = compared(run, key.n_clusters, key.lambda_, key.mode)
    rows = rows[(rows["policy"] == key.policy) & (rows["estimator"] == "phwis")]
    if rows.empty:
        return Light("not supported", ("Its value was not stored.",))
    row = next(rows_of(rows))
    return Light(row.support, (row.reasons,) if row.reasons else ())


def support_rule(run: RunView) -> str:
    """The rule behind the grades, with the run's own floor."""
    floor = run.config.evaluation.ess_floor
    return SUPPORT_RULE.format(floor=floor, double=2 * floor)


def bracketed(text: str, support: str) -> str:
    """The text of a number, in brackets where the records do not support it."""
    return f"({text})" if support == "not supported" else text


def truth_missed(run: RunView, rows: pd.DataFrame) -> str:
    """One line on the intervals that do not hold the true value; empty where no truth is known."""
    known = rows.dropna(subset=["true_value", "low", "high"])
    if known.empty:
        return ""
    missed = [
        f"{policy_name(run, r.policy)} ({ESTIMATORS.get(r.estimator, r.estimator)} {fmt_interval(r.low, r.high)}, "
        f"true {fmt(r.true_value)} ± {fmt(r.true_se)}, standard error)"
        for r in rows_of(known)
        if not r.low <= r.true_value <= r.high
    ]
    if not missed:
        return "All 95 % intervals shown here hold the true value of their policy."
    return f"The 95 % interval does not hold the true value: {'; '.join(missed)}."


def truth_elsewhere(run: RunView, n_clusters: int, lambda_: float, mode: str) -> str:
    """Where true values of the fused policy are known, for a view that has none; empty where it has, or nothing is."""
    table = comparison(run)
    if not has_truth(run):
        return ""
    known = table[table["policy"].isin((FUSED, SINGLE_EXPERT)) & table["true_value"].notna()]
    here = known[(known["n_clusters"] == n_clusters) & (known["mode"] == mode)]
    if lambda_ in set(here["lambda_"]) or known.empty:
        return ""
    if here.empty:
        pairs = known[["n_clusters", "mode"]].drop_duplicates()
        where = "; ".join(f"K = {int(row.n_clusters)}, {row.mode}" for row in rows_of(pairs))
    else:
        where = f"λ = {', '.join(fmt_lambda(v) for v in sorted(set(here['lambda_'])))} at this K and mode"
    return f"The fused policy was not rolled out here. Its true value is known for {where}."


def fqe_tells_little(rows: pd.DataFrame) -> str:
    """One line where FQE spreads the policies less than half as far as a typical PHWIS interval is wide."""
    values = rows.loc[rows["estimator"] == "fqe", "value"].dropna()
    usable = rows[(rows["estimator"] == "phwis") & (rows["support"] != "not supported")]
    widths = (usable["high"] - usable["low"]).dropna()
    if len(values) < 2 or widths.empty:
        return ""
    spread, width = float(values.max() - values.min()), float(widths.median())
    if spread >= width / 2:
        return ""
    return (
        f"FQE hardly tells these policies apart: its values for {len(values)} policies span {fmt(spread)}, while a "
        f"PHWIS interval is typically {fmt(width)} wide."
    )


def rows_of(frame: pd.DataFrame) -> Iterator[Any]:
    """Rows as named tuples; pandas types their fields as anything a cell may hold."""
    yield from frame.itertuples()


def has_truth(run: RunView) -> bool:
    """True where the comparison holds true values (simulated cohorts)."""
    return bool(comparison(run)["true_value"].notna().any())


def true_values(run: RunView, n_clusters: int, lambda_: float, mode: str) -> dict[str, float]:
    """True value of each policy of this view that was rolled out in the simulator; empty for real patients."""
    rows = compared(run, n_clusters, lambda_, mode).drop_duplicates("policy").dropna(subset=["true_value"])
    return {str(row.policy): float(row.true_value) for row in rows_of(rows)}
