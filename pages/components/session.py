"""The one session object: what this visitor has chosen, kept in `st.session_state` and mirrored in the URL.

Values of drawn widgets are copied into it, because Streamlit forgets a keyed widget that is not on the current page.
The URL holds the owner token, so a reload keeps one's own runs; a link without it opens the same view of a shared run.
"""

from __future__ import annotations

import base64
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

import numpy as np
import streamlit as st

from pages.components.places import NAME, TOKEN, new_token

if TYPE_CHECKING:
    from core.runs.view import RunView

Mode = Literal["retrospective", "prospective"]
MODES: tuple[Mode, ...] = ("prospective", "retrospective")
KEY = "phenopolicy"
WRITTEN = "phenopolicy-url"  # what this session last wrote into the URL
MARK = re.compile(r"[a-z]{1,16}-[a-z]{1,16}")  # "registry-patient": a parameter that one page alone reads
LONGEST_MARK = 80
LONGEST_SELECTION = 1800  # characters in the URL


@dataclass(frozen=True)
class Selection:
    """A named set of patient positions, sorted."""

    name: str
    patients: tuple[int, ...]

    @classmethod
    def of(cls, name: str, patients: object) -> Selection:
        """From any sequence or array of positions."""
        return cls(name, tuple(np.unique(np.asarray(patients, dtype=np.int64)).tolist()))

    def __len__(self) -> int:
        return len(self.patients)

    def encode(self) -> str:
        """Text for the URL: a compressed bit set, base64."""
        bits = np.zeros(max(self.patients, default=-1) + 1, dtype=bool)
        bits[list(self.patients)] = True
        return base64.urlsafe_b64encode(zlib.compress(np.packbits(bits).tobytes(), 9)).decode().rstrip("=")

    @classmethod
    def decode(cls, name: str, text: str) -> Selection | None:
        """The inverse; None where the text is not a selection."""
        unpacker = zlib.decompressobj()
        try:
            packed = unpacker.decompress(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True), 1 << 20)
        except (ValueError, zlib.error):
            return None
        if not unpacker.eof:
            return None
        return cls.of(name[:40], np.flatnonzero(np.unpackbits(np.frombuffer(packed, dtype=np.uint8))))


@dataclass
class Session:
    """What the visitor has chosen. `chosen` names the fields set by hand or by a link; the others follow the run."""

    owner: str
    run: str = ""  # folder name of the run that every page shows
    cohort: str = ""  # file name of the cohort that the next run will train on
    job: str = ""  # folder name of the run that the progress panel follows
    n_clusters: int = 3
    lambda_: float = 15.0
    mode: Mode = "prospective"
    temperature: float = 1.0
    selection: Selection | None = None
    selections: dict[str, Selection] = field(default_factory=dict)
    patient: int | None = None
    step: int | None = None
    preset: str = "quick"  # of the run to be started
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

    def select(self, name: str, patients: object) -> Selection:
        """Make and remember a named selection; it becomes the current one."""
        self.selection = Selection.of(name, patients)
        self.selections[name] = self.selection
        return self.selection

    def open_run(self, name: str) -> None:
        """Show another run; patients and selections belong to the run before and are dropped."""
        if self.run and name != self.run:
            self.patient, self.step, self.selection = None, None, None
            self.selections.clear()
        self.run = name

    def fit(self, run: RunView) -> None:
        """Bring every field into what this run holds; fields not chosen by hand take the run's own settings."""
        if "n_clusters" not in self.chosen or self.n_clusters not in run.k_values:
            wanted = run.config.phenotypes.n_clusters
            self.n_clusters = int(wanted if wanted in run.k_values else run.k_values[0])
        if "lambda_" not in self.chosen or self.lambda_ not in run.lambdas:
            sharp = self.lambda_ if "lambda_" in self.chosen else run.config.fusion.lambda_
            self.lambda_ = float(min(run.lambdas, key=lambda value: abs(_finite(value) - _finite(sharp))))
        if "temperature" not in self.chosen:
            self.temperature = float(run.config.agents.temperature)
        if "mode" not in self.chosen:
            self.mode = run.config.fusion.mode
        n = run.cohort.n_patients
        if self.patient is not None and not 0 <= self.patient < n:
            self.patient = None
        for name, selection in list(self.selections.items()):
            self.selections[name] = Selection.of(name, [p for p in selection.patients if p < n])
        if self.selection is not None:
            self.selection = self.selections.setdefault(self.selection.name, self.selection)

    def to_params(self, *, private: bool = True) -> dict[str, str]:
        """Query parameters that restore this view; `private` adds the owner token."""
        params = {"owner": self.owner} if private else {}
        params |= {name: value for name in ("run", "job", "cohort") if (value := str(getattr(self, name)))}
        params |= {"k": str(self.n_clusters)} if "n_clusters" in self.chosen else {}
        params |= {"lambda": f"{self.lambda_:g}"} if "lambda_" in self.chosen else {}
        params |= {"mode": self.mode} if "mode" in self.chosen else {}
        params |= {"temperature": f"{self.temperature:g}"} if "temperature" in self.chosen else {}
        params |= {"patient": str(self.patient)} if self.patient is not None else {}
        params |= {"step": str(self.step)} if self.step is not None else {}
        if self.selection is not None and len(text := self.selection.encode()) <= LONGEST_SELECTION:
            params |= {"selection": text, "selected": self.selection.name}
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
        if (temperature := _number(params.get("temperature"))) is not None and 0 < temperature < math.inf:
            self.choose("temperature", temperature)
        for name in ("patient", "step"):
            if (position := _number(params.get(name))) is not None and 0 <= position < 1e9:
                setattr(self, name, int(position))
        if "selection" in params:
            selection = Selection.decode(params.get("selected", "from link"), params["selection"])
            if selection is not None:
                self.select(selection.name, selection.patients)


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
        token = params.get("owner", "")
        session = Session(owner=token if TOKEN.fullmatch(token) else new_token())
        session.read_params(params)
        st.session_state[KEY] = session
        st.session_state[WRITTEN] = params
    found: Session = st.session_state[KEY]
    return found


def sync_url() -> Session:
    """Adopt what the visitor changed in the URL since the last run, then write the session back into it."""
    session = get_session()
    now, before = st.query_params.to_dict(), st.session_state[WRITTEN]
    changed = {key: value for key, value in now.items() if before.get(key) != value and key != "owner"}
    if changed:
        if "run" in changed and NAME.fullmatch(changed["run"]):
            session.open_run(changed["run"])
        session.read_params(changed | {key: now[key] for key in ("selection", "selected") if "selection" in changed})
    write_url()
    return session


def write_url() -> None:
    """Let the URL say what the session says."""
    wanted = get_session().to_params()
    if wanted != st.query_params.to_dict():
        st.query_params.from_dict(wanted)
    st.session_state[WRITTEN] = wanted


def link(base: str = "") -> str:
    """A link to this view without the owner token: safe to share, opens for others if the run is shared."""
    return f"{base}?{urlencode(get_session().to_params(private=False))}"
