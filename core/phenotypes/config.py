"""Settings of the phenotype stage."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from core.base.config import Config


class PhenotypeConfig(Config):
    """How patients are grouped and drawn."""

    n_clusters: int = Field(3, ge=2, le=50, description="Number of phenotypes K shown first")
    k_min: int = Field(2, ge=2, le=50, description="Smallest K that is fitted")
    k_max: int = Field(9, ge=2, le=50, description="Largest K that is fitted; fewer where there are few patients")
    seed: int = Field(42, ge=0, description="Seed of KMeans, of the bootstrap and of the map")
    n_init: int = Field(4, ge=1, le=100, description="Starts of KMeans; the best is kept")
    n_bootstrap: int = Field(10, ge=0, le=1000, description="Bootstrap samples for the stability of each K")
    bootstrap_sample: int = Field(2000, ge=10, description="Most patients in a bootstrap sample")
    silhouette_sample: int = Field(5000, ge=10, description="Most patients that the silhouette is computed on")
    early_steps: int = Field(4, ge=1, description="Steps from which early labels are compared with whole-stay labels")
    later_steps: int = Field(6, ge=1, description="The same, a little later in the stay")
    umap_neighbors: int = Field(15, ge=2, le=200, description="Neighbors in UMAP; more shows the large, less the fine")
    umap_min_dist: float = Field(0.1, ge=0, le=1, description="Least distance between points on the UMAP map")
    umap_epochs: int = Field(100, ge=10, le=2000, description="Optimization steps of UMAP")
    map_sample: int = Field(
        15_000, ge=50, description="Most patients that UMAP is fitted on; the rest are placed by them"
    )

    @model_validator(mode="after")
    def _range(self) -> Self:
        if not self.k_min <= self.n_clusters <= self.k_max:
            raise ValueError(
                f"n_clusters must lie in k_min..k_max, got {self.n_clusters} outside {self.k_min}..{self.k_max}"
            )
        return self
