"""What a finished run of any study is in a researcher's hands: a folder, its view, and policies added and taken out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from core.api.figures import Figures
from core.bring import Card, Evidence, add_policy, added_cards, open_again, remove_policy
from core.icu.view import RunView
from core.registry.view import RegistryView

View = TypeVar("View", RunView, RegistryView)


class KeptRun(ABC, Generic[View]):
    """One finished run. `view` is the folder's reader, for what is not offered here."""

    view: View

    def __init__(self, view: View) -> None:
        self.view = view

    @property
    def folder(self) -> Path:
        return self.view.path

    @property
    def name(self) -> str:
        return self.view.manifest.name

    def add_policy(self, name: str, source: Any) -> Evidence:
        """Judge a policy of your own on the run's test patients, and keep it beside the run's.

        source: of an ICU run probabilities (one row a row of `states`), a function of the physical states, a model, or
        a file, see `core.bring.bring`; of a registry run a table or file, answers by decision, or a function of a
        decision and its states, see `core.bring.bring_sets`. From then on it is one of the run's policies: in
        `values()`, `policy(name)`, the figures, the app and the report. One that you added before under that name is
        replaced.
        """
        evidence = add_policy(self.view, name, source, replace=True)
        self._look_again()
        return evidence

    def remove_policy(self, name: str) -> None:
        """Take a policy that was added out of the run; `ConfigError` where there is none of that name."""
        remove_policy(self.folder, name)
        self._look_again()

    def _look_again(self) -> None:
        self.view = open_again(self.view)
        self.__dict__.pop("figures", None)

    def save_report(self, path: str | Path) -> Path:
        """Write the run's report as one HTML file that works without a network; returns its path."""
        from core.report import write_report  # what draws it takes a second to read

        return write_report(self.folder, path)

    def save_model_card(self, path: str | Path) -> list[Path]:
        """Write the run's model card, PATH.html, with .json and a Croissant description (.croissant.json) beside it;
        returns the three. `ConfigError` for a name that does not end in .html."""
        from core.report.card import write_model_card

        return write_model_card(self.folder, path)

    @property
    def added(self) -> dict[str, Card]:
        """Evidence cards of the policies that were added, by name."""
        return added_cards(self.view)

    @cached_property
    def figures(self) -> Figures:
        """Figures of the run by name, as `run.figures.differences`; `dir(run.figures)` lists them."""
        return self._figures()

    @abstractmethod
    def _figures(self) -> Figures: ...
