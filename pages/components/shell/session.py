"""The one session object: what this visitor has chosen, kept in `st.session_state` and mirrored in the URL.

Values of drawn widgets are copied into it, because Streamlit forgets a keyed widget that is not on the current page.
The URL never holds the owner's key, which lives in a cookie (`door`): a link opens the same view of a shared run.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

import streamlit as st

from core.base.errors import PhenoPolicyError
from core.icu.selection import Selection
from pages.components.shell.address import is_fragment, went_back
from pages.components.shell.places import NAME, fetch_text, put_text
from pages.components.shell.visitor import old_owner, visitor

if TYPE_CHECKING:
    from core.icu.view import RunView

Mode = Literal["retrospective", "prospective"]
MODES: tuple[Mode, ...] = ("prospective", "retrospective")
KEY = "phenopolicy"
BAR = "selection-bar-shows"  # the selection that the head of the page names
WRITTEN = "phenopolicy-url"  # what this session last wrote into the URL
ARRIVING = "phenopolicy-arriving"  # True while the page that a visit began with is drawn for the first time
MARK = re.compile(r"[a-z]{1,16}(-[a-z]{1,16}){1,3}")  # "registry-patient": a parameter that one page alone reads
LONGEST_MARK = 400
LASTING = ("-job", "-cohort")  # marks of what was started or brought in, which going back does not undo
LONGEST_TEXT = 6000  # characters of one parameter; a longer one is stored and named in the URL by its hash
FIRST_PRESET = "quick"
MOST_SETTINGS = 200
MOST_UNDO = 50


@dataclass
class Session:
    """What the visitor has chosen. `chosen` names the fields set by hand or by a link; the others follow the run."""

    owner: str  # of this visitor, see `visitor`
    old_owner: str = ""  # the owner of a link of an earlier version; its runs are seen in this session
    run: str = ""  # folder name of the run that every page shows
    cohort: str = ""  # file name of the cohort that the next run will train on
    job: str = ""  # folder name of the run that the progress panel follows
    n_clusters: int = 3
    lambda_: float = 15.0
    mode: Mode = "prospective"
    selection: Selection | None = None
    selections: dict[str, Selection] = field(default_factory=dict)  # kept by name
    past: list[Selection | None] = field(default_factory=list)  # what undo returns to, the latest last
    unread: bool = False  # True after a link whose selection is not stored on this server
    undone: list[Selection | None] = field(default_factory=list)  # what redo returns to, the latest last
    patient: int | None = None
    step: int | None = None
    preset: str = FIRST_PRESET  # of the run to be started
    overrides: dict[str, Any] = field(default_factory=dict)  # changed settings of the run to be started, by path
    chosen: set[str] = field(default_factory=set)
    marks: dict[str, str] = field(default_factory=dict)  # parameters of single pages, "page-name"; the page checks them

    def mark(self, name: str, value: object = "") -> None:
        """Set a parameter of one page; an empty one is taken out of the URL."""
        text = str(value)[:LONGEST_MARK]
        if text:
            self.marks[name] = text
        else:
            self.marks.pop(name, None)

    def choose(self, name: str, value: object) -> None:
        """Set a field by hand, so that it outlives a change of run where it still makes sense."""
        setattr(self, name, value)
        self.chosen.add(name)

    def select(self, name: str, patients: object) -> None:
        """Make these patients the selection of every page; none of them: no selection."""
        selection = Selection.of(name, patients)
        self.put(selection if len(selection) else None)

    def put(self, selection: Selection | None) -> None:
        """Make a selection, or none, the current one, so that it can be undone."""
        if selection == self.selection:
            return
        self.past = [*self.past, self.selection][-MOST_UNDO:]
        self.undone.clear()
        self.selection = selection

    def keep(self, name: str) -> None:
        """Give the current selection a name under which it can be found again."""
        if self.selection is not None:
            named = Selection.of(name, self.selection.patients)
            self.selections[named.name] = named
            self.put(named)

    def undo(self) -> None:
        """Return to the selection before, if there was one."""
        if self.past:
            self.undone.append(self.selection)
            self.selection = self.past.pop()

    def redo(self) -> None:
        """Take back the latest undo."""
        if self.undone:
            self.past.append(self.selection)
            self.selection = self.undone.pop()

    def open_run(self, name: str) -> None:
        """Show another run; patients and selections belong to the run before and are dropped."""
        if self.run and name != self.run:
            self.patient, self.step, self.selection = None, None, None
            for kept in (self.selections, self.past, self.undone):
                kept.clear()
        self.run = name

    def fit(self, run: RunView) -> None:
        """Bring every field into what this run holds; fields not chosen by hand take the run's own settings."""
        if "n_clusters" not in self.chosen or self.n_clusters not in run.k_values:
            wanted = run.config.phenotypes.n_clusters
            self.n_clusters = int(wanted if wanted in run.k_values else run.k_values[0])
        if "lambda_" not in self.chosen or self.lambda_ not in run.lambdas:
            sharp = self.lambda_ if "lambda_" in self.chosen else run.config.fusion.lambda_
            self.lambda_ = float(min(run.lambdas, key=lambda value: abs(_finite(value) - _finite(sharp))))
        if "mode" not in self.chosen:
            self.mode = run.config.fusion.mode
        n = run.cohort.n_patients
        if self.patient is not None and not 0 <= self.patient < n:
            self.patient = None
        self.selections = {name: selection.among(n) for name, selection in self.selections.items()}
        if self.selection is not None:
            self.selection = self.selection.among(n) if len(self.selection.among(n)) else None

    @property
    def own_mark(self) -> str:
        """Tells one's own address from somebody else's, of which no set-up is taken."""
        return self.owner[:8]

    @property
    def owners(self) -> tuple[str, ...]:
        """Whose runs this session may see, beside the shared ones."""
        return tuple(filter(None, (self.owner, self.old_owner)))

    def to_params(self, *, private: bool = True) -> dict[str, str]:
        """Query parameters that restore this view; `private` adds the set-up of the next run."""
        params = {name: value for name in ("run", "job", "cohort") if (value := str(getattr(self, name)))}
        params |= {"k": str(self.n_clusters)} if "n_clusters" in self.chosen else {}
        params |= {"lambda": f"{self.lambda_:g}"} if "lambda_" in self.chosen else {}
        params |= {"mode": self.mode} if "mode" in self.chosen else {}
        params |= {"patient": str(self.patient)} if self.patient is not None else {}
        params |= {"step": str(self.step)} if self.step is not None else {}
        if private and (self.overrides or self.preset != FIRST_PRESET):  # work in progress is no part of a view
            params |= {"preset": self.preset, "own": self.own_mark}
            params |= {"settings": self._settings()} if self.overrides else {}
        if self.selection is not None:
            params |= {"selection": _short(self.selection.encode()), "selected": self.selection.name}
        return params | dict(sorted(self.marks.items()))

    def read_params(self, params: Mapping[str, str]) -> None:
        """Take over what a link says; anything malformed is ignored, since a link comes from outside."""
        for name in ("run", "job", "cohort"):
            if NAME.fullmatch(params.get(name, "")):
                setattr(self, name, params[name])
        for name, text in params.items():
            if MARK.fullmatch(name) and len(text) <= LONGEST_MARK:
                self.mark(name, text)
        if (k := _number(params.get("k"))) is not None and 2 <= k <= 100:
            self.choose("n_clusters", int(k))
        if (lambda_ := _number(params.get("lambda"))) is not None and lambda_ >= 0:
            self.choose("lambda_", lambda_)
        if params.get("mode") in MODES:
            self.choose("mode", params["mode"])
        for name in ("patient", "step"):
            if (position := _number(params.get(name))) is not None and 0 <= position < 1e9:
                setattr(self, name, int(position))
        if "selection" in params:
            stored = fetch_text(params["selection"])
            self.unread = stored is None
            selection = Selection.decode(params.get("selected", "from link"), stored or "")
            if selection is not None:
                self.put(selection)

    def return_to(self, params: Mapping[str, str]) -> None:
        """Take over an earlier address whole: what it does not say had not been chosen then. A selection stays until
        it is undone, and so does what is at work or was brought in since."""
        self.marks = {name: text for name, text in self.marks.items() if name.endswith(LASTING)}
        self.chosen -= {"n_clusters", "lambda_", "mode"}
        self.patient = self.step = None
        if NAME.fullmatch(params.get("run", "")):
            self.open_run(params["run"])
        self.read_params(params)

    def _settings(self) -> str:
        from core.icu.session_file import FOLDER_SETTING

        told = {path: value for path, value in self.overrides.items() if path != FOLDER_SETTING}
        return _short(json.dumps(told, sort_keys=True))

    def read_set_up(self, params: Mapping[str, str]) -> None:
        """Take over the set-up of the next run from one's own address, as it was left; what is not usable is ignored.

        Each setting is checked alone, since a set-up may be half corrected, and taken as the settings classes hold it.
        """
        from core.icu.config import PRESET_NAMES, kept_values, load_preset
        from core.icu.session_file import FOLDER_SETTING

        text = params.get("settings", "")
        try:
            asked = json.loads(fetch_text(text) or "{}") if len(text) <= LONGEST_TEXT else {}
        except (ValueError, RecursionError):
            return
        if params.get("preset") in PRESET_NAMES:
            self.preset = params["preset"]
        for path, value in list(asked.items())[:MOST_SETTINGS] if isinstance(asked, dict) else ():
            if path == FOLDER_SETTING:  # a folder of the server: never taken from outside
                continue
            with contextlib.suppress(PhenoPolicyError):
                self.overrides |= kept_values(load_preset(self.preset, {path: json.dumps(value)}), [path])


