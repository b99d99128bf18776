"""Why a cell is not a number, and what would mend that very cell."""

from __future__ import annotations

import re
from dataclasses import dataclass

NUMBER = r"[-+]?[0-9]+(?:\.[0-9]+)?"
UNKNOWN = frozenset(
    ("-", "--", "---", ".", "..", "?", "*", "unknown", "unk", "missing", "nil", "nd", "n.d.", "n/d", "n.a.", "not done")
)
YES_NO = frozenset(("yes", "y", "no", "n", "ja", "nein", "oui", "non", "on", "off", "positive", "negative", "present"))
MEN, WOMEN = frozenset(("m", "male", "man")), frozenset(("f", "w", "female", "woman"))
CODING = re.compile(r"([01])\s*=\s*(\w+)")
BEYOND = re.compile(rf"(?:([<>≤≥]=?)\s*({NUMBER})|({NUMBER})\s*(\+))")
COMMA = re.compile(r"[-+]?[0-9]*,[0-9]+")
THOUSANDS = re.compile(r"[-+]?[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?")
DATE = re.compile(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}(?:[ T].*)?|[0-9]{1,2}:[0-9]{2}(?::[0-9.]+)?")
WITH_UNIT = re.compile(rf"({NUMBER})\s*([^\W0-9].*|%|/.*)")
NOT_MEASURED = (-1, -2, -9, -99, -999, -9999, 99, 999, 9999, 99999)  # codes that files use for it
FEWEST_CODES = 3  # times that one repeats
POINT = "Write decimals with a point"
HEX = re.compile(r"0[xX][0-9a-fA-F]+")


@dataclass(frozen=True)
class Cause:
    """`kind` is equal for cells that one remedy mends."""

    kind: str
    remedy: str


def cause_of(text: str, coding: str = "") -> Cause:
    """The cause for one cell; `coding` is how a 0/1 column is coded, such as "0 = male, 1 = female"."""
    for look in (_unknown, _word, _beyond, _comma, _date, _hex, _with_unit):
        if (cause := look(text.strip(), coding)) is not None:
            return cause
    return Cause("text", "Write a plain number; leave unknown values empty.")


def _unknown(text: str, _coding: str) -> Cause | None:
    if text.casefold() not in UNKNOWN:
        return None
    return Cause("unknown", "Leave unknown values empty.")


def _word(text: str, coding: str) -> Cause | None:
    """Words of a column with two values: a sex, yes or no."""
    word = text.casefold()
    codes = {name.casefold(): code for code, name in CODING.findall(coding)}
    meant = "male" if word in MEN else "female" if word in WOMEN else word
    if meant in codes:
        shown = ", ".join(f"{code} for '{_as_written(name, text)}'" for name, code in codes.items())
        return Cause("coding", f"Write the code: {shown}.")
    if word in YES_NO:
        return Cause("coding", "Write the code: 1 for yes and 0 for no.")
    if coding or word in MEN | WOMEN:
        return Cause("coding", f"Write the code{f': {coding}' if coding else ' as a number'}.")
    return None


def _as_written(name: str, like: str) -> str:
    """A name of the coding the way the file writes such names: letters or words, upper or lower case."""
    shown = name[:1] if len(like) == 1 else name
    return shown.upper() if like.isupper() else shown


def number_for(text: str) -> str | None:
    """One number for values beyond a bound: 90 for "> 89", ">= 90" and "90+", 0.5 for "<0.5"; None for other text."""
    if not (match := BEYOND.fullmatch(text)):
        return None
    sign, bound = (match[1], match[2]) if match[1] else (">=", match[3])
    return str(int(bound) + 1) if sign == ">" and "." not in bound else bound


def _beyond(text: str, _coding: str) -> Cause | None:
    if (proposed := number_for(text)) is None:
        return None
    return Cause("bound", f"Write one number for such values, for example {proposed} for '{text}'.")


def _comma(text: str, _coding: str) -> Cause | None:
    if THOUSANDS.fullmatch(text):
        either = f", or {text.replace(',', '.')} where the comma is the decimal sign" if COMMA.fullmatch(text) else ""
        rule = "a point for decimals, no thousands separators"
        return Cause("thousands", f"Write {text.replace(',', '')}{either}: {rule}.")
    if COMMA.fullmatch(text):
        return Cause("comma", f"{POINT}: {text.replace(',', '.')} for '{text}'.")
    return None


def _date(text: str, _coding: str) -> Cause | None:
    return (
        Cause("date", "A date or time stands where a number is expected; give the right column.")
        if DATE.fullmatch(text)
        else None
    )


def _hex(text: str, _coding: str) -> Cause | None:
    return (
        Cause("hex", f"Write it in decimal digits: {int(text, 16)} for '{text}'.")
        if HEX.fullmatch(text) and len(text) < 18
        else None
    )


def _with_unit(text: str, _coding: str) -> Cause | None:
    if not (match := WITH_UNIT.fullmatch(text)):
        return None
    return Cause("unit", f"Write the number alone: {match[1]} for '{text}'; the unit is that of the study.")
