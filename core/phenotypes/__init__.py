"""Groups of patients found in their representations, and how far they can be trusted."""

from core.phenotypes.config import PhenotypeConfig
from core.phenotypes.fit import fit_phenotypes
from core.phenotypes.honesty import honesty_table, mean_squared_changes, prefix_agreement, rivals_table, slopes
from core.phenotypes.phenotypes import Phenotypes
from core.phenotypes.profiles import effect_sizes, patient_means
from core.phenotypes.projection import Projection, project
from core.phenotypes.storage import load_phenotypes, save_phenotypes

__all__ = [
    "PhenotypeConfig",
    "Phenotypes",
    "Projection",
    "effect_sizes",
    "fit_phenotypes",
    "honesty_table",
    "load_phenotypes",
    "mean_squared_changes",
    "patient_means",
    "prefix_agreement",
    "project",
    "rivals_table",
    "save_phenotypes",
    "slopes",
]
