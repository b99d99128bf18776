"""Training as a generator of progress: resumable after every epoch, bit for bit.

Everything an epoch draws (order, dropout, teacher forcing, windows) comes from the stream (seed, "encoder", epoch), and
the state after an epoch is one file, so a training killed at any moment and started again ends with the same weights as
an undisturbed one on the same machine and thread count.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

from core.base.errors import RunError
from core.base.rng import torch_stream
from core.base.types import Progress
from core.encoder.artifacts import save_encoder
from core.encoder.batches import Batch, make_batch
from core.encoder.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from core.encoder.config import EncoderConfig
from core.encoder.encoder import INFERENCE_BATCH, Encoder, build_encoder
from core.encoder.layers import Noise
from core.encoder.model import SequenceModel
from core.trajectories import Trajectories

WEIGHT_DECAY = 1e-8
LARGEST_GRADIENT = 5.0


def train_encoder(
    config: EncoderConfig, train: Trajectories, valid: Trajectories, folder: str | Path
) -> Iterator[Progress]:
    """Train, yielding one `Progress` an epoch (metrics train_loss and valid_loss); the best epoch is saved in `folder`.

    AdamW (weight decay 1e-8), learning rate falling linearly to 0, gradient norm clipped at 5; the epoch with the
    lowest validation error is kept (without validation patients, the lowest training loss). A folder with a checkpoint
    of the same settings and data is resumed, its epochs yielded again at once; a finished one yields its last progress
    again and computes nothing. Raises `RunError` where there is nothing to train on or the loss is no longer finite,
    `ArtifactError` where the folder's checkpoint is broken or of another training.
    """
    folder = Path(folder)
    if train.n == 0:
        raise RunError("the encoder needs training patients; the training split is empty.")
    folder.mkdir(parents=True, exist_ok=True)
    identity = {"config": config.model_dump(mode="json"), "data": data_fingerprint(train, valid)}
    state = _start(config, train)
    load_checkpoint(folder, state, identity)
    data = make_batch(train, config.device)
    check = make_batch(valid, config.device)
    began, first = time.perf_counter(), state.epoch
    if first < config.epochs:  # an epoch may be stored, and its progress not yet told, when a training is killed
        yield from (_progress(config, state.history[:done], 0.0) for done in range(1, first + 1))
    while state.epoch < config.epochs:
        _epoch(config, state, data, check)
        save_checkpoint(folder, state, identity)
        if state.epoch < config.epochs:
            left = (time.perf_counter() - began) / (state.epoch - first) * (config.epochs - state.epoch)
            yield _progress(config, state.history, left)
    save_encoder(_best(config, state, train), folder)
    yield _progress(config, state.history, 0.0)


def data_fingerprint(train: Trajectories, valid: Trajectories) -> str:
    """16 hex digits over what training reads: states, actions and masks of both splits, in order."""
    digest = hashlib.sha256()
    for data in (train, valid):
        for array in (data.states, data.actions, data.mask):
            digest.update(str(array.shape).encode())
            digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def _start(config: EncoderConfig, train: Trajectories) -> TrainingState:
    model = build_encoder(config, train.study).model
    model.prepare(make_batch(train, config.device))
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=WEIGHT_DECAY)
    return TrainingState(model, optimizer)


def _epoch(config: EncoderConfig, state: TrainingState, train: Batch, valid: Batch) -> None:
    """One pass over the training patients, then validation; advances the state."""
    noise = Noise(torch_stream(config.seed, "encoder", state.epoch))
    order = noise.order(len(train))
    pieces = order.split(config.batch_size)
    total, done = 0.0, state.epoch * len(pieces)
    state.model.train()
    for index in pieces:
        for group in state.optimizer.param_groups:
            group["lr"] = config.lr * (1 - done / (config.epochs * len(pieces)))
        batch = train.take(index)
        loss = state.model.loss(batch, noise)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(state.model.parameters(), LARGEST_GRADIENT)
        state.optimizer.step()
        total += loss.item() * batch.n_steps
        done += 1
    train_loss = total / train.n_steps
    valid_loss = _evaluate(state.model, valid) if len(valid) else train_loss
    if not math.isfinite(train_loss) or not math.isfinite(valid_loss):
        raise RunError(
            f"the encoder's loss is no longer a number in epoch {state.epoch + 1}; "
            "choose a smaller learning rate (lr) and train again."
        )
    state.advance(train_loss, valid_loss)


def _evaluate(model: SequenceModel, data: Batch) -> float:
    """Validation error: mean over the real steps of all patients, without noise."""
    model.eval()
    total = 0.0
    with torch.inference_mode():
        for batch in data.split(INFERENCE_BATCH):
            total += model.loss(batch, None).item() * batch.n_steps
    return total / data.n_steps


def _best(config: EncoderConfig, state: TrainingState, train: Trajectories) -> Encoder:
    encoder = build_encoder(config, train.study)
    encoder.model.load_state_dict(state.best)
    return Encoder(config, train.study, encoder.model, tuple(state.history), train.scaler)


def _progress(config: EncoderConfig, history: Sequence[Mapping[str, float]], seconds_left: float) -> Progress:
    done, last = len(history), history[-1]
    losses = {"train_loss": last["train_loss"], "valid_loss": last["valid_loss"]}
    message = (
        f"epoch {done} of {config.epochs}: training loss {losses['train_loss']:.4g}, "
        f"validation {losses['valid_loss']:.4g}"
    )
    return Progress("encoder", done, config.epochs, message, losses, seconds_left)
