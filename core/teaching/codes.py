"""Codes by which a class joins: short enough to be read from a wall, too many to be tried out.

Eight signs out of 31 are 8.5e11 codes. Wrong ones are counted, by visitor and in all; past the limit no code is looked
up, a right one neither, until the window has passed. At 300 tries in ten minutes and 200 open conferences a stranger
would find one in 270 years, on average.
"""

from __future__ import annotations

import re
import secrets
from collections import deque
from threading import Lock

from core.base.errors import ConfigError

SIGNS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # without those that look alike
CODE = re.compile(f"[{SIGNS}]{{4}}-[{SIGNS}]{{4}}")
WINDOW = 600.0  # seconds
MOST_WRONG, MOST_WRONG_OF_ALL = 10, 300  # in the window, of one visitor and of all


def new_code() -> str:
    """'K7QM-2XFD', drawn from the system's randomness."""
    signs = "".join(secrets.choice(SIGNS) for _ in range(8))
    return f"{signs[:4]}-{signs[4:]}"


def read_code(text: str) -> str:
    """A code as somebody types it; "" where it is none."""
    signs = re.sub(r"[\s-]", "", text).upper()
    code = f"{signs[:4]}-{signs[4:]}"
    return code if CODE.fullmatch(code) else ""


class WrongCodes:
    """Counts wrong codes in the last ten minutes; one for the whole server, safe in threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._tried: deque[tuple[float, str]] = deque()

    def check(self, who: str, now: float) -> None:
        """`ConfigError` where this visitor, or all together, have tried too many wrong codes."""
        with self._lock:
            while self._tried and self._tried[0][0] <= now - WINDOW:
                self._tried.popleft()
            own = sum(visitor == who for _, visitor in self._tried)
            if own >= MOST_WRONG or len(self._tried) >= MOST_WRONG_OF_ALL:
                raise ConfigError(f"too many wrong codes; try again in {WINDOW / 60:.0f} minutes.")

    def count(self, who: str, now: float) -> None:
        with self._lock:
            self._tried.append((now, who))
