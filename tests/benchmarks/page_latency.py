"""How soon the app answers: sliders, lasso and page switches in a real Chromium, timed on the wire.

The app is served on the given run and driven as a visitor drives it. Server time runs from the browser's message that
something was moved to the server's message that the script has finished, both stamped by the browser; bytes are all
that the server sent in between. Drawing in the browser comes on top and is not measured here. The processor time of
the server, also over its browser connection, is given beside it: it tells a slow app from a busy machine.

    python tests/benchmarks/page_latency.py data/runs/default --out latency.json
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "browser")]

from app_server import SIZE, chromium, find_chromium, serve  # noqa: E402
from point_map import PointMap  # noqa: E402
from visitor import PATIENCE, Tab, settle  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGES = {  # by what the navigation calls them: heading, where it is another
    "Overview": "Patient phenotypes and their policies",
    **dict.fromkeys(("Learn", "Class", "Cohort", "Encoder", "Phenotypes", "Policies", "Values", "Patient"), ""),
    **dict.fromkeys(("Experiments", "Registry", "Kept data"), ""),
}
K, LAMBDA = "Number of phenotypes K", "Sharpness λ"
LASSO_RADIUS = 90  # pixels
POLL = 50  # milliseconds


@dataclass(frozen=True)
class Answer:
    """One answer of the server: seconds from the message to the end of the script, its processor time, bytes sent."""

    seconds: float
    cpu: float
    bytes: int
    scripts: int  # how often a script ended; 2 where a part of the page asked for the whole page


@dataclass
class Wire:
    """The messages between browser and server, with the browser's own clock."""

    sent: list[float] = field(default_factory=list)
    received: list[tuple[float, int, bool]] = field(default_factory=list)  # time, bytes, whether a script ended
    server: int = 0  # process of the app

    def listen(self, page: Page) -> None:
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.webSocketFrameSent", self._sent)
        session.on("Network.webSocketFrameReceived", self._received)

    def _sent(self, event: dict[str, Any]) -> None:
        from streamlit.proto.BackMsg_pb2 import BackMsg

        message = BackMsg()
        message.ParseFromString(base64.b64decode(event["response"]["payloadData"]))
        if message.WhichOneof("type") == "rerun_script":
            self.sent.append(event["timestamp"])

    def _received(self, event: dict[str, Any]) -> None:
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        payload = base64.b64decode(event["response"]["payloadData"])
        message = ForwardMsg()
        message.ParseFromString(payload)
        self.received.append((event["timestamp"], len(payload), message.WhichOneof("type") == "script_finished"))

    def time(self, page: Page, act: Callable[[], object]) -> Answer:
        """Do something, wait for the whole answer, and time it."""
        self.sent.clear()
        self.received.clear()
        before = processor_seconds(self.server)
        act()
        for _ in range(PATIENCE // POLL):  # the browser may draw for a while before it says what was done
            if self.sent:
                break
            page.wait_for_timeout(POLL)
        else:
            raise RuntimeError("the browser sent nothing; the page did not take the action")
        settle(page)
        ends = [at for at, _, ended in self.received if ended]
        used = processor_seconds(self.server) - before
        return Answer(ends[-1] - self.sent[0], used, sum(size for _, size, _ in self.received), len(ends))


def processor_seconds(process: int) -> float:
    """Processor time that a process has used; NaN where the system does not say (it does on Linux)."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def served_by(address: str) -> int:
    """The child of this process that serves an address; 0 where the system does not say."""
    port = address.rsplit(":", 1)[1]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"streamlit" in words and port.encode() in words:
            return int(folder.name)
    return 0


@contextmanager
def serving(data: Path) -> Iterator[tuple[str, Answer]]:
    """Address of the app, and what it took until it answers."""
    started = time.monotonic()
    with serve(data) as address:
        yield address, Answer(time.monotonic() - started, processor_seconds(served_by(address)), 0, 0)


def first_page(tab: Tab, wire: Wire) -> Answer:
    """From the first request to the end of the first script, by this process's clock."""
    ended: list[float] = []
    started, before = time.monotonic(), processor_seconds(wire.server)
    tab.page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: _ended(frame, ended)))
    tab.open("")
    size = sum(size for _, size, _ in wire.received)
    return Answer(ended[-1] - started, processor_seconds(wire.server) - before, size, len(ended))


def _ended(frame: bytes | str, ended: list[float]) -> None:
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    if isinstance(frame, bytes) and ForwardMsg.FromString(frame).WhichOneof("type") == "script_finished":
        ended.append(time.monotonic())


