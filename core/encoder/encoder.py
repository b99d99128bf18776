"""A trained encoder as the other stages see it: numpy in, numpy out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from core.base.errors import ConfigError
from core.encoder.batches import Batch, check_same_study, make_batch
from core.encoder.config import EncoderConfig
from core.encoder.dynamics import Dynamics
from core.encoder.layers import initialize
from core.encoder.model import SequenceModel
from core.encoder.seq2seq import Seq2Seq
from core.study import StudySpec
from core.trajectories import Scaler, Trajectories

INFERENCE_BATCH = 1024
MODELS: dict[str, type[Seq2Seq] | type[Dynamics]] = {"seq2seq": Seq2Seq, "dynamics": Dynamics}


@dataclass(frozen=True, eq=False)
class Encoder:
    """Representations of stays. Always in evaluation mode: no dropout, no gradient, batched.

    `history` holds one mapping an epoch (epoch, train_loss, valid_loss); it is empty before training.
    `scaler` is the scaling its inputs must have: that of the stays it was trained on.
    """

    config: EncoderConfig
    study: StudySpec
    model: SequenceModel
    history: tuple[Mapping[str, float], ...] = field(default=())
    scaler: Scaler | None = None

    @property
    def z_dim(self) -> int:
        """H, the size of z."""
        return self.model.z_dim

    @property
    def sees_current_action(self) -> bool:
        """True where z of the steps 0..t has read the action given at t; decisions at t must then use z of 0..t-1."""
        return self.model.sees_current_action

    def encode(self, trajectories: Trajectories) -> np.ndarray:
        """(N, H) float32, z of each whole stay (retrospective)."""
        return self._infer(self.model.encode, trajectories, (self.z_dim,))

    def encode_prefixes(self, trajectories: Trajectories) -> np.ndarray:
        """(N, T, H) float32, z of the steps 0..t (prospective); padding rows repeat the last real one."""
        return self._infer(self.model.encode_prefixes, trajectories, (self.study.horizon, self.z_dim))

    def reconstruct(self, trajectories: Trajectories) -> np.ndarray:
        """(N, T, D - S) float32, scaled temporal states as the model sees them; padding is 0."""
        shape = (self.study.horizon, self.study.n_temporal)
        return np.asarray(self._infer(self.model.reconstruct, trajectories, shape) * trajectories.mask[..., None])

    def attention(self, trajectories: Trajectories) -> np.ndarray:
        """(N, T) float32, weight of each step in z; rows sum to 1 over the real steps."""
        return self._infer(self.model.attention, trajectories, (self.study.horizon,))

    def _infer(self, function: Callable[[Batch], Tensor], data: Trajectories, shape: tuple[int, ...]) -> np.ndarray:
        check_same_study(data, self.study)
        result = np.empty((data.n, *shape), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, data.n, INFERENCE_BATCH):
                rows = np.arange(start, min(start + INFERENCE_BATCH, data.n))
                result[rows] = function(make_batch(data.subset(rows), self.config.device)).cpu().numpy()
        return result


def build_encoder(config: EncoderConfig, study: StudySpec) -> Encoder:
    """An untrained encoder; its weights depend on config.seed alone, never on the global generator."""
    _check_device(config.device)
    with torch.device("meta"):  # allocates nothing and draws nothing
        model = MODELS[config.model_name](config, study)
    model.to_empty(device="cpu")
    initialize(model, config.seed)
    model.reset_buffers()
    return Encoder(config, study, model.to(config.device).eval())


def _check_device(device: str) -> None:
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available[device]:
        usable = ", ".join(name for name, there in available.items() if there)
        raise ConfigError(f"encoder: device '{device}' is not available here; choose one of: {usable}.")
