"""Settings of the encoder stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.base.config import Config


class EncoderConfig(Config):
    """Which representation is learned and how it is trained."""

    model_name: Literal["seq2seq", "dynamics"] = Field(
        "seq2seq",
        description="seq2seq: the published attention autoencoder; dynamics: a bottleneck that predicts next state "
        "and drift",
    )
    epochs: int = Field(50, ge=1, le=10_000, description="passes over the training patients")
    d: int = Field(5, ge=1, le=256, description="frequencies of the time embedding (2d numbers)")
    embedding_dim: int = Field(
        32,
        ge=1,
        le=4096,
        description="size of the static and of the temporal embedding (seq2seq); of a step's evidence (dynamics)",
    )
    hidden_size: int = Field(128, ge=1, le=4096, description="size of the hidden layers; of z too in seq2seq")
    latent_dim: int = Field(
        32, ge=1, le=4096, description="size of z in the dynamics model; the published one ignores it"
    )
    num_layers: int = Field(1, ge=1, le=8, description="LSTM layers (seq2seq) or hidden layers (dynamics)")
    dropout_rate: float = Field(0.3, ge=0, lt=1, description="share of state inputs dropped while training")
    batch_size: int = Field(32, ge=1, le=100_000, description="patients in one update")
    lr: float = Field(5e-5, gt=0, le=1, description="first learning rate of AdamW; it falls linearly to 0")
    teacher_forcing_ratio: float = Field(
        0.5, ge=0, le=1, description="chance that the seq2seq decoder sees the true previous state while training"
    )
    kl_weight: float = Field(
        5.0, ge=0, le=1000, description="how strongly z is kept from holding more than it needs; dynamics only"
    )
    drift_weight: float = Field(
        0.5, ge=0, le=1000, description="how much where a stay drifts counts beside its next states; dynamics only"
    )
    seed: int = Field(0, ge=0, description="seed of initial weights, batch order, dropout and teacher forcing")
    device: Literal["cpu", "cuda", "mps"] = Field("cpu", description="where the tensors live")
