"""What a visitor does in a tab: open pages, press, slide, and wait until the app has answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Locator, Page

# Streamlit marks what belongs to the run before as stale and keeps skeletons where something is still to come.
SETTLED = """() => {
    const app = document.querySelector('[data-testid="stApp"]');
    return app !== null && app.dataset.testScriptState === 'notRunning'
        && document.querySelector('h1') !== null
        && !document.querySelector('[data-testid="stSkeleton"], [data-testid="stSpinner"], [data-stale="true"]');
}"""
QUIET_MILLISECONDS = 200
PATIENCE = 60_000  # milliseconds; a shared machine may be slow, an answer is waited for, never slept for
# Streamlit's client looks for its server beside the page first: /cohort/_stcore/health, then /_stcore/health.
EXPECTED = ("/_stcore/health", "/_stcore/host-config")


def settle(page: Page) -> None:
    """Wait until the app has answered: script at rest, nothing stale, no skeleton, twice with a pause between."""
    for _ in range(2):
        page.wait_for_timeout(QUIET_MILLISECONDS)
        page.wait_for_function(SETTLED, timeout=PATIENCE)


@dataclass
class Tab:
    """One visitor: a page in a browser context of its own, and the errors its console has seen."""

    page: Page
    address: str
    errors: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.location["url"].endswith(EXPECTED):
            self.errors.append(f"{message.text} ({message.location['url']})")

    @property
    def main(self) -> Locator:
        return self.page.get_by_test_id("stMain")

    def open(self, path: str) -> None:
        """Go to an address of the app, as by a link."""
        self.page.goto(f"{self.address}/{path}")
        self.rest()

    def go(self, title: str) -> None:
        """Go to a page by the navigation."""
        self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=True).click()
        self.page.get_by_role("heading", level=1, name=title, exact=True).wait_for()
        self.rest()

    def choose(self, option: str) -> None:
        """Press one option of a segmented control."""
        self.main.get_by_role("radio", name=option, exact=True).click()
        self.rest()

    def step(self, label: str, key: str, times: int = 1) -> None:
        """Move a slider with the keyboard, as one does without a mouse."""
        self.main.get_by_role("slider", name=label).first.focus()
        for _ in range(times):
            self.page.keyboard.press(key)
        self.rest()

    def rest(self) -> None:
        """Wait for the answer; no page may show an exception or scroll sideways."""
        settle(self.page)
        boxes = self.page.get_by_test_id("stException")
        assert boxes.count() == 0, f"{self.page.url}: {boxes.first.inner_text()}"
        assert self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), self.page.url
