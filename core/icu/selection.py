"""A named set of a run's patients, and its text for links."""

from __future__ import annotations

import base64
import re
import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

LONGEST_NAME = 60
MOST_BYTES = 1 << 20  # of an unpacked link: eight million patients
_UNUSUAL = re.compile(r"[^\w .,:;×≤≥<>=%()/+'–-]")  # a name comes from links too and is shown on every page


@dataclass(frozen=True, eq=False)
class Selection:
    """patients (n,) int64, sorted and unique positions in the run's cohort; make one with `Selection.of`."""

    name: str
    patients: np.ndarray

    @classmethod
    def of(cls, name: str, patients: object) -> Selection:
        """From any sequence or array of positions; a name keeps its plain characters only."""
        found = np.unique(np.asarray(patients, dtype=np.int64))
        found.flags.writeable = False
        plain = " ".join(_UNUSUAL.sub("", name).split())[:LONGEST_NAME].strip()
        return cls(plain or "selection", found)

    def __len__(self) -> int:
        return len(self.patients)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Selection) and self.name == other.name and np.array_equal(self.patients, other.patients)
        )

    def __hash__(self) -> int:
        return hash((self.name, self._text))

    def among(self, n_patients: int) -> Selection:
        """The same selection in a cohort of n patients: positions beyond its end are dropped."""
        if not len(self) or self.patients[-1] < n_patients:
            return self
        return Selection.of(self.name, self.patients[self.patients < n_patients])

    def marks(self, n_patients: int) -> np.ndarray:
        """(n_patients,) True for the selected."""
        chosen = np.zeros(n_patients, dtype=bool)
        chosen[self.patients] = True
        return chosen

    def encode(self) -> str:
        """Text for URLs, a compressed bit set in base64: at most about one character for 6 patients of the cohort."""
        return self._text

    @cached_property
    def _text(self) -> str:
        packed = np.packbits(self.marks(int(self.patients[-1]) + 1 if len(self) else 0)).tobytes()
        return base64.urlsafe_b64encode(zlib.compress(packed)).decode().rstrip("=")

    @classmethod
    def decode(cls, name: str, text: str) -> Selection | None:
        """The inverse of `encode`; None where it is no selection, since it comes from outside."""
        unpacker = zlib.decompressobj()
        try:
            packed = unpacker.decompress(
                base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True), MOST_BYTES
            )
        except (ValueError, zlib.error):
            return None
        if not unpacker.eof:
            return None
        return cls.of(name, np.flatnonzero(np.unpackbits(np.frombuffer(packed, dtype=np.uint8))))
