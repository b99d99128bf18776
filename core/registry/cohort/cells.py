"""From cells of any type to categories and drugs; what cannot be read is flagged, never raised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from core.registry.cohort.drug_names import DrugReader, Words
from core.registry.spec import Decision, Feature
from core.tables.recode import plain_codes
from core.tables.values import MISSING_TEXT, Cells, read_cells, texts_of

YES_NO = ("no", "yes")


@dataclass(frozen=True, eq=False)
class Drugs:
    """Drugs of one decision: given (rows, n_drugs) uint8; missing: (rows,) cells without a value; unknown: {row: first
    name that is no drug of the decision}; usual: {text: (drugs, rows)} read by a usual name or separator."""

    given: np.ndarray
    missing: np.ndarray
    unknown: Mapping[int, str]
    usual: Mapping[str, tuple[str, int]] = field(default_factory=dict)


def read_categories(series: pd.Series, feature: Feature) -> Cells:
    """Codes of a category column: the position in `feature.categories`; letter case does not matter, and 0 and 1 (or
    false and true) stand for no and yes."""
    series = series.reset_index(drop=True)
    if isinstance(series.dtype, pd.StringDtype):  # a column repeats a handful of texts
        which, texts = pd.factorize(series, use_na_sentinel=False)
        read = _read_categories(pd.Series(texts), feature)
        return Cells(series, read.values[which], read.missing[which], read.unreadable[which])
    return _read_categories(series, feature)


def _read_categories(series: pd.Series, feature: Feature) -> Cells:
    """`read_categories`, cell by cell."""
    if feature.categories == YES_NO:
        numbers = read_cells(series)
        if not numbers.unreadable.any():
            wrong = ~numbers.missing & ~np.isin(numbers.values, (0, 1))
            return Cells(series, np.where(wrong, np.nan, numbers.values), numbers.missing, wrong)
    codes = {category.casefold(): float(i) for i, category in enumerate(feature.categories)}
    if feature.categories == YES_NO:
        codes |= {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0}
    which, texts = pd.factorize(texts_of(series))
    missing = np.array([text.casefold() in MISSING_TEXT for text in texts], dtype=bool)[which]
    values = np.array([codes.get(text.casefold(), np.nan) for text in texts], dtype=np.float64)[which]
    return Cells(series, values, missing, np.isnan(values) & ~missing)


def read_drug_text(series: pd.Series, decision: Decision, separator: str, words: Words) -> Drugs:
    """Drugs of one text column, "tacrolimus + MMF"; an empty cell is no drug, letter case does not matter.

    What a text may be beside the registry's own names: see `core.registry.cohort.drug_names`.
    """
    reader, position = DrugReader(decision, separator, words), {drug: j for j, drug in enumerate(decision.drugs)}
    code, texts = pd.factorize(plain_codes(series))
    of_text = np.zeros((len(texts), len(decision.drugs)), dtype=np.uint8)
    unknown: dict[int, str] = {}
    usual: dict[str, tuple[str, int]] = {}
    for i, text in enumerate(map(str, texts)):
        found = reader.read(text)
        of_text[i, [position[drug] for drug in found.drugs]] = 1
        rows = np.flatnonzero(code == i)
        if found.unknown:
            unknown |= dict.fromkeys(rows.tolist(), found.unknown[0][:60])
        elif found.usual:
            usual[text[:60]] = f" {separator} ".join(found.drugs), len(rows)
    return Drugs(of_text[code], np.zeros(len(series), dtype=bool), unknown, usual)
