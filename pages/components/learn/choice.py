"""What the evidence says about the settings: true values on tuning seeds, quoted from a finished experiment."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core.experiments.choice_evidence import estimator_sentence, load_choice
from core.experiments.choice_tables import NAMES
from core.experiments.document import CHOICE
from core.experiments.estimator_evidence import load_evidence
from core.figures.experiments import around_best
from core.figures.theme import fmt
from pages.components.learn.lab import lab
from pages.components.shell.estimates import rows_of
from pages.components.shell.export import show, table
from pages.components.shell.frame import empty


@st.fragment
def settings() -> None:
    """Why the defaults are what they are, or that nobody has looked yet."""
    st.header("Settings: what true values say about the defaults", anchor=False)
    st.markdown(
        "On simulated patients every candidate can be rolled out, so settings can be judged by true values rather than "
        "by estimates. The cohorts for this are not those of any report. Only policies that can act are compared: "
        "retrospective ones know the whole stay."
    )
    evidence = load_choice()
    if evidence is None:
        empty(
            "No experiment has been quoted yet",
            "`python -m core experiment full --publish` runs one, which takes hours, and writes its finding here. "
            "Until then the defaults are not founded on true values.",
            icon=":material/labs:",
        )
    else:
        _choice(evidence)
        st.markdown(
            "**Size.** This was found on cohorts of 2,000 patients. At the published size the same default fell below "
            "the clinicians, in truth, and its greedy version did not (docs/evidence.md, *The whole experiment at "
            "the published size*)."
        )
    if sentence := estimator_sentence(load_evidence()):
        st.markdown(f"**Estimator.** {sentence}")
    lab()


def _choice(evidence: dict[str, Any]) -> None:
    changes = pd.DataFrame(evidence["around"])
    if len(changes):
        named = changes.assign(
            setting=[NAMES.get(name, name) for name in changes["setting"]],
            level=[level if isinstance(level, str) else f"{level:g}" for level in changes["level"]],
        )
        show(
            around_best(named),
            "learn-choice",
            "Change in true value when one setting differs from the best candidate's: "
            + "; ".join(f"{r.setting} {r.level} {fmt(r.difference)}" for r in rows_of(named)),
            caption="Simulated patients. One setting changed at a time, all others as in the best candidate (★); bars: "
            "1.96 standard errors of the difference, paired over tuning seeds. Settings act together: the preset "
            "differs from the best candidate in several, and loses less than some of these changes alone.",
            data=named,
        )
    st.markdown("\n".join(f"- {sentence}" for sentence in evidence["findings"]))
    rows = evidence["rows"]
    cells = {f"{heading} of the {before}" if heading == "SE" else heading: [text(row) for row in rows]
             for (heading, text), (before, _) in zip(CHOICE, [CHOICE[0], *CHOICE], strict=False)}  # fmt: skip
    table(
        pd.DataFrame(cells),
        "learn-choices",
        name="choice-of-settings",
        caption=f"The best candidates, the preset's default and the clinicians, from experiment "
        f"{evidence['experiment']}, {evidence['date']}. SE: standard error over {len(evidence['settings']['seeds'])} "
        "tuning seeds. Simulated patients.",
        csv=pd.DataFrame(rows),
    )
