"""Lessons about outcomes: concordance that looks like an effect, survival where patients leave, doses in danger."""

from __future__ import annotations

import numpy as np

from core.figures.learn_outcomes import concordance_figure, danger_figure, survival_figure
from core.figures.theme import fmt_percent
from core.learn.outcomes import DAYS, GROUPS, POLICIES, STAY_STEPS, concordance_toy, danger_toy, survival_toy
from pages.components.learn.lesson import lesson, numbers_and_picture, show_function, slots, toy_of_a_lesson
from pages.components.shell.export import metric, show
from pages.components.shell.held import held, held_number

MANY, FEW_TO_MANY = (200, 1000, 5000, 20000), (30, 100, 300, 1000, 5000)  # patients of a toy


def concordance() -> None:
    """Patients treated as a policy would survive more often, although the drug does nothing."""
    lesson(
        "Concordance: who is treated as the policy would is another patient",
        "The policy would have given **Ms. A** no drug; she got it, and died. Of patients treated as the policy would, "
        "more survive. Would she have?",
        "Split patients by whether clinicians did what the policy would, and compare survival: that is often shown as "
        "evidence. But clinicians treat the sick otherwise than the well, so the two groups are different patients. "
        "Here the drug can be made to do nothing at all. Compare like with like, and what is left is its effect, as "
        "far as likeness was recorded.",
        (
            r"\begin{aligned} &P(\text{survive} \mid a = \pi(s)) \\ "
            r"-\ &P(\text{survive} \mid a \ne \pi(s)) \end{aligned}",
            r"\ne\ P_{\pi}(\text{survive}) - P_{\pi_b}(\text{survive})",
        ),
        "The drug does nothing, and clinicians give it to the sick. Which policy do the records seem to praise?",
        "The one that gives no drug: who got none was mostly well. Turn the clinicians around, and the same records "
        "praise the opposite. With the same doses for well and sick nothing is praised. This is why the app shows "
        "concordance, but judges by weights, critics and intervals, and why a hidden cause of the dose can undo even "
        "these (*Policies → Value*, Γ).",
        _concordance,
    )
    show_function(
        ("core/evaluation/concordance.py", "concordant"),
        ("core/learn/outcomes.py", "concordance_toy"),
    )


@toy_of_a_lesson
def _concordance() -> None:
    columns = slots(5)
    name = columns[0].selectbox("The policy treats", list(POLICIES), **held("learn-conc-policy", POLICIES))
    well = columns[1].slider("Clinicians: well (%)", 0, 100, step=5, **held_number("learn-conc-well", 0, 100, 20))
    sick = columns[2].slider("... and sick (%)", 0, 100, step=5, **held_number("learn-conc-sick", 0, 100, 80))
    effect = columns[3].slider("Effect (points)", -20, 20, step=1, **held_number("learn-conc-effect", -20, 20, 0))
    n = columns[4].select_slider("Patients", MANY, **held("learn-conc-n", MANY, 1000))
    toy = concordance_toy(POLICIES[name], (well / 100, sick / 100), (0.9, 0.5), effect / 100, 0.5, n)
    numbers, picture = numbers_and_picture()
    with numbers:
        _points("Crude, points", toy.crude, toy.crude_half, f"concordant minus discordant; n = {n:,}, simulated")
        _points("Like with like, points", toy.within, toy.within_half, "well and sick weighed as in all")
        metric(
            "In truth, points",
            100 * toy.true_gain,
            text=f"{100 * toy.true_gain:+.1f}",
            estimator="policy minus clinicians, exact",
        )
    with picture:
        shown = "; ".join(
            f"{group} {fmt_percent(a, 0)} and {fmt_percent(b, 0)}"
            for group, a, b in zip(GROUPS, *toy.share, strict=True)
        )
        show(
            concordance_figure(toy.share, toy.half, toy.exact, toy.n, GROUPS),
            "learn-concordance",
            f"Survival of those treated as the policy would, and otherwise: {shown}.",
            caption="Half of the patients are sick; without the drug 90 % of the well and 50 % of the sick survive. "
            "Bars: 95 %.",
        )


def _points(title: str, value: float, half: float, basis: str) -> None:
    """A difference of shares in points with its interval; none where one side is empty."""
    if not np.isfinite(value):
        metric(title, None, estimator="nobody on one side")
        return
    metric(
        title,
        100 * value,
        text=f"{100 * value:+.1f}",
        low=100 * (value - half),
        high=100 * (value + half),
        digits=1,
        estimator=basis,
    )


def survival() -> None:
    """Kaplan-Meier: who left is not known to have survived."""
    lesson(
        "Survival curves: who left has not survived, he was not seen to die",
        "**Ms. A** in another life: alive when she is moved to another hospital on day 12. Has she survived day 30?",
        "A hazard is the chance to die on a day for those who still live. Survival is the product of all days got "
        "through. Who leaves tells nothing about later days, but is at risk until then: Kaplan and Meier divide each "
        "day's deaths by those at risk on it. That is right if those who leave are like those who stay. The studies "
        "of this app hold no time of death, so it shows shares at the end and draws no such curve.",
        (r"S(t) = \prod_{s \le t} (1 - h_s)", r"\hat h_s = \frac{\text{deaths on day } s}{\text{at risk on day } s}"),
        "Every day one in twenty leaves. Is the share of all patients who were not seen to die too high or too low?",
        "Too high: whoever left counts as alive for ever. The curve of Kaplan and Meier stays at the truth; what "
        "leaving costs it is certainty, since fewer and fewer are at risk. If the dying were sent home it would be "
        "wrong as well.",
        _survival,
    )
    show_function(("core/learn/outcomes.py", "kaplan_meier"), ("core/learn/outcomes.py", "survival_toy"))


