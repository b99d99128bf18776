"""What the visitor has chosen in the registry study (run, file, patient, stage, screen), and its runs on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
from pydantic import ValidationError

from core.base.errors import PhenoPolicyError
from core.figures.registry_looks import Looks, make_looks
from core.registry.cohort.definitions import definitions
from core.registry.cohort.describe import grave_order
from core.registry.spec import RegistrySpec, load_registry_spec
from core.registry.study import REGISTRY
from core.runs.added import added_stamp, owners_in
from core.runs.manifest import MANIFEST
from core.runs.status import read_job
from pages.components.shell.frame import Subject, empty, may_see, said_to_open, visible_runs
from pages.components.shell.places import run_path
from pages.components.shell.session import get_session
from pages.components.shell.visitor import opened
from pages.components.study.cohorts import StoredCohort, chosen
from pages.components.study.desk import Desk
from pages.components.study.job import POLL_SECONDS

if TYPE_CHECKING:
    from core.registry.view import RegistryView
    from core.runs.status import RunInfo

VIEWS = ("Cohort", "Expert predictions", "Values", "Patient")
OVERRIDES = "registry-overrides"


def mark(name: str) -> str:
    """A choice of this page as the URL has it, "" where none was made."""
    return get_session().marks.get(f"registry-{name}", "")


def set_mark(name: str, value: object = "") -> None:
    """Keep a choice of this page in the session and the URL."""
    get_session().mark(f"registry-{name}", value)


def number_mark(name: str, default: int, low: int, high: int) -> int:
    """A whole number from the URL within bounds; the default for anything else."""
    text = mark(name)
    return min(max(int(text), low), high) if text.isdecimal() and len(text) < 10 else default


def overrides() -> dict[str, Any]:
    """Changed settings of the run to be started, by path."""
    found: dict[str, Any] = st.session_state.setdefault(OVERRIDES, {})
    return found


def in_text(label: str) -> str:
    """A label inside a sentence: 'Donor relationship' begins small, 'HLA matching' does not."""
    return label[:1].lower() + label[1:] if label[1:2].islower() else label


def looks_of(spec: RegistrySpec) -> Looks:
    """How the decisions and states of a registry are drawn and called."""
    titles = {indicator.name: indicator.title for indicator in spec.indicators}
    decisions = [(decision.name, decision.title) for decision in spec.decisions]
    return make_looks(decisions, [(name, titles[name]) for name in grave_order(spec)], spec.stages[0].name)


def is_published(spec: RegistrySpec) -> bool:
    """True for the registry that the published numbers belong to."""
    return spec == load_registry_spec()


# Runs


@st.cache_resource(max_entries=3, ttl="6h", show_spinner="Opening the run ...")
def _open(
    path: str, stamp: tuple[int, int], owners: tuple[str, ...], added: tuple[tuple[str, int], ...]
) -> RegistryView:
    """One read-only view per version of a run and of what was added to it, shared by all who see the same of it."""
    from core.registry.view import RegistryView
    from core.runs.integrity import verify

    verify(Path(path))
    return RegistryView(path, owners)


def _open_finished(folder: Path) -> RegistryView | None:
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return None
    stat = manifest.stat()
    try:
        owners = owners_in(folder, get_session().owners)
        run = _open(str(folder), (stat.st_mtime_ns, stat.st_size), owners, added_stamp(folder, owners))
        return run if run.complete else None
    except PhenoPolicyError:
        return None


def can_show(folder: Path) -> bool:
    """Whether a finished run of a list can be shown; the page says so where it cannot."""
    return said_to_open(_open_finished(folder), folder)


def current_registry() -> RegistryView | None:
    """The run that this page shows: the one in the URL, else the newest finished one; None where there is none."""
    folder = run_path(mark("run"), REGISTRY) if mark("run") else None
    run = _open_finished(folder) if folder is not None and may_see(folder) else None
    if run is None:
        finished = (_open_finished(line.path) for line in visible_runs(REGISTRY))
        run = next((found for found in finished if found is not None), None)
    if run is not None:
        set_mark("run", run.path.name)
        opened(run.path.name)
    return run


def subject() -> Subject | None:
    """The run on show for the head of the page."""
    run = current_registry()
    if run is None:
        return None
    facts = run.manifest
    settings = f"{run.screen.n} likeliest shown"  # few words: the purpose stays on the same line
    meant = " ".join(definitions(run.spec, facts.simulated, facts.origin.seed).values())
    return Subject(facts.name, facts.n_patients, facts.simulated, settings, facts.data_hash, run.spec.population, meant)


def show_run(name: str) -> None:
    """Show another run; the patient belongs to the run before."""
    if name != mark("run"):
        set_mark("patient")
    set_mark("run", name)


def _of_run(run: RunInfo) -> tuple[bool, None]:
    """A run under another definition has its registry among its owner's own, with the TOML file to train on."""
    try:
        return is_published(REGISTRY.read_definition(run.study)), None
    except ValidationError:
        return False, None


DESK = Desk(
    study=REGISTRY,
    on_show=lambda: mark("run"),
    show=show_run,
    job=lambda: mark("job"),
    follow=lambda name: set_mark("job", name),
    chosen=lambda: mark("cohort"),
    choose=lambda key: set_mark("cohort", key),
    overrides=overrides,
    of_run=_of_run,
    kept="What was finished is kept: resuming loses at most the stage at work.",
    upload_key="registry",
    train_key="registry",
    first_group="dqn",
    shown="The other parts of this page show this run now.",
    uploads="registry",
)


def default_at_work() -> None:
    """Progress of the default run that the server builds at its first start, where no other is there to show."""
    if current_registry() is None and _is_at_work():
        _default_progress()


def _is_at_work() -> bool:
    return read_job(REGISTRY.demo_folder).state in ("waiting", "running")


@st.fragment(run_every=POLL_SECONDS)
def _default_progress() -> None:
    job = read_job(REGISTRY.demo_folder)
    if job.state not in ("waiting", "running"):
        st.rerun()
    share = job.overall_fraction or 0.0
    st.progress(
        share,
        f"The default run, on simulated patients, is being made: {100 * share:.0f} %. It is shown once it is there.",
    )


def require_registry() -> RegistryView:
    """The run on show, or an empty state that says how to get one (and the page stops there)."""
    run = current_registry()
    if run is None:
        empty(
            "No finished run of the registry study yet",
            "This part shows what a run has learned. Choose **Cohort** above: one button there simulates a registry "
            "and trains on it.",
            icon=":material/hourglass_empty:",
        )
        st.stop()
    return run


def chosen_registry() -> StoredCohort | None:
    """The registry on show in the cohort part: the chosen one, else that of the run on show, else the newest."""
    run = current_registry()
    return chosen(DESK, otherwise=run.manifest.data_hash if run is not None else "")
