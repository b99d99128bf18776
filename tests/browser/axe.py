"""axe-core in a page of the app: what a reader with a screen reader, a keyboard or weak eyes would stumble over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

SCRIPT = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
MISSING = "axe-core is not installed; 'npm ci --prefix tests/browser' (Node.js) does it"
RUN = """async ([excused, only]) => {
    const limits = only ? {runOnly: {type: 'rule', values: [only]}} : {};
    const {violations} = await axe.run(document, {resultTypes: ['violations'], elementRef: true, ...limits});
    const known = (rule, element) => excused.some(([id, selector]) => id === rule && element.matches(selector));
    return violations.flatMap(({id, impact, help, nodes}) => nodes.filter(node => !known(id, node.element)).map(
        node => `${id} (${impact}): ${help}. ${node.failureSummary} At: ${node.html.slice(0, 300)}`));
}"""


@dataclass(frozen=True)
class Excused:
    """A finding in Streamlit's own page that the app cannot mend: rule, where, and why it does no harm."""

    rule: str
    selector: str
    why: str


EXCUSED = (
    Excused(
        "list",
        '[data-testid="stSidebarNavItems"]',
        "Streamlit puts the sections of the navigation as <div> into its <ul>; links and their names are read all the "
        "same, and no option changes the markup.",
    ),
    Excused(
        "listitem",
        '[data-testid="stSidebarNavItems"] li',
        "The same markup from the other side: the <li> of a section stand in that <div>.",
    ),
    Excused(
        "presentation-role-conflict",
        '[data-testid="stFileUploaderDropzone"]',
        "Streamlit names the area to drop files on and takes its role away; the button inside it, which does the "
        "same, has role and name.",
    ),
)


def findings(page: Page, only: str = "") -> list[str]:
    """What axe-core finds on the page as it stands, one sentence each; `only` runs one rule."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    found: list[str] = page.evaluate(RUN, [[(known.rule, known.selector) for known in EXCUSED], only or None])
    return found
