"""Phenotypes and their policies by the names that the run gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.figures.theme import policy_style
from core.icu.ask.names import phenotype_texts
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView


def phenotype_texts_here(run: RunView) -> tuple[str, ...]:
    """The phenotypes in words, at the K that the visitor has chosen."""
    return phenotype_texts(run, get_session().n_clusters)


def policy_name(run: RunView, policy: str, n_clusters: int | None = None) -> str:
    """Readable name of a policy, that of a phenotype in words; n_clusters: its K (None: the one chosen)."""
    return policy_style(policy, phenotype_texts(run, n_clusters or get_session().n_clusters)).name
