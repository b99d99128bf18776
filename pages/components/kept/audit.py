"""The audit for administrators: is it whole, and who did what."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.access.chain import Found, check, lines
from core.base.text import markdown
from core.keep.holdings import SHORTEST_OWNER
from pages.components.shell.export import table
from pages.components.shell.frame import empty
from pages.components.shell.visitor import me

MOST = 2000  # lines on show, the newest


def draw() -> None:
    """What the chain says, then the newest lines."""
    trail = me().trail
    checked = check(trail)
    if not checked.lines:
        empty("Nothing has been recorded yet", "The first line is written when a run is opened.")
        return
    if checked.broken:
        told = "\n".join(f"- {markdown(sentence)}" for sentence in checked.broken[:10])
        st.error(f"**The audit is not as it was written.**\n{told}", icon=":material/link_off:")
    else:
        st.success(
            f"All {checked.lines:,} lines are as they were written. The last has the SHA-256 `{checked.last}`: keep it "
            "elsewhere, and `python -m core audit verify --holds SHA-256` tells later whether it is still there.",
            icon=":material/verified_user:",
        )
    for sentence in checked.notes[:10]:
        st.caption(sentence)
    found = list(lines(trail))
    rows = pd.DataFrame([_row(one) for one in reversed(found[-MOST:])])
    table(rows, "kept-audit", caption=f"The newest {len(rows):,} of {checked.lines:,} lines.")


def _row(one: Found) -> dict[str, object]:
    line = one.line
    if line is None:
        return {"line": one.n, "what": "cannot be read"}
    return {
        "line": line.n,
        "when (UTC)": line.at[:19].replace("T", " "),
        "who": line.name or line.who[:SHORTEST_OWNER] or "command line",
        "role": line.role,
        "what": line.what,
        "run": line.run,
        "patient": line.patient[:8],
        "more": line.detail,
    }