def _short(text: str) -> str:
    """The text as a parameter of the URL: itself, or the name under which it is stored."""
    return text if len(text) <= LONGEST_TEXT else put_text(text)


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _finite(value: float) -> float:
    return min(value, 1e9)


def get_session() -> Session:
    """This visitor's session; made from the URL at the first call."""
    if KEY not in st.session_state:
        params = st.query_params.to_dict()
        session = Session(owner=visitor().owner, old_owner=old_owner())
        session.read_params(params)
        if params.get("own") == session.own_mark:
            session.read_set_up(params)
        st.session_state[KEY] = session
        st.session_state[WRITTEN] = params
        st.session_state[ARRIVING] = True
    found: Session = st.session_state[KEY]
    return found


def sync_url() -> Session:
    """Adopt what the visitor changed in the URL since the last run, then write the session back into it."""
    person = visitor()
    st.session_state[ARRIVING] = False
    if KEY in st.session_state and get_session().owner != person.owner:
        st.session_state.clear()  # somebody else has signed in: nothing of the one before stays
    session = get_session()
    now, before = st.query_params.to_dict(), st.session_state[WRITTEN]
    changed = {key: value for key, value in now.items() if before.get(key) != value}
    if now and went_back():
        session.return_to(now)
    elif changed:
        if "run" in changed and NAME.fullmatch(changed["run"]):
            session.open_run(changed["run"])
        session.read_params(changed | {key: now[key] for key in ("selection", "selected") if "selection" in changed})
    write_url()
    return session


