"""What a visitor does in a tab: open pages, press, slide, and wait until the app has answered."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Locator, Page, Request, WebSocket

# Streamlit marks what belongs to the run before as stale and keeps skeletons where something is still to come.
SETTLED = """() => {
    const app = document.querySelector('[data-testid="stApp"]');
    return app !== null && app.dataset.testScriptState === 'notRunning'
        && document.querySelector('h1') !== null
        && !document.querySelector('[data-testid="stSkeleton"], [data-testid="stSpinner"], [data-stale="true"]');
}"""
QUIET_MILLISECONDS = 200
DEBOUNCE_MILLISECONDS = 250  # a slider holds its value back for 200 before it asks the server
GLANCE_MILLISECONDS = 20
PATIENCE = 240_000  # milliseconds; a shared machine may be slow, an answer is waited for, never slept for
# Streamlit's client looks for its server beside the page first: /cohort/_stcore/health, then /_stcore/health.
EXPECTED = ("/_stcore/health", "/_stcore/host-config")

# Controls that choose what a page shows, from the outer to the inner; those of one level stand side by side.
Levels = tuple[tuple[str, ...], ...]
LEVELS: Levels = (("View", "Idea"), ("Part",), ("Show", "Show as", "At this step"))

# Where each patient of the n-th chart is drawn and in which color, read from the figure that the browser shows.
POINTS = """n => {
    const points = {};
    for (const trace of document.querySelectorAll('.js-plotly-plot')[n]._fullData)
        Array.from(trace.customdata).forEach((patient, i) => {
            points[patient] = [trace.x[i], trace.y[i], trace.marker.color];
        });
    return points;
}"""
SELECTED = """n => document.querySelectorAll('.js-plotly-plot')[n]._fullData.flatMap(
    trace => Array.from(trace.selectedpoints ?? []).map(i => trace.customdata[i]))"""
PIXEL = """([n, x, y]) => {
    const plot = document.querySelectorAll('.js-plotly-plot')[n], {xaxis, yaxis} = plot._fullLayout;
    const box = plot.getBoundingClientRect();
    return [box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + yaxis.d2p(y)];
}"""
DRAWN = "n => document.querySelectorAll('.js-plotly-plot')[n]?._fullLayout?.xaxis !== undefined"


def settle(page: Page) -> None:
    """Wait until the app has answered: script at rest, nothing stale, no skeleton, twice with a pause between."""
    for _ in range(2):
        page.wait_for_timeout(QUIET_MILLISECONDS)
        page.wait_for_function(SETTLED, timeout=PATIENCE)


@dataclass
class Tab:
    """One visitor: a page in a browser context of its own, what its console complained about, and open questions.

    The page itself does not tell an answer that is done from one that has not begun, so the tab reads the messages
    between page and server: a rerun that was asked for is answered once a run that began after it has finished.
    """

    page: Page
    address: str
    errors: list[str] = field(default_factory=list)
    _begun: bool = False
    _answered: bool = True

    def watch(self) -> None:
        self.page.on("websocket", self._connect)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._asks)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.location["url"].endswith(EXPECTED):
            self.errors.append(f"{message.text} ({message.location['url']})")

    def _asks(self, request: Request) -> None:
        if not request.url.startswith((f"{self.address}/", "data:", "blob:")):
            self.errors.append(f"asked another machine: {request.url}")

    def _connect(self, socket: WebSocket) -> None:
        socket.on("framesent", self._asked)
        socket.on("framereceived", self._told)

    def _asked(self, frame: bytes | str) -> None:
        if isinstance(frame, bytes) and BackMsg.FromString(frame).WhichOneof("type") == "rerun_script":
            self._begun = self._answered = False

    def _told(self, frame: bytes | str) -> None:
        kind = ForwardMsg.FromString(frame).WhichOneof("type") if isinstance(frame, bytes) else None
        if kind == "new_session":
            self._begun = True
        elif kind == "script_finished" and self._begun:
            self._answered = True

    @property
    def main(self) -> Locator:
        return self.page.get_by_test_id("stMain")

    def open(self, path: str) -> None:
        """Go to an address of the app, as by a link."""
        self.page.goto(f"{self.address}/{path}")
        self.rest()

    def go(self, title: str, heading: str = "") -> None:
        """Go to a page by the navigation; its heading is its title unless said otherwise."""
        self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=True).click()
        self.page.get_by_role("heading", level=1, name=heading or title, exact=True).wait_for()
        self.rest()

    def choose(self, option: str) -> None:
        """Press one option of a segmented control."""
        self.main.get_by_role("radio", name=option, exact=True).click()
        self.rest()

    def views(self, levels: Levels = LEVELS, path: str = "") -> Iterator[str]:
        """Show every view of the page, one after another; yields the way to it."""
        if not levels:
            yield path
            return
        here, *inner = levels
        groups = [label for label in here if self.main.get_by_role("radiogroup", name=label, exact=True).count()]
        if not groups:
            yield from self.views(tuple(inner), path)
        for label in groups:
            group = self.main.get_by_role("radiogroup", name=label, exact=True)
            for option in group.get_by_role("radio").all_inner_texts():
                group.get_by_role("radio", name=option, exact=True).click()
                self.rest()
                yield from self.views(tuple(inner), f"{path} / {option}")

    def step(self, label: str, key: str, times: int = 1) -> None:
        """Move a slider with the keyboard, as one does without a mouse."""
        self.main.get_by_role("slider", name=label).first.focus()
        for _ in range(times):
            self.page.keyboard.press(key)
        self.rest()

    def rest(self) -> None:
        """Wait for the answer; no page may show an exception or scroll sideways."""
        self.page.wait_for_timeout(DEBOUNCE_MILLISECONDS)
        self._wait()
        boxes = self.page.get_by_test_id("stException")
        assert boxes.count() == 0, f"{self.page.url}: {boxes.first.inner_text()}"
        assert self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), self.page.url

    def points(self, chart: int = 0) -> dict[str, list]:
        """x, y and color of each patient on a chart, by position in the cohort."""
        self.page.wait_for_function(DRAWN, arg=chart)
        found: dict[str, list] = self.page.evaluate(POINTS, chart)
        return found

    def selected(self, chart: int = 0) -> list[int]:
        """The patients that stay bright on a chart, sorted."""
        self.page.wait_for_function(DRAWN, arg=chart)
        return sorted(int(patient) for patient in self.page.evaluate(SELECTED, chart))

    def pixel(self, point: list, chart: int = 0) -> tuple[float, float]:
        """Where on the screen a point of a chart is, after scrolling to it."""
        self.page.wait_for_function(DRAWN, arg=chart)
        scroll = "n => document.querySelectorAll('.js-plotly-plot')[n].scrollIntoView({block: 'center'})"
        self.page.evaluate(scroll, chart)
        self.page.wait_for_timeout(300)  # the page scrolls smoothly; the mouse needs where it ends
        x, y = self.page.evaluate(PIXEL, [chart, *point[:2]])
        return float(x), float(y)

    def lasso(self, point: list, radius: int = 25, chart: int = 0) -> None:
        """Draw a loop around one point of a chart whose tool is the lasso."""
        (x, y), mouse = self.pixel(point, chart), self.page.mouse
        mouse.move(x - radius, y - radius)
        mouse.down()
        for dx, dy in ((1, -1), (1, 1), (-1, 1), (-1, -1)):
            mouse.move(x + dx * radius, y + dy * radius, steps=5)
        mouse.up()

    def box(self, point: list, radius: int = 25, chart: int = 0) -> None:
        """Draw a box around one point of a chart whose tool is the box."""
        (x, y), mouse = self.pixel(point, chart), self.page.mouse
        mouse.move(x - radius, y - radius)
        mouse.down()
        mouse.move(x + radius, y + radius, steps=8)
        mouse.up()

    def _wait(self) -> None:
        end = time.monotonic() + PATIENCE / 1000
        while True:
            while not self._answered:
                assert time.monotonic() < end, f"{self.page.url}: no answer within {PATIENCE // 1000} s"
                self.page.wait_for_timeout(GLANCE_MILLISECONDS)
            self.page.wait_for_function(SETTLED, timeout=PATIENCE)
            if self._answered:
                return
