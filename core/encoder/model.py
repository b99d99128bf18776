"""What a sequence model must provide; everything that reads representations is written against this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn

from core.encoder.batches import Batch
from core.encoder.layers import Noise, masked_softmax, running_average

Memory = Any  # what a model keeps of the steps it has read; None before the first
Evidence = tuple[Tensor, Tensor, Memory]  # values (B, V) and scores (B,) of one step, and what to keep


class SequenceModel(nn.Module, ABC):
    """A model whose z is a softmax average of per-step values, z = head(sum_t softmax(a)_t v_t).

    Because v_t and a_t depend on the steps 0..t alone, z of every prefix of a stay costs one pass.
    """

    z_dim: int
    # True where the evidence of step t includes the action given at t, so that z of the steps 0..t cannot serve the
    # choice of that action.
    sees_current_action: ClassVar[bool] = False

    def reset_buffers(self) -> None:
        """Give constants that are not parameters their start values, as `initialize` does for parameters."""

    def prepare(self, train: Batch) -> None:
        """Fit what is not learned by gradient (input scales) on the training patients, once before training."""

    @abstractmethod
    def evidence(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Per-step values (B, T, V) and scores (B, T), each a function of the steps up to t only."""

    @abstractmethod
    def evidence_at(self, step: int, static: Tensor, temporal: Tensor, actions: Tensor, memory: Memory) -> Evidence:
        """The row `step` of `evidence`, for stays that are read step by step.

        static (B, S); temporal (B, F) of the step; actions (B, A) one-hot: those given at the step where the model sees
        them, else those of the step before (0 at the first); memory: what the step before returned.
        """

    def head(self, pooled: Tensor) -> Tensor:
        """z from the pooled values, (..., V) -> (..., z_dim)."""
        return pooled

    @abstractmethod
    def loss(self, batch: Batch, noise: Noise | None) -> Tensor:
        """Training loss with noise, validation error without (then deterministic); a scalar, mean over real steps."""

    @abstractmethod
    def reconstruct(self, batch: Batch) -> Tensor:
        """The model's own picture of each step's temporal state, (B, T, F) scaled."""

    def encode(self, batch: Batch) -> Tensor:
        """z of whole stays, (B, z_dim)."""
        values, scores = self.evidence(batch)
        weights = masked_softmax(scores, batch.mask)
        return self.head((weights[:, None, :] @ values)[:, 0])

    def encode_prefixes(self, batch: Batch) -> Tensor:
        """z of the steps 0..t for every t, (B, T, z_dim)."""
        values, scores = self.evidence(batch)
        return self.head(running_average(values, scores, batch.mask))

    def attention(self, batch: Batch) -> Tensor:
        """Weight of each step in z, (B, T); rows sum to 1 over the real steps."""
        return masked_softmax(self.evidence(batch)[1], batch.mask)


def mean_over_real(errors: Tensor, mask: Tensor) -> Tensor:
    """Mean of (B, T, F) errors over real steps and features."""
    return (errors * mask[..., None]).sum() / (mask.sum().clamp_min(1) * errors.shape[-1])
