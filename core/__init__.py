"""PhenoPolicy's engine: from recorded stays to phenotypes, policies and what they are worth.

    import phenopolicy as pp

    cohort, truth = pp.simulate_cohort("mimic-iv", n_patients=500, seed=0)
    run = pp.run(cohort, preset="quick")          # or pp.run("cohort.parquet")
    run.values()                                  # every policy against the clinicians
    run.add_policy("mine", lambda states: ...)    # judged beside the run's own
    pp.judge(cohort, probs).save("card.html")     # no run is needed

Research and teaching only. The engine never imports streamlit; see docs/methods.md for the flow.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Read when a numerical library loads: threads that wait for each other spin for some microseconds, then sleep. By
# default they spin on, and on cores that others use as well a small network then takes ten times as long.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

if TYPE_CHECKING:
    from core.api import Run, judge, open_run, run, run_steps, verify
    from core.cohort import check_cohort, load_cohort, save_cohort, simulate_cohort

_HOMES = {
    **dict.fromkeys(("Run", "judge", "open_run", "run", "run_steps", "verify"), "api"),
    **dict.fromkeys(("check_cohort", "load_cohort", "save_cohort", "simulate_cohort"), "cohort"),
}

__all__ = [
    "Run",
    "check_cohort",
    "judge",
    "load_cohort",
    "open_run",
    "run",
    "run_steps",
    "save_cohort",
    "simulate_cohort",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for: the command line must not wait for what it does not use."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