@toy_of_a_lesson
def _survival() -> None:
    columns = slots(4)
    early = columns[0].slider(
        "Hazard in the first week (% a day)", 0.0, 10.0, step=0.5, **held_number("learn-early", 0.0, 10.0, 4.0)
    )
    late = columns[1].slider(
        "Hazard after it (% a day)", 0.0, 10.0, step=0.5, **held_number("learn-late", 0.0, 10.0, 1.0)
    )
    leaving = columns[2].slider("Leave each day (%)", 0, 20, **held_number("learn-leave", 0, 20, 5))
    n = columns[3].select_slider("Patients", FEW_TO_MANY, **held("learn-km-n", FEW_TO_MANY, 300))
    toy = survival_toy(early / 100, late / 100, leaving / 100, n)
    low, high = toy.band
    last, known = toy.estimate, f"day {DAYS}"
    numbers, picture = numbers_and_picture()
    with numbers:
        metric(
            f"Kaplan-Meier, {known}",
            100 * last.survival[-1],
            text=fmt_percent(last.survival[-1]),
            low=100 * low[-1],
            high=100 * high[-1],
            digits=1,
            n=n,
            estimator=f"{last.at_risk[-1]:,} at risk; simulated",
        )
        metric(f"True survival, {known}", 100 * toy.truth[-1], text=fmt_percent(toy.truth[-1]), estimator="exact")
        metric(
            "Not seen to die",
            100 * toy.unseen[-1],
            text=fmt_percent(toy.unseen[-1]),
            estimator=f"of all {n:,}; expected {fmt_percent(toy.expected[-1])}",
        )
    with picture:
        show(
            survival_figure(last.survival, low, high, toy.truth, toy.unseen, last.at_risk, last.hazard, toy.hazard),
            "learn-survival",
            f"Survival at {known}: Kaplan-Meier {fmt_percent(last.survival[-1])}, truth {fmt_percent(toy.truth[-1])}, "
            f"not seen to die {fmt_percent(toy.unseen[-1])}.",
            caption="Simulated patients. Band: 95 % by Greenwood, within 0 and 100 %; where few are at risk it is too "
            "narrow. Below: with few at risk a day's hazard jumps between nothing and much.",
        )


def danger() -> None:
    """The rate of hazardous doses rests on recorded states; a policy makes states of its own."""
    lesson(
        "Hazards: how often a dose meets danger, and who brought the danger about",
        "On the second day the platelets of **Ms. A** fall under 50: now a dose is hazardous. No policy of this app is "
        "told so; the hazard rules count what it does here.",
        "The rate of a rule is a conditional one: of the recorded steps at which the rule applies, how many get such a "
        "dose. It says what a policy does in danger, not how often its patients get there. A policy that doses freely "
        "while all is well can bring more patients into danger, and no recorded step shows it. Clinicians here: "
        "20 % of safe steps, 10 % of those in danger.",
        (
            r"\text{rate} = \frac{\sum_{t\,\in\,\text{danger}} \pi(\text{dose} \mid s_t)}{\text{steps in danger}}",
            r"\begin{aligned} d_{t+1} =\ &(1-r)\, d_t \\ +\ &(b + c\,\pi_{\text{safe}})(1 - d_t) \end{aligned}",
        ),
        "A policy gives the drug in danger as rarely as clinicians do, and in safety three times as often. What does "
        "its rate say?",
        "That it is as safe as they are. But more of its patients come into danger, so that more hazardous doses are "
        "given in truth. The two agree only where a dose does not bring danger about, or where the policy doses the "
        "safe as clinicians do.",
        _danger,
    )
    show_function(("core/policies/hazards.py", "violation_rates"), ("core/learn/outcomes.py", "in_danger"))


@toy_of_a_lesson
def _danger() -> None:
    columns = slots(4)
    safe = columns[0].slider("Policy doses the safe (%)", 0, 100, step=5, **held_number("learn-safe", 0, 100, 60))
    inside = columns[1].slider("... and those in danger (%)", 0, 100, step=5, **held_number("learn-danger", 0, 100, 10))
    harm = columns[2].slider("A dose adds danger (points)", 0, 40, step=1, **held_number("learn-harm", 0, 40, 15))
    recovery = columns[3].slider(
        "Danger passes in a step (%)", 5, 100, step=5, **held_number("learn-recovery", 5, 100, 20)
    )
    toy = danger_toy((0.2, 0.1), (safe / 100, inside / 100), harm / 100, recovery / 100)
    numbers, picture = numbers_and_picture()
    with numbers:
        metric(
            "Rate of the rule",
            toy.rate[1],
            text=fmt_percent(toy.rate[1], 0),
            estimator=f"of the policy; clinicians {fmt_percent(toy.rate[0], 0)}",
        )
        metric(
            "On recorded steps", toy.recorded, digits=0, estimator="hazardous doses in 100 stays, as the page counts"
        )
        metric("In truth", toy.true[1], digits=0, estimator=f"exact; clinicians {toy.true[0]:.0f}")
    with picture:
        counts = (
            ("Clinicians", float(toy.true[0])),
            ("Policy, recorded steps", toy.recorded),
            ("Policy, in truth", float(toy.true[1])),
        )
        show(
            danger_figure(toy.danger, ("Clinicians", "Policy"), counts),
            "learn-in-danger",
            "Hazardous doses in 100 stays: " + "; ".join(f"{label} {count:.0f}" for label, count in counts) + ".",
            caption=f"Exact, for stays of {STAY_STEPS} steps that begin safe; b = 3 % of steps bring danger by "
            "themselves, c is what a dose adds, r how often danger passes.",
        )
