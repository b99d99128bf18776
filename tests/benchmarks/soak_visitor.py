"""A visitor without a browser: Streamlit's own messages over its own connection, so that fifty fit beside the server.

What a page draws is not drawn here; how long the server takes to answer, how much it sends and whether it answers
with an error is the same.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.request import urlopen

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

HOME = "overview"  # the page at the address itself
PATIENCE = 120.0  # seconds that one answer is waited for


@dataclass(frozen=True)
class Rerun:
    """One answer of the server. fault: what an error on the page says, "" for none."""

    page: str
    seconds: float
    bytes: int
    fault: str = ""


@dataclass
class Visitor:
    """One session; answers come in the order in which pages are asked for."""

    address: str
    socket: ClientConnection | None = None
    reruns: list[Rerun] = field(default_factory=list)

    async def come(self) -> None:
        """Load the page, which gives the cookie, and open the connection, as a browser does."""
        cookie = await asyncio.to_thread(_cookie, self.address)
        self.socket = await connect(
            f"ws{self.address.removeprefix('http')}/_stcore/stream",
            subprotocols=["streamlit"],  # type: ignore[list-item]
            origin=self.address,  # type: ignore[arg-type]
            additional_headers={"Cookie": cookie} if cookie else {},
            max_size=None,
            open_timeout=PATIENCE,
        )

    async def ask(self, page: str, query: str) -> Rerun:
        """Open a page by a link, and wait for the whole of it."""
        assert self.socket is not None
        message = BackMsg()
        message.rerun_script.page_name = "" if page == HOME else page
        message.rerun_script.query_string = query
        started, size, faults = time.monotonic(), 0, []
        try:
            await self.socket.send(message.SerializeToString())
            async with asyncio.timeout(PATIENCE):
                begun = False
                while True:
                    frame = await self.socket.recv()
                    size += len(frame)
                    told = ForwardMsg.FromString(frame)  # type: ignore[arg-type]
                    kind = told.WhichOneof("type")
                    begun = begun or kind == "new_session"
                    faults += fault_in(told)
                    if begun and kind == "script_finished" and told.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                        break
        except TimeoutError:
            faults.append(f"no answer within {PATIENCE:g} s")
        except Exception as error:  # the connection broke: that is what is looked for
            faults.append(f"{type(error).__name__}: {error}"[:200])
        self.reruns.append(Rerun(page, time.monotonic() - started, size, "; ".join(faults)))
        return self.reruns[-1]

    async def leave(self) -> None:
        if self.socket is not None:
            await self.socket.close()


def fault_in(told: ForwardMsg) -> list[str]:
    """Errors that one message puts on a page: a traceback, a red box, a script that cannot be compiled."""
    if told.WhichOneof("type") == "page_not_found":
        return ["page not found"]
    if told.WhichOneof("type") == "script_finished" and told.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
        return ["the script does not compile"]
    if told.WhichOneof("type") != "delta" or told.delta.WhichOneof("type") != "new_element":
        return []
    element: Any = told.delta.new_element
    if element.WhichOneof("type") == "exception":
        return [f"{element.exception.type}: {element.exception.message}"[:200]]
    if element.WhichOneof("type") == "alert" and element.alert.format == element.alert.ERROR:
        return [element.alert.body[:200]]
    return []


def _cookie(address: str) -> str:
    with urlopen(f"{address}/", timeout=PATIENCE) as answer:
        found = [value.split(";")[0] for name, value in answer.headers.items() if name.lower() == "set-cookie"]
    return "; ".join(found)
