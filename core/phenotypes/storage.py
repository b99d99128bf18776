"""Phenotypes on disk: centroids in an .npz file, indices in Parquet."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from core.base.errors import ArtifactError
from core.base.files import write_atomic, write_table
from core.phenotypes.phenotypes import Phenotypes

SCHEMA_VERSION = 1
CENTROIDS, INDICES = "centroids.npz", "indices.parquet"


def save_phenotypes(phenotypes: Phenotypes, folder: str | Path) -> None:
    """Write both files into `folder`, each to a temporary name that is then renamed."""
    folder = Path(folder)
    arrays = {f"k{k}": centroids for k, centroids in phenotypes.centroids.items()}
    head = np.array([SCHEMA_VERSION, phenotypes.n_clusters])
    write_table(folder / INDICES, phenotypes.indices)
    write_atomic(folder / CENTROIDS, lambda file: np.savez(file, allow_pickle=False, head=head, **arrays))


def load_phenotypes(folder: str | Path, width: int | None = None) -> Phenotypes:
    """Read what `save_phenotypes` wrote; width H of the representations they are for (None: any).

    ArtifactError where a file is missing, broken, of another version or for another width.
    """
    folder = Path(folder)
    try:
        with np.load(folder / CENTROIDS, allow_pickle=False) as stored:
            version, n_clusters = (int(number) for number in stored["head"])
            centroids = {int(name[1:]): stored[name] for name in stored.files if name != "head"}
        indices = pd.read_parquet(folder / INDICES, page_checksum_verification=True)
    except FileNotFoundError as error:
        raise ArtifactError(f"{error.filename or folder} does not exist; fit the phenotypes again.") from None
    except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
        raise ArtifactError(f"the phenotypes in {folder} cannot be read ({error}); fit them again.") from None
    if version != SCHEMA_VERSION:
        raise ArtifactError(
            f"the phenotypes in {folder} have version {version}, expected {SCHEMA_VERSION}; fit them again."
        )
    shapes = {array.shape for array in centroids.values()}
    fitting = all(array.ndim == 2 and len(array) == k for k, array in centroids.items())
    if not fitting or len({shape[-1] for shape in shapes}) != 1 or n_clusters not in centroids:
        raise ArtifactError(f"the phenotypes in {folder} contradict themselves; fit them again.")
    if list(indices.get("n_clusters", ())) != sorted(centroids):
        raise ArtifactError(f"{INDICES} and {CENTROIDS} in {folder} are of different fits; fit the phenotypes again.")
    result = Phenotypes(centroids, indices, n_clusters)
    if width is not None and result.width != width:
        raise ArtifactError(
            f"the phenotypes in {folder} are for representations of {result.width}, not {width}, numbers."
        )
    return result
