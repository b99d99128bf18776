"""Registry: which drug combinations at which stage after a transplant, screened by what experts do."""

from __future__ import annotations

import streamlit as st

from core.access.person import Role
from core.base.errors import PhenoPolicyError
from core.base.text import markdown
from core.registry.study import REGISTRY
from pages.components.registry import accuracy as registry_accuracy
from pages.components.registry import sources as registry_sources
from pages.components.registry import values as registry_values
from pages.components.registry import views as registry_views
from pages.components.registry.session import (
    DESK,
    VIEWS,
    can_show,
    chosen_registry,
    current_registry,
    default_at_work,
    is_published,
    mark,
    require_registry,
    set_mark,
    subject,
)
from pages.components.shell.frame import empty, failed, page, visible_runs
from pages.components.shell.held import held
from pages.components.shell.session import write_url
from pages.components.shell.visitor import me
from pages.components.study.cohorts import StoredCohort, choose, open_stored, stored
from pages.components.study.job import job_panel
from pages.components.study.runs import open_marked, run_list
from pages.components.study.sources import just_accepted
from pages.components.study.train import draw as draw_training

POPULATION = "Children and adults after a stem-cell transplantation"
LOOK, TRAIN, SIMULATE, UPLOAD = "Look at a registry", "Train", "Simulate", "Upload"
PART = "registry-part"


def main() -> None:
    """Draw the page; only the chosen view is computed."""
    page(
        "Registry",
        _question(),
        subject=subject,
        population=POPULATION,
    )
    if mark("job"):
        job_panel(DESK, key="registry-job")
    else:
        default_at_work()
    st.session_state["registry-view"] = mark("view") if mark("view") in VIEWS else VIEWS[0]
    with st.container(horizontal=True, vertical_alignment="center"):
        view = st.segmented_control(
            "View",
            VIEWS,
            required=True,
            key="registry-view",
            label_visibility="collapsed",
            on_change=lambda: set_mark("view", st.session_state["registry-view"]),
        )
        _choose_run()
    try:
        if view == VIEWS[0]:
            _cohort()
        elif view == VIEWS[1]:
            registry_accuracy.draw(require_registry())
        elif view == VIEWS[2]:
            registry_values.draw(require_registry())
        else:
            _patient()
    except PhenoPolicyError as error:
        failed(error, "Reading this part of the run")
    write_url()


def _question() -> str:
    """What the registry on show asks."""
    run = current_registry()
    asked = (
        "After a stem-cell transplantation: which drugs at which stage prevent and treat graft-versus-host disease "
        "(GVHD)?"
        if run is None or is_published(run.spec)
        else f"{run.spec.title}: which drugs at which stage?"
    )
    return f"{asked} Q-learning ranks the combinations, and only those that experts would likely choose are shown."


def _patient() -> None:
    """One patient; only this view asks networks, whose library takes longer to read than all else of the page."""
    from pages.components.registry import patient

    patient.draw(require_registry())


def _cohort() -> None:
    cohorts, may_add = stored(DESK), me().person.may(Role.RESEARCHER)
    if not cohorts and not may_add:
        empty("No registry is shared with you", "A researcher can share a run; its registry is then shown here.")
        return
    if not cohorts and not mark("job"):
        registry_sources.first_start()
    options = [LOOK, TRAIN] * bool(cohorts) + [SIMULATE, UPLOAD] * may_add
    if just_accepted(DESK):
        set_mark("part")
    with st.container(horizontal=True, vertical_alignment="center"):
        part = st.segmented_control("Part", options, required=True, **held(PART, options), label_visibility="collapsed")
        chosen = chosen_registry() if part in (LOOK, TRAIN) else None
        if chosen is not None:
            choose(DESK, "registry-chosen", "Registry", cohorts, chosen, label_visibility="collapsed")
    if part == SIMULATE:
        registry_sources.simulate()
    elif part == UPLOAD:
        registry_sources.upload()
    elif chosen is not None:
        _with_cohort(str(part), chosen)


def _with_cohort(part: str, chosen: StoredCohort) -> None:
    if part == TRAIN:
        st.markdown(f"**Train on {markdown(chosen)}**")
        draw_training(DESK, chosen)
        _runs()
        return
    run = current_registry()
    try:
        shown = run is not None and chosen.path == run.path / "cohort.parquet"
        cohort = run.cohort if run is not None and shown else open_stored(DESK, chosen)  # the run's is read once
    except (PhenoPolicyError, OSError) as error:
        failed(error, "Opening this registry")
        return
    registry_views.draw(cohort)


def _runs() -> None:
    """Runs of this study that the session may see; a row opens its run, or follows it."""
    runs = visible_runs(REGISTRY)
    if runs:
        st.markdown("**Runs**")
        open_marked(DESK, run_list(runs, "registry-runs"), can_show)


def _choose_run() -> None:
    """Which finished run the page shows, where there are several."""
    runs = {run.path.name: run for run in visible_runs(REGISTRY) if run.state == "done"}
    if len(runs) < 2:
        return
    st.session_state["registry-run-shown"] = mark("run") if mark("run") in runs else next(iter(runs))
    st.selectbox(
        "Run on show",
        list(runs),
        format_func=lambda name: f"Run: {runs[name].name}",
        key="registry-run-shown",
        on_change=lambda: DESK.show(st.session_state["registry-run-shown"]),
        label_visibility="collapsed",
    )


main()
