"""Trajectories as tensors on a device, and minibatches of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.base.errors import ArtifactError
from core.study import StudySpec
from core.trajectories import Trajectories


@dataclass(frozen=True, eq=False)
class Batch:
    """B stays: static (B, S), temporal (B, T, F), actions one-hot (B, T, A), mask (B, T), lengths (B,) on the CPU.

    Padding is 0 whatever the trajectories held there, so no model can read it.
    """

    static: Tensor
    temporal: Tensor
    actions: Tensor
    mask: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.static)

    @property
    def n_steps(self) -> int:
        """Real steps in the batch."""
        return int(self.lengths.sum())

    def take(self, index: Tensor) -> Batch:
        """The stays at these positions (CPU indices)."""
        there = index.to(self.static.device)
        return Batch(
            self.static[there], self.temporal[there], self.actions[there], self.mask[there], self.lengths[index]
        )

    def split(self, size: int) -> Iterator[Batch]:
        """Consecutive batches of at most `size` stays, in order."""
        for start in range(0, len(self), size):
            yield self.take(torch.arange(start, min(start + size, len(self))))


def make_batch(trajectories: Trajectories, device: str = "cpu") -> Batch:
    """All stays of the trajectories as one batch on the device."""
    study, mask = trajectories.study, trajectories.mask
    temporal = np.where(mask[..., None], trajectories.temporal, 0).astype(np.float32)
    actions = (trajectories.actions[..., None] == np.arange(study.n_actions)) & mask[..., None]
    return Batch(
        static=torch.as_tensor(np.ascontiguousarray(trajectories.static, dtype=np.float32), device=device),
        temporal=torch.as_tensor(temporal, device=device),
        actions=torch.as_tensor(actions.astype(np.float32), device=device),
        mask=torch.as_tensor(mask, device=device),
        lengths=torch.as_tensor(mask.sum(axis=1), dtype=torch.int64),
    )


def check_same_study(trajectories: Trajectories, study: StudySpec) -> None:
    """`ArtifactError` where the trajectories' columns, actions or horizon are not those the encoder was built for."""
    given = trajectories.study
    for what, theirs, ours in (
        ("columns", given.names, study.names),
        ("number of actions", given.n_actions, study.n_actions),
        ("horizon", given.horizon, study.horizon),
    ):
        if theirs != ours:
            raise ArtifactError(
                f"this encoder is for study {study.name}, the trajectories are of {given.name}: their {what} differ; "
                "use an encoder trained for that study."
            )
