"""Which changes of the address are places to go back to: another page, view, run or patient; never a slider's move.

Streamlit makes every change of the query an entry in the browser's history. A script of a few lines stands before that:
it replaces the entry on show where no place has changed, or where the server only completes an address that said less.
"""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

KEY = "pp-address"
THINGS = ("run", "patient", "registry-run", "registry-patient")  # named by the server where a link leaves them open
VIEW = "-(view|idea|source|part)$"  # ends the name of a parameter that says which part of a page is shown
SCRIPT = """
export default function address({ data }) {
  if (window.phenopolicyPlaces) return;
  window.phenopolicyPlaces = true;
  const view = new RegExp(data.view);
  const push = history.pushState.bind(history), replace = history.replaceState.bind(history);
  const other = (name, before, after) => view.test(name)
    ? before.get(name) !== after.get(name)
    : data.things.includes(name) && before.has(name) && before.get(name) !== after.get(name);
  history.pushState = (state, title, url) => {
    const target = new URL(url ?? location.href, location.href);
    const before = new URLSearchParams(location.search), after = target.searchParams;
    const names = [...before.keys(), ...after.keys()];
    const place = target.pathname !== location.pathname
      || (location.search !== "" && names.some((name) => other(name, before, after)));
    (place ? push : replace)(state, title, url);
  };
}
"""

_places = st.components.v2.component("pp_address", js=SCRIPT, isolate_styles=False)


def keep_places() -> None:
    """Let the browser tell places from moves, from here on; a page draws it once."""
    _places(key=KEY, data={"things": list(THINGS), "view": VIEW})


def went_back() -> bool:
    """True where this run of the page answers Back or Forward: the address is then the truth, whole."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def is_fragment() -> bool:
    """True where a part of the page reruns alone, which a visitor has moved."""
    context = get_script_run_ctx()
    return context is not None and bool(context.fragment_ids_this_run)