def measure(tab: Tab, wire: Wire, repeats: int) -> Iterator[tuple[str, Answer]]:
    """Every interaction in turn, by name."""
    tab.go("Phenotypes")
    for answer in _slide(tab, wire, K, repeats):
        yield "K slider, map", answer
    yield from _lassos(tab, wire, repeats)
    tab.choose("Published panel")
    for answer in _slide(tab, wire, K, repeats):
        yield "K slider, published panel", answer
    tab.go("Policies")
    for view in ("Doses", "Fusion λ"):
        tab.choose(view)
        for answer in _slide(tab, wire, LAMBDA, repeats):
            yield f"λ slider, {view}", answer
        for answer in _slide(tab, wire, K, repeats):
            yield f"K slider, {view}", answer
    tab.go("Patient")
    for answer in _slide(tab, wire, LAMBDA, repeats):
        yield "λ slider, patient", answer
    for round_ in range(1 + repeats):
        for name, heading in PAGES.items():
            answer = wire.time(tab.page, lambda name=name, heading=heading: tab.go(name, heading))
            if round_:
                yield f"warm switch to {name}", answer


def _slide(tab: Tab, wire: Wire, label: str, repeats: int) -> Iterator[Answer]:
    """A slider to and fro; each place is visited before it counts, as after a minute of use."""
    keys = ["ArrowRight", "ArrowLeft"]
    for key in keys:
        tab.step(label, key)
    for i in range(repeats):
        yield wire.time(tab.page, lambda key=keys[i % 2]: tab.step(label, key))


def _lassos(tab: Tab, wire: Wire, repeats: int) -> Iterator[tuple[str, Answer]]:
    shown = PointMap(tab)
    places = shown.pixels()
    across = sorted(range(len(places)), key=lambda row: places[row][0])
    middle = len(across) // 2  # so that the loop stays inside of the plot
    for i in range(repeats):
        row = across[middle + i]
        yield "lasso to table", wire.time(tab.page, lambda row=row: shown.lasso(row, LASSO_RADIUS))


def summarize(answers: dict[str, list[Answer]]) -> dict[str, dict[str, float]]:
    """Median and largest time in seconds and largest payload in bytes of each interaction."""
    return {
        name: {
            "median_s": round(statistics.median(a.seconds for a in some), 3),
            "max_s": round(max(a.seconds for a in some), 3),
            "median_cpu_s": round(statistics.median(a.cpu for a in some), 3),
            "max_bytes": max(a.bytes for a in some),
            "repeats": len(some),
        }
        for name, some in answers.items()
    }


def markdown(result: dict[str, Any]) -> str:
    """The result as a table, one row an interaction."""
    lines = [
        f"{result['patients']:,} patients, {result['cores']} cores, load {result['load']:.1f}, {result['machine']}.",
        "",
        "| interaction | median (s) | largest (s) | processor (s) | payload (kB) |",
        "|---|---|---|---|---|",
    ]
    for name, row in result["interactions"].items():
        lines.append(
            f"| {name} | {row['median_s']:.3f} | {row['max_s']:.3f} | {row['median_cpu_s']:.3f} "
            f"| {row['max_bytes'] / 1000:,.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Serve the run, drive the app, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--repeats", type=int, default=6, help="how often each interaction is timed (default 6)")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    executable = find_chromium()
    if executable is None:
        sys.exit("No Chromium found; install it, for example with 'sudo apt-get install chromium'.")
    if not (options.run / "manifest.json").is_file():
        sys.exit(f"No run in {options.run}.")
    answers: dict[str, list[Answer]] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        (data / "runs").mkdir()
        (data / "runs" / "run").symlink_to(options.run.resolve(), target_is_directory=True)
        with chromium(executable) as browser, serving(data) as (address, ready):
            page = browser.new_page(viewport=SIZE)
            page.set_default_timeout(PATIENCE)
            tab, wire = Tab(page, address), Wire(server=served_by(address))
            wire.listen(page)
            answers |= {"start of the server": [ready], "the first page after it": [first_page(tab, wire)]}
            for name, answer in measure(tab, wire, options.repeats):
                answers.setdefault(name, []).append(answer)
                said = f"{answer.seconds:.3f} s, processor {answer.cpu:.2f} s, {answer.bytes:,} bytes"
                print(f"{name}: {said}", file=sys.stderr, flush=True)
    manifest = json.loads((options.run / "manifest.json").read_text(encoding="utf-8"))
    result = {
        "patients": manifest["n_patients"],
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "machine": platform.machine(),
        "python": platform.python_version(),
        "interactions": summarize(answers),
    }
    print(markdown(result))
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
