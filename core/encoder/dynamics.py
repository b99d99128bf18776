"""The standard encoder: z is what one must know of a patient to predict how the next state is distributed.

With s_t the normal scores of the temporal state and u_t = (s_t - s_{t-1}) / sd its standardized change:

Evidence   v_t = MLP([s_t, u_t, u_t^2, one-hot a_{t-1}, has_previous]), a function of two neighboring steps;
           pooled = sum_t softmax(score . v)_t v_t;  q(z | steps) = N(mean(pooled), variance(pooled)).
Prediction u_{t+1} ~ N(m, v), [m, log v] = MLP([z, s_t, one-hot a_t, static, time_t]).
Loss       -log p(u_{t+1}), averaged over transitions and columns, + kl_weight * KL(q || N(0, I)) in the same unit,
           z being drawn from q given a random window of the stay, and predicting all of its transitions.

Why z is not a clock: it is the only way from the window to the prediction (no attention past it); the predictor is
told the time, so z gains nothing by carrying it; evidence sees two steps and no time, so it cannot count; pooling is an
average; and any window of a stay, long or short, early or late, must yield a z that predicts the same transitions. The
last point also makes z readable from prefixes. The predicted variance makes z hold how restless a patient is, beside
drift and response to the drug.
At kl_weight 1 a long training on many patients adds further axes to z, and simulated phenotypes are no longer what its
clusters follow; at 5 only what predicts most stays. Limit: a slow drift that leaves the step-to-step fluctuation
unchanged is hardly seen.
Ideas: conditional neural processes (Garnelo et al. 2018), variational bottleneck (Kingma and Welling 2014).
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from core.encoder.batches import Batch
from core.encoder.config import EncoderConfig
from core.encoder.layers import Noise, dropout, masked_softmax, time_embedding
from core.encoder.model import SequenceModel
from core.encoder.normal_scores import NormalScores
from core.study import StudySpec

PREPARE_BATCH = 4096
SMALLEST_SCALE = 1e-3  # of a column that never changes
LARGEST_CHANGE = 5.0  # standardized changes are clipped here
LOG_VARIANCE_BOUND = 3.0  # of a predicted change: keeps a constant column from swallowing the loss


class Dynamics(SequenceModel):
    """Variational bottleneck that predicts the distribution of the next state; z has latent_dim numbers."""

    change_scale: Tensor

    def __init__(self, config: EncoderConfig, study: StudySpec) -> None:
        super().__init__()
        hidden, features, actions = config.hidden_size, study.n_temporal, study.n_actions
        self.config, self.horizon, self.z_dim = config, study.horizon, config.latent_dim
        self.scores = NormalScores(features)
        self.register_buffer("change_scale", torch.ones(features))
        self.reader = _perceptron(3 * features + actions + 1, hidden, config.embedding_dim, config.num_layers)
        self.score = nn.Linear(config.embedding_dim, 1)
        self.posterior = nn.Linear(config.embedding_dim, 2 * config.latent_dim)
        known = config.latent_dim + features + actions + study.n_static + 2 * config.d
        self.predictor = _perceptron(known, hidden, 2 * features, config.num_layers)

    def reset_buffers(self) -> None:
        self.scores.reset()
        self.change_scale.fill_(1)

    def prepare(self, train: Batch) -> None:
        """Fit normal scores and the scale of their changes on the training patients."""
        self.scores.fit(train.temporal[train.mask])
        parts = []
        for batch in train.split(PREPARE_BATCH):
            scores = self.scores(batch.temporal)
            parts.append((scores[:, 1:] - scores[:, :-1])[batch.mask[:, 1:]])
        changes = torch.cat(parts)
        if len(changes) > 1:
            self.change_scale = changes.std(dim=0).clamp_min(SMALLEST_SCALE)

    def evidence(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return self._evidence(batch, *self._states(batch), noise=None)

    def head(self, pooled: Tensor) -> Tensor:
        return self.posterior(pooled)[..., : self.z_dim]

    def loss(self, batch: Batch, noise: Noise | None) -> Tensor:
        scores, changes = self._states(batch)
        values, weights = self._evidence(batch, scores, changes, noise)
        window = _random_windows(batch, noise) if noise is not None else _first_halves(batch)
        pooled = (masked_softmax(weights, window)[:, None, :] @ values)[:, 0]
        mean, log_variance = self.posterior(pooled).chunk(2, dim=-1)
        log_variance = _bounded(log_variance)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        z = mean if noise is None else mean + (log_variance / 2).exp() * noise.normal(mean)
        predicted, spread = self._predict(batch, z, scores)
        surprise = 0.5 * ((changes[:, 1:] - predicted).square() * (-spread).exp() + spread)
        real = batch.mask[:, 1:] & batch.mask[:, :-1]
        total = (surprise * real[..., None]).sum() + self.config.kl_weight * divergence
        return total / (real.sum().clamp_min(1) * surprise.shape[-1])

    def reconstruct(self, batch: Batch) -> Tensor:
        """Expected state of each step given z and the step before; step 0 is the recorded one."""
        scores, _ = self._states(batch)
        predicted, _ = self._predict(batch, self.encode(batch), scores)
        expected = self.scores.inverse(scores[:, :-1] + predicted * self.change_scale)
        return torch.cat([batch.temporal[:, :1], expected], dim=1)

    def _states(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Normal scores s and standardized changes u (0 at the first step), both (B, T, F) and 0 on padding."""
        scores = self.scores(batch.temporal) * batch.mask[..., None]
        changes = torch.zeros_like(scores)
        moved = (scores[:, 1:] - scores[:, :-1]) / self.change_scale
        changes[:, 1:] = moved.clamp(-LARGEST_CHANGE, LARGEST_CHANGE) * batch.mask[:, 1:, None]
        return scores, changes

    def _evidence(self, batch: Batch, scores: Tensor, changes: Tensor, noise: Noise | None) -> tuple[Tensor, Tensor]:
        state = torch.cat([scores, changes, changes.square()], dim=-1)
        before = torch.zeros_like(batch.actions)
        before[:, 1:] = batch.actions[:, :-1]
        has_previous = torch.ones_like(state[..., :1])
        has_previous[:, 0] = 0
        state = dropout(state, self.config.dropout_rate, noise)
        values = self.reader(torch.cat([state, before, has_previous], dim=-1))
        return values, self.score(values)[..., 0]

    def _predict(self, batch: Batch, z: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the standardized change from step t to t + 1, each (B, T - 1, F)."""
        steps = self.horizon - 1
        stay = torch.cat([z, batch.static], dim=-1)[:, None].expand(-1, steps, -1)
        known = [stay, scores[:, :-1], batch.actions[:, :-1], self._time(batch)[:, :-1]]
        mean, log_variance = self.predictor(torch.cat(known, dim=-1)).chunk(2, dim=-1)
        return mean, _bounded(log_variance)

    def _time(self, batch: Batch) -> Tensor:
        return time_embedding(self.horizon, self.config.d, batch.temporal.device).expand(len(batch), -1, -1)


def _bounded(log_variance: Tensor) -> Tensor:
    return LOG_VARIANCE_BOUND * (log_variance / LOG_VARIANCE_BOUND).tanh()


def _random_windows(batch: Batch, noise: Noise) -> Tensor:
    """(B, T) True on one run of steps in each stay: its length is uniform in 2..L, its start uniform where it fits."""
    chance = noise.uniform(2, len(batch))
    length = torch.minimum(2 + (chance[0] * (batch.lengths - 1)).long(), batch.lengths)
    start = (chance[1] * (batch.lengths - length + 1)).long()
    steps = torch.arange(batch.mask.shape[1])
    window = (steps >= start[:, None]) & (steps < (start + length)[:, None])
    return window.to(batch.mask.device)


def _first_halves(batch: Batch) -> Tensor:
    """(B, T) True on the first half of each stay (at least two steps): the window of validation."""
    length = torch.minimum(((batch.lengths + 1) // 2).clamp_min(2), batch.lengths)
    return (torch.arange(batch.mask.shape[1]) < length[:, None]).to(batch.mask.device)


def _perceptron(inputs: int, hidden: int, outputs: int, depth: int) -> nn.Sequential:
    """Linear and SiLU layers: `depth` hidden ones, then a linear output."""
    sizes = [inputs] + [hidden] * depth
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))
