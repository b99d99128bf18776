"""A hazard of a study as its TOML file tells it: a state, a fall under the drug, or the 4Ts of heparin.

What each kind means on recorded stays stands in `core.policies.rules`.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from core.base.config import Config

Operator = Literal["<", "<=", ">", ">="]
Kind = Literal["threshold", "fall", "hit"]
# Keys of each kind: needed, and allowed besides those that every kind has.
NEEDED: dict[str, tuple[str, ...]] = {
    "threshold": ("operator", "threshold"),
    "fall": ("percent", "hours"),
    "hit": (),
}
ALLOWED: dict[str, tuple[str, ...]] = {
    "threshold": ("or_when",),
    "fall": (),
    "hit": ("exposure", "thrombosis", "other_cause", "cause"),
}
OF_ALL = ("kind", "name", "column", "from_action")


class Condition(Config):
    """`column operator threshold`."""

    column: str = Field(description="The column that decides")
    operator: Operator = Field(description="How the column is compared")
    threshold: float = Field(description="With what, in the column's unit")


class Hazard(Config):
    """A state in which the drug is hazardous.

    kind threshold: while `column operator threshold` holds, or any condition of `or_when`; fall: while the column has
    fallen by `percent` from its highest of the last `hours`, with the drug in between; hit: while heparin-induced
    thrombocytopenia cannot be called unlikely by the 4Ts, the column being the platelet count.
    """

    kind: Kind = Field("threshold", description="threshold: a state; fall: under the drug; hit: the 4Ts of heparin")
    name: str = Field("", max_length=60, description="Its name on pages; empty: what it says")
    column: str = Field(description="The column that decides; of kind hit the platelet count in 10^9/L")
    operator: Operator | None = Field(None, description="Of a threshold: how the column is compared")
    threshold: float | None = Field(None, description="Of a threshold: with what, in the column's unit")
    or_when: tuple[Condition, ...] = Field((), description="Of a threshold: further conditions, any of which is enough")
    percent: float | None = Field(None, gt=0, lt=100, description="Of a fall: by how much of the highest value")
    hours: float | None = Field(None, gt=0, description="Of a fall: how far back the highest value may lie")
    exposure: str = Field("", description="Of hit: 0/1 column, heparin within 30 days before the stay; empty: unknown")
    thrombosis: str = Field("", description="Of hit: 0/1 column, new confirmed thrombosis; empty: unknown")
    other_cause: Literal["unknown", "none", "possible", "definite"] = Field(
        "unknown", description="Of hit: whether these patients have another cause of low platelets"
    )
    cause: str = Field("", description="Of hit: that other cause, in a word")
    from_action: int = Field(1, ge=1, description="Lowest dose bin that is hazardous then")

    @model_validator(mode="after")
    def _keys_of_its_kind(self) -> Self:
        missing = [key for key in NEEDED[self.kind] if getattr(self, key) is None]
        if missing:
            raise ValueError(f"a hazard of kind '{self.kind}' on '{self.column}' needs {' and '.join(missing)}; add it")
        known = (*OF_ALL, *NEEDED[self.kind], *ALLOWED[self.kind])
        strange = [
            key for key, field in type(self).model_fields.items()
            if key not in known and getattr(self, key) != field.default
        ]  # fmt: skip
        if strange:
            raise ValueError(f"a hazard of kind '{self.kind}' has no key {' or '.join(strange)}; remove it")
        if self.cause and self.other_cause not in ("possible", "definite"):
            raise ValueError("a hazard names a cause: say with other_cause whether it is possible or definite")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that it looks at."""
        others = (*(condition.column for condition in self.or_when), self.exposure, self.thrombosis)
        return (self.column, *(name for name in others if name))
