"""A seal over a whole Parquet file, so that no flipped bit of it passes: not in a page, not in the footer.

Page checksums cover values alone; names, types and metadata stand in the footer. The seal is the SHA-256 of everything
else in the file, and lies between the last page and the footer, where readers of Parquet never look. A tool that writes
the file anew leaves it out.
"""

from __future__ import annotations

import hashlib

MARK = b"phenopolicy seal 1 "
SIZE = len(MARK) + hashlib.sha256().digest_size
END = b"PAR1"


def seal(data: bytes) -> bytes:
    """A Parquet file with its seal."""
    body, footer = _cut(data)
    return body + MARK + _digest(body, footer) + footer


def broken(data: bytes) -> bool:
    """True where a file holds a seal that does not fit it; a mark that is damaged itself still tells of a seal."""
    body, footer = _cut(data)
    mark = body[-SIZE : -SIZE + len(MARK)]
    alike = sum(found == expected for found, expected in zip(mark, MARK, strict=False))
    if 2 * alike < len(MARK):
        return False
    return mark != MARK or body[-SIZE + len(MARK) :] != _digest(body[:-SIZE], footer)


def _cut(data: bytes) -> tuple[bytes, bytes]:
    """Pages, and footer with its length and mark; a file too short for its footer is all pages."""
    length = int.from_bytes(data[-8:-4], "little") + 8
    return (data[:-length], data[-length:]) if data.endswith(END) and length < len(data) else (data, b"")


def _digest(body: bytes, footer: bytes) -> bytes:
    digest = hashlib.sha256(body)
    digest.update(footer)
    return digest.digest()
