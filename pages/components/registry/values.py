"""What the policies of a registry run are worth: matched means, model-based rewards, off-policy estimates, truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from core.figures.registry_values import ESTIMATORS, modeled_by_stage, registry_policy, value_forest
from core.figures.theme import fmt, fmt_count, fmt_interval
from core.registry.ask.compared import MIXTURE, OBSERVED, along
from core.registry.spec import TO_THE_END
from pages.components.registry.against import against_view
from pages.components.registry.choices import choices_panel
from pages.components.registry.frontier import course_rule, frontier_panel
from pages.components.registry.in_words import in_words_panel
from pages.components.registry.session import looks_of
from pages.components.shell.estimates import rows_of
from pages.components.shell.export import show, table
from pages.components.shell.frame import empty
from pages.components.shell.held import held

if TYPE_CHECKING:
    from core.registry.view import RegistryView

VIEWS = (
    "Against the experts",
    "Matched rewards",
    "Model-based rewards",
    "Whole course",
    "Trust frontier",
    "Table",
    "Choices",
    "In words",
    "Your own",
    "Report",
)
GROUPS = {"all": "everyone asked", "ill": "patients with what it treats"}


def draw(run: RegistryView) -> None:
    """The chosen comparison; the difference to the experts comes first."""
    view = st.segmented_control(
        "Show",
        VIEWS,
        required=True,
        **held("registry-values-view", VIEWS),
        label_visibility="collapsed",
    )
    if view == VIEWS[0]:
        against_view(run)
    elif view == VIEWS[1]:
        _matched(run)
    elif view == VIEWS[2]:
        _modeled(run)
    elif view == VIEWS[3]:
        _whole(run)
    elif view == VIEWS[4]:
        frontier_panel(run)
    elif view == VIEWS[5]:
        _table(run)
    elif view == VIEWS[6]:
        choices_panel(run)
    elif view == VIEWS[7]:
        in_words_panel(run)
    elif view == VIEWS[8]:
        _own(run)
    else:
        _report(run)


def _report(run: RegistryView) -> None:
    """Report and model card; only this view reads what writes them."""
    from pages.components.registry.report import report_panel

    report_panel(run)


def _own(run: RegistryView) -> None:
    """Policies from elsewhere; only this view reads what judges them."""
    from pages.components.registry.own import own_panel

    own_panel(run)


def _matched(run: RegistryView) -> None:
    rows, looks = run.confounding, looks_of(run.spec)
    groups = [name for name in GROUPS if name in set(rows["group"])]
    beside, picture = st.columns([1, 2], gap="medium")
    group = beside.segmented_control(
        "Decisions of",
        groups,
        required=True,
        format_func=lambda name: GROUPS[name],
        **held("registry-group", groups, groups[-1], key="registry-group-matched"),
        help="Most patients do not have at a stage what a decision treats, and rightly get no drug for it; they drown "
        "the others.",
    )
    beside.warning(run.warning, icon=":material/warning:")
    rows = rows[rows["group"] == group]
    if rows.empty or not rows["n_matched"].any():
        empty("Nothing matched", "No recorded treatment of a test patient equals any recommendation.")
        return
    known = bool(rows["true_value"].notna().any())
    drawn = rows.assign(
        estimator="matched",
        support=np.where(rows["n_matched"] < 30, "weak", "supported"),
        basis=[f"{m:,} of {n:,} decisions match" for m, n in zip(rows["n_matched"], rows["n"], strict=True)],
        label=[f"n = {m:,}" for m in rows["n_matched"]],
    )
    with picture:
        st.markdown("**Mean reward of test decisions whose recorded treatment is the one that a policy recommends**")
        show(
            value_forest(drawn, looks, truth=known, x_title="mean reward of the decision"),
            "registry-matched",
            "Matched mean reward of each policy: "
            + "; ".join(
                f"{looks.decision(r.decision).name} {registry_policy(r.policy).name} {fmt(r.value)} "
                f"{fmt_interval(r.low, r.high)}, {r.n_matched} matched"
                for r in rows_of(rows)
            ),
            caption="95 % bootstrap intervals over patients; n: decisions that match; hollow: fewer than 30. "
            + earned_text(run)
            + (" Black bar: the true mean reward of the decision if all followed the policy in it." if known else ""),
            data=rows,
        )
    lines = pd.DataFrame(
        {
            "decision": [looks.decision(name).name for name in rows["decision"]],
            "policy": [registry_policy(name).name for name in rows["policy"]],
            "matched mean": [fmt(v, 3) for v in rows["value"]],
            "95 % interval": [fmt_interval(a, b, 3) for a, b in zip(rows["low"], rows["high"], strict=True)],
            "matched": rows["n_matched"].to_numpy(),
            "of": rows["n"].to_numpy(),
        }
    )
    if known:
        lines["true value"] = _with_error(rows["true_value"], rows["true_se"])
    table(
        lines,
        "registry-matched-table",
        name="matched-rewards",
        caption="Test decisions." + (" ±: standard error of the simulation." if known else ""),
        csv=rows,
    )


def _modeled(run: RegistryView) -> None:
    looks = looks_of(run.spec)
    rows = run.modeled
    rows = rows[rows["stage"] != "all"]
    if rows.empty:
        empty("Nothing predicted", "This run holds no model-based rewards.")
        return
    st.markdown("**Reward that a separate network predicts for what each policy would choose**")
    show(
        modeled_by_stage(rows, looks),
        "registry-modeled",
        "Model-based reward of each policy by stage: "
        + "; ".join(
            f"{looks.decision(r.decision).name} {r.stage} {registry_policy(r.policy).name} {fmt(r.value)}"
            for r in rows_of(rows)
        ),
        caption="Test patients. The intervals resample patients and take the network as it is: they hold none of the "
        "network's own errors, which are largest for combinations that were rarely given.",
        data=run.modeled,
    )
    lines = rows.assign(
        text=[f"{fmt(r.value, 3)} {fmt_interval(r.low, r.high, 3)}" for r in rows_of(rows)],
        policy=[registry_policy(name).name for name in rows["policy"]],
        decision=[looks.decision(name).name for name in rows["decision"]],
    )
    order = list(dict.fromkeys(lines["policy"]))
    wide = lines.pivot(index=["decision", "day", "stage"], columns="policy", values="text")[order].reset_index()
    table(
        wide.drop(columns="day"),
        "registry-modeled-table",
        name="modeled-rewards",
        caption="Mean predicted reward with its 95 % interval.",
        csv=run.modeled,
    )


def earned_text(run: RegistryView) -> str:
    """Which rewards belong to a decision."""
    to_the_end = [name for name in run.treatments if run.spec.decision(name).counts == TO_THE_END]
    if not to_the_end:
        return "Reward: that of the next stage."
    looks = looks_of(run.spec)
    names = ", ".join(looks.decision(name).name for name in to_the_end)
    return (
        f"Reward of {names}: the discounted sum to the end of follow-up, those who are followed standing for those "
        "who were lost."
    )


def whole_course(run: RegistryView) -> pd.DataFrame:
    """Off-policy estimates with the truth, as the forest takes them."""
    rows, truth = run.ope, run.truth
    if len(truth):
        rows = rows.merge(truth[["policy", "true_value", "true_se"]], on="policy", how="left")
    else:
        rows = rows.assign(true_value=np.nan, true_se=np.nan)
    return rows.assign(
        decision="whole course",
        basis=[f"ESS {fmt(r.ess, 1)} of {fmt_count(r.n)}, {r.support}" for r in rows_of(rows)],
        label=[_support_label(r) if r.estimator == "phwis" else "" for r in rows_of(rows)],
    )


def _support_label(row: Any) -> str:
    return f"ESS {fmt(row.ess, 1)}" if np.isfinite(row.value) else "no course agrees"


def _with_error(values: pd.Series, errors: pd.Series) -> list[str]:
    """'2.345 ± 0.012'."""
    return [f"{fmt(value, 3)} ± {fmt(error, 3)}" for value, error in zip(values, errors, strict=True)]


def _whole(run: RegistryView) -> None:
    st.markdown("**Expected sum of rewards from the first decision on that a policy would make**")
    st.caption(
        "A policy that is certain of one combination in hundreds agrees with few recorded courses to the end. How far "
        "the records can follow it on the way from the experts is under Trust frontier."
    )
    rows = whole_course(run)
    if rows.empty:
        empty("Nothing estimated", "This run holds no off-policy estimates.")
        return
    known = bool(rows["true_value"].notna().any())
    show(
        value_forest(
            rows, looks_of(run.spec), truth=known, x_title="expected sum of rewards from the first decision on"
        ),
        "registry-whole",
        "Off-policy estimates of each policy: "
        + "; ".join(
            f"{registry_policy(r.policy).name} {ESTIMATORS[r.estimator][0]} {fmt(r.value)} "
            f"{fmt_interval(r.low, r.high)}, ESS {fmt(r.ess, 1)}, {r.support}"
            for r in rows_of(rows)
        ),
        caption=f"{int(rows['n'].max()):,} test patients, 95 % bootstrap intervals. Hollow: weak; hollow and gray: not "
        f"supported by the records, where the interval understates the doubt. {course_rule(run)}"
        + (" Black bar: the true value, rolled out in the simulator." if known else ""),
        data=rows.drop(columns=["basis", "label", "decision"]),
    )


def _table(run: RegistryView) -> None:
    """Every policy in one line: matched means beside off-policy estimates, support and truth."""
    st.markdown("**Matched means beside estimates that weigh what was done**")
    rows, known = whole_course(run), len(run.truth) > 0
    lines = []
    for policy, part in rows.groupby("policy", sort=False):
        line: dict[str, object] = {"policy": registry_policy(str(policy)).name}
        for decision in run.treatments:
            match = run.matched
            match = match[(match["decision"] == decision) & (match["group"] == "all") & (match["policy"] == policy)]
            match = match[match["n_matched"] > 0]
            text = [f"{fmt(r.value)} {fmt_interval(r.low, r.high)} (n = {r.n_matched})" for r in rows_of(match)]
            line[f"matched, {decision}"] = text[0] if text else "–"
        for r in rows_of(part):
            text_ = f"{fmt(r.value)} {fmt_interval(r.low, r.high)}"
            shown = f"({text_})" if r.support == "not supported" else text_
            line[ESTIMATORS[r.estimator][0]] = shown if np.isfinite(r.value) else "no course agrees"
        first = part.iloc[0]
        line |= {"ESS": round(float(first["ess"]), 1), "support": first["support"]}
        line["as far as supported"] = _furthest(run, str(policy))
        if known:
            line["true value"] = f"{fmt(first['true_value'])} ± {fmt(first['true_se'], 3)}"
        line["why"] = first["reasons"]
        lines.append(line)
    table(
        pd.DataFrame(lines),
        "registry-policies",
        name="registry-policies",
        caption=f"Matched means are per decision. {earned_text(run)} PHWIS, PHWDR and the true value "
        "are sums from the first decision on. In brackets: not supported by the records. As far as supported: "
        "PHWDR of the furthest mixture with the experts that the records support (Trust frontier). ±: standard error. "
        + course_rule(run),
        csv=rows.drop(columns=["basis", "label", "decision"]),
        reasons="why",
    )
    if known:
        _event_free(run)


def _furthest(run: RegistryView, policy: str) -> str:
    """PHWDR with interval and grade at the furthest supported mixture with the experts."""
    reach = run.reach(policy, MIXTURE.name) if policy != OBSERVED else None
    if reach is None:
        return "–"
    rows = along(run.frontier, policy, MIXTURE.name)
    (row,) = rows_of(rows[(rows["setting"] == reach) & (rows["estimator"] == "phwdr")])
    return f"a = {reach:g}: {fmt(row.value)} {fmt_interval(row.low, row.high)}, {row.support}"


def _event_free(run: RegistryView) -> None:
    truth = run.truth
    lines = pd.DataFrame(
        {
            "policy": [registry_policy(name).name for name in truth["policy"]],
            "true value": _with_error(truth["true_value"], truth["true_se"]),
            "alive without relapse at the end": [
                f"{100 * r.event_free:.1f} % ± {100 * r.event_free_se:.1f}" for r in rows_of(truth)
            ],
        }
    )
    st.markdown("**True values in the simulator**")
    table(
        lines,
        "registry-truth",
        caption=f"{int(truth['n'].max()):,} fresh simulated patients a policy, nobody lost to follow-up; ±: standard "
        "error. The same patients and the same chance for every policy.",
        csv=truth,
    )
