"""Before a page: who the visitor is, by a cookie that no script, link or log sees, and what the browser may load.

The key of a visitor's own uploads and runs is random, 144 bits, and lives in an HttpOnly, SameSite cookie. Addresses of
earlier versions held it (`?owner=`): such a link is answered once, by the same address without the key.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.access.person import HOUR
from core.access.settings import ServerSettings, SignIn, is_loopback
from pages.components.shell.places import TOKEN, new_token

COOKIE = "phenopolicy_visitor"
OLD_COOKIE = "phenopolicy_link"  # the key that a link of an earlier version held, until its page has opened
YEAR, MOMENT = 365 * 24 * 3600, 60  # seconds
SIGNED_IN = b"_streamlit_user"  # how the names of Streamlit's cookies of a sign-in begin
METRICS = "/_stcore/metrics"  # numbers of the server, of use to nobody here
_AGE = re.compile(rb"max-age=\d+", re.IGNORECASE)
_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def _policy() -> str:
    """Content-Security-Policy of every page: this server alone, whatever stands in the data that the page draws.

    docs/deploy.md says what was seen to break without each exception.
    """
    shell = (Path(streamlit.__file__).parent / "static" / "index.html").read_bytes()
    scripts = [b64encode(sha256(script).digest()).decode() for script in _INLINE.findall(shell)]
    rules = {
        "default-src": ["'self'"],
        # Scripts by their hash are those in Streamlit's own page. regl, which draws the map, and Plotly's WebGL write
        # their drawing programs as JavaScript; Streamlit loads the script of a component from a blob.
        "script-src": ["'self'", *(f"'sha256-{digest}'" for digest in scripts), "'unsafe-eval'", "blob:"],
        "style-src": ["'self'", "'unsafe-inline'"],  # Streamlit, Plotly and KaTeX write styles as they draw
        "img-src": ["'self'", "data:", "blob:"],  # Plotly makes a PNG of a figure through a blob
        "font-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "worker-src": ["blob:"],  # the map sorts many points beside the page
        "frame-src": ["'none'"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
    return "; ".join(" ".join([rule, *sources]) for rule, sources in rules.items())


PAGE_HEADERS = {
    "content-security-policy": _policy(),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Door:
    """ASGI middleware in front of Streamlit's own server."""

    def __init__(self, app: ASGIApp, settings: ServerSettings, origins: tuple[str, ...] = ()) -> None:
        """origins: other addresses, as "https://host", from which a browser may open the app's socket."""
        self.app, self.origins = app, frozenset(origins)
        self.local_only = settings.sign_in is None and not settings.open_without_sign_in
        self.sign_in = settings.sign_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        here = (scope.get("server") or ("",))[0]
        if scope["type"] != "lifespan" and self.local_only and not is_loopback(here or ""):
            await _away(scope, receive, send)
            return
        if scope["type"] == "websocket" and not self._may_connect(Headers(scope=scope)):
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if scope["path"].rstrip("/").endswith(METRICS):
            await PlainTextResponse("Not found", 404)(scope, receive, send)
        elif any(name == "owner" for name, _ in asked):
            await _without_key(scope, asked)(scope, receive, send)
        else:
            await self.app(scope, receive, _admitting(scope, _guarding(send, self.sign_in) if self.sign_in else send))

    def _may_connect(self, headers: Headers) -> bool:
        """A browser says which page opens a socket: it must be one of this very server."""
        origin = headers.get("origin", "")
        return not origin or urlsplit(origin).netloc == headers.get("host") or origin in self.origins


def _guarding(send: Send, settings: SignIn) -> Send:
    """Sends cookies for TLS alone where browsers reach the app by it, though a proxy may end it, and those of a sign-in
    for as long as it lasts: Streamlit's live thirty days."""
    behind_tls = settings.address.startswith("https")
    lasts = b"Max-Age=%d" % (settings.hours * HOUR)

    def guarded(cookie: bytes) -> bytes:
        if cookie.startswith(SIGNED_IN):
            cookie = _AGE.sub(lambda age: min(lasts, age[0], key=_seconds), cookie)
        return cookie + b"; Secure" if behind_tls and b"; secure" not in cookie.lower() else cookie

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [
                (name, guarded(value) if name == b"set-cookie" else value) for name, value in message["headers"]
            ]
        await send(message)

    return answer


def _seconds(age: bytes) -> int:
    return int(age.rpartition(b"=")[2])


async def _away(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a connection from another machine to a server without sign-in."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    say = "This server has no sign-in and serves its own machine alone; see docs/deploy.md."
    await PlainTextResponse(say, 403)(scope, receive, send)


def _without_key(scope: Scope, asked: list[tuple[str, str]]) -> RedirectResponse:
    """The same address without the key, which the page that opens next may read once."""
    key = next(value for name, value in asked if name == "owner")
    rest = urlencode([(name, value) for name, value in asked if name != "owner"])
    path = "/" + scope["path"].lstrip("/\\")  # never "//host", which would lead to another server
    answer = RedirectResponse(f"{path}?{rest}" if rest else path, 303, headers=PAGE_HEADERS)
    if TOKEN.fullmatch(key):
        answer.headers.append("set-cookie", _cookie(OLD_COOKIE, key, MOMENT, scope["scheme"]))
    return answer


def _admitting(scope: Scope, send: Send) -> Send:
    """Sends what the server answers; a page comes with the rules of what it may load, and a new visitor gets a key."""
    known = TOKEN.fullmatch(cookies(Headers(scope=scope).get("cookie", "")).get(COOKIE, "")) is not None

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if headers.get("content-type", "").startswith("text/html"):
                headers.update(PAGE_HEADERS)
                if not known and message["status"] == 200:
                    headers.append("set-cookie", _cookie(COOKIE, new_token(), YEAR, scope["scheme"]))
        await send(message)

    return answer


def cookies(header: str) -> dict[str, str]:
    """Cookies of a request by name; none where the header is malformed."""
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


def _cookie(name: str, value: str, seconds: int, scheme: str) -> str:
    secure = "; Secure" if scheme == "https" else ""
    return f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