def write_url() -> None:
    """Let the URL say what the session says.

    A visit that begins at a bare address leaves it so until something is chosen: the browser does not yet have the
    script of `address`, and would keep the bare address as a place to go back to.
    """
    wanted = get_session().to_params()
    if st.session_state.get(ARRIVING) and not st.query_params and not is_fragment():
        return
    if wanted != st.query_params.to_dict():
        st.query_params.from_dict(wanted)
    st.session_state[WRITTEN] = wanted


def let_show(key: str, value: Any) -> None:
    """Let a keyed widget show a value that was set elsewhere: on another page, or by a link.

    One that it shows already is not set again: the browser would take it for an answer, and drop what the visitor has
    done to the widget since.
    """
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value


def link() -> str:
    """A link to this view: opens for others if the run is shared."""
    base = (st.context.url or "").split("?")[0]
    return f"{base}?{urlencode(get_session().to_params(private=False))}"


@st.fragment
def link_popover(key: str) -> None:
    """The link to this view, made when it is asked for, so that it says what the sliders say by then."""
    with st.popover("Link", icon=":material/link:", type="tertiary", key=key, on_change="rerun"):
        st.code(link(), language=None, wrap_lines=True)
        st.caption(
            "This page with run, K, λ, mode, selection and patient. It holds no key to your uploads and runs: "
            "this browser alone finds them again."
        )
