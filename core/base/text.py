"""Text is text: the one way by which a string from data reaches Markdown, HTML, SVG, CSV or a Plotly figure.

Keys of patients, labels, units, words of outcomes, names of runs and notes come from outside. Whatever they hold, they
are shown letter by letter: no link, no image, no formula, no change of the direction of what stands around them.
"""

from __future__ import annotations

import html
import re
import unicodedata

# Bidirectional controls, which reorder what stands around them, and what ends a line.
_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_LINES = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_SEEN = str.maketrans(dict.fromkeys(_BIDI, "\ufffd") | dict.fromkeys(_LINES, " "))
_ACTIVE = re.compile(r"([\\`*_\[\]<>|$~&#!{}])|^(\s*\d*)([-+=.)])")  # the latter: what begins a list or underlines
# A renderer makes links of bare addresses, and icons of :words:, even where their signs are escaped; a joiner without
# width parts them.
_WORDS = re.compile(r"(?i)(:(?=[a-z/])|www(?=\.)|@)")
_JOINER = "\u2060"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def plain(text: object) -> str:
    """One line without control characters: those that turn the direction of text become U+FFFD, others are dropped."""
    seen = str(text).translate(_SEEN)
    return "".join(sign for sign in seen if unicodedata.category(sign) not in ("Cc", "Cs"))


def markdown(text: object) -> str:
    """For `st.markdown`, captions, labels, options and messages: nothing in it is a link, an image, mathematics, a
    color or HTML."""
    return _ACTIVE.sub(_escaped, _WORDS.sub(rf"\1{_JOINER}", plain(text)))


def _escaped(found: re.Match[str]) -> str:
    sign, before, start = found.groups()
    return f"\\{sign}" if sign else f"{before}\\{start}"


def markup(text: object) -> str:
    """For HTML and SVG, inside elements and quoted attributes, and for Plotly's texts, which read some HTML."""
    return html.escape(plain(text))


def cell(text: object) -> str:
    """For CSV: a text that a spreadsheet would run as a formula begins with an apostrophe; numbers stay as they are."""
    written = str(text)
    danger = written.lstrip(" \u00a0\ufeff").startswith(_FORMULA) and not _NUMBER.fullmatch(written)
    return f"'{written}" if danger else written
