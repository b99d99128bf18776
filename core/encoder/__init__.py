"""Representations of stays: the published attention autoencoder and a bottleneck that predicts the next state.

Names that need torch are loaded when first used, so that settings can be read without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.encoder.config import EncoderConfig

if TYPE_CHECKING:
    from core.encoder.artifacts import load_encoder, read_manifest, save_encoder
    from core.encoder.encoder import Encoder, build_encoder
    from core.encoder.stepwise import StepwiseReader
    from core.encoder.train import train_encoder

__all__ = [
    "Encoder",
    "EncoderConfig",
    "StepwiseReader",
    "build_encoder",
    "load_encoder",
    "read_manifest",
    "save_encoder",
    "train_encoder",
]

_HOMES = {
    "Encoder": "encoder",
    "StepwiseReader": "stepwise",
    "build_encoder": "encoder",
    "load_encoder": "artifacts",
    "read_manifest": "artifacts",
    "save_encoder": "artifacts",
    "train_encoder": "train",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
