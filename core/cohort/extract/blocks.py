"""A CSV file, compressed or not, as blocks of whole lines; reading can go on where an earlier one stopped."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from core.base.errors import ExtractError

try:  # unpacks in about a third of the time; nothing else needs it
    from isal import igzip, isal_zlib

    GZIP_FILE: type[gzip.GzipFile] = igzip.IGzipFile
    OWN = cast("type[Exception]", isal_zlib.error)  # its types call it an instance
    DAMAGED: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error, OWN)
except ImportError:
    GZIP_FILE, DAMAGED = gzip.GzipFile, (OSError, EOFError, zlib.error)

CHUNK = 4 << 20  # bytes
QUOTE, NEWLINE = b'"', b"\n"
_OTHERS = bytes(byte for byte in range(256) if byte not in QUOTE + NEWLINE)


@dataclass(frozen=True)
class Block:
    """Lines written to a file: where the next block begins (bytes, uncompressed), bytes of the file read so far.

    lines: how many, or None where a quote may hide the end of one of them.
    """

    end: int
    consumed: int
    lines: int | None


def blocks(path: Path, start: int, size: int, into: Path) -> Iterator[Block]:
    """Write `into` the next `size` bytes or more of `path`, whole lines, from byte `start` on; then the next ones.

    start: 0, or the `end` of an earlier block; the header is no part of a block. Raises `ExtractError` where the file
    is damaged.
    """
    try:
        with _opened(path) as (raw, stream):
            end = start or len(stream.readline())
            stream.seek(end)  # of a compressed file: unpacked up to there, which is the cheaper half of reading it
            carry = b""
            while True:
                with into.open("wb") as file:
                    written, carry, lines = _fill(stream, file, carry, size)
                if not written:
                    return
                end += written
                yield Block(end, raw.tell(), lines)
    except DAMAGED as error:
        raise ExtractError(f"{path} cannot be read as a CSV table: {error}. Download the file again.") from None


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The file as it lies, and what it holds."""
    with path.open("rb") as raw:
        if path.suffix != ".gz":
            yield raw, raw
            return
        with GZIP_FILE(fileobj=raw) as stream:
            yield raw, stream  # type: ignore[misc]


def _fill(stream: BinaryIO, file: BinaryIO, carry: bytes, size: int) -> tuple[int, bytes, int | None]:
    """Write `size` bytes and the rest of the line; returns what was written, what was read beyond, and the lines."""
    written = lines = 0
    last, left, hides = NEWLINE, b"", False  # left: a quote that is not closed yet
    while True:
        chunk = carry or stream.read(CHUNK)
        carry = b""
        if chunk and written + len(chunk) >= size:
            cut = _line_end(chunk, len(left))
            chunk, carry = (chunk[:cut], chunk[cut:]) if cut else (chunk, b"")
        else:
            cut = 0
        file.write(chunk)
        written += len(chunk)
        ends, left, odd = _line_ends(chunk, left)
        lines, hides = lines + ends, hides or odd
        last = chunk[-1:] or last
        if cut or not chunk:
            lines += last != NEWLINE  # the file may end without ending its last line
            return written, carry, None if hides or left else lines


def _line_ends(chunk: bytes, left: bytes) -> tuple[int, bytes, bool]:
    """Line ends in `chunk`; the quote that is not closed at its end; whether a quote may hide one of them.

    left: the quote that was not closed before it. Quotes that are closed within their line hide nothing: they stand
    side by side once all else is taken out.
    """
    if not left and QUOTE not in chunk:
        return chunk.count(NEWLINE), b"", False
    marks = (left + chunk.translate(None, _OTHERS)).replace(2 * QUOTE, b"")
    ends, quotes = marks.count(NEWLINE), marks.count(QUOTE)
    left = QUOTE * (quotes % 2)
    return ends, left, marks != NEWLINE * ends + left


def _line_end(chunk: bytes, quotes: int) -> int:
    """Where the last line that ends in `chunk` ends; 0 where none does. quotes: how many stood before the chunk."""
    at = chunk.rfind(NEWLINE)
    while at >= 0 and (quotes + chunk.count(QUOTE, 0, at)) % 2:
        at = chunk.rfind(NEWLINE, 0, at)
    return at + 1
