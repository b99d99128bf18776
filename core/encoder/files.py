"""Reading and writing the encoder's tensors as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from core.base.errors import ArtifactError
from core.base.files import write_atomic


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """Write named tensors as safetensors; returns the bytes written."""
    content = save({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, metadata=dict(metadata or {}))
    write_atomic(path, lambda file: file.write(content))
    return content


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Named tensors and metadata of a safetensors file; `ArtifactError` where it is missing, foreign or truncated."""
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            return {name: file.get_tensor(name) for name in names}, dict(file.metadata() or {})
    except FileNotFoundError:
        raise ArtifactError(f"{path} does not exist; train the encoder again.") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise ArtifactError(
            f"{path.name} is not a readable safetensors file ({error}); it is foreign, broken or cut short: "
            "delete it and train again."
        ) from None
