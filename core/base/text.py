"""Text is text: the one way by which a string from data reaches Markdown, HTML, SVG, CSV or a Plotly figure.

Keys of patients, labels, units, words of outcomes, names of runs and notes come from outside. Whatever they hold, they
are shown letter by letter: no link, no image, no formula, no change of the direction of what stands around them.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping

# Bidirectional controls, which reorder what stands around them, and what ends a line.
_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_LINES = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_SEEN = str.maketrans(dict.fromkeys(_BIDI, "\ufffd") | dict.fromkeys(_LINES, " "))
# What Markdown reads, an underscore inside a word apart; at the beginning also what makes a list or underlines.
_ACTIVE = re.compile(r"([\\`*\[\]<>|$~&#!{}]|(?<!\w)_|_(?!\w))|^(\s*\d*)([-+=.)])")
# A renderer makes links of bare addresses, and icons of :words:, even where their signs are escaped; a joiner without
# width parts them.
_WORDS = re.compile(r"(?i)(:(?=[a-z/])|www(?=\.)|@)")
_JOINER = "\u2060"
_BLANK = " \u00a0\ufeff\u200b"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
_MARKUP = re.compile(r"(?i)<[a-z/!?]|\]\(|\]:|!\[|://|javascript:|data:|&#?\w+;|:[a-z]+\[|\bwww\.|`")


def plain(text: object) -> str:
    """One line without control characters: those that turn the direction of text become U+FFFD, others are dropped."""
    if isinstance(text, str) and text.isascii() and text.isprintable():
        return text
    seen = str(text).translate(_SEEN)
    return "".join(sign for sign in seen if unicodedata.category(sign) not in ("Cc", "Cs"))


def markdown(text: object) -> str:
    """For `st.markdown`, captions, labels, options and messages: nothing in it is a link, an image, mathematics, a
    color or HTML."""
    return _ACTIVE.sub(_escaped, _WORDS.sub(rf"\1{_JOINER}", plain(text)))


def markdown_lines(text: object) -> str:
    """`markdown` of every line of a message, each on a line of its own."""
    return "  \n".join(markdown(line) for line in str(text).splitlines())


def _escaped(found: re.Match[str]) -> str:
    sign, before, start = found.groups()
    return f"\\{sign}" if sign else f"{before}\\{start}"


def markup(text: object) -> str:
    """For HTML and SVG, inside elements and quoted attributes, and for Plotly's texts, which read some HTML."""
    return html.escape(plain(text))


def cell(text: str) -> str:
    """For CSV: a text that a spreadsheet would run as a formula begins with an apostrophe."""
    return f"'{text}" if text.lstrip(_BLANK).startswith(_FORMULA) else text


def is_plain(text: str) -> bool:
    """True for a text of a definition, as a label or a unit, that no renderer could take for more than text."""
    return plain(text) == text and _MARKUP.search(text) is None


def check_plain(values: object, where: str = "") -> None:
    """Refuse a definition, as read from a file, in which any text is more than text; `ValueError` says which."""
    if isinstance(values, str):
        if not is_plain(values):
            raise ValueError(f"{where or 'a text'} holds markup, an address or control signs; write it as plain text")
    elif isinstance(values, Mapping):
        for name, value in values.items():
            check_plain(str(name), "a name")
            check_plain(value, f"{where}.{name}".lstrip("."))
    elif isinstance(values, (list, tuple)):
        for place, value in enumerate(values):
            check_plain(value, f"{where}[{place}]")


def plain_name(name: str) -> str:
    """A name by which two that a reader would confuse are equal: small letters and digits alone."""
    return "".join(letter for letter in name.lower() if letter.isalnum())
