"""The standard encoder: z is what one must know of a patient to predict how the next state is distributed, and where
the stay drifts.

With s_t the normal scores of the temporal state, u_t = (s_t - s_{t-1}) / sd its standardized change, tau_t the time
(mean 0 and variance 1 over a stay of full length) and r_t = (s_t - mean course of the training patients at t) / sd:

Evidence   v_t = MLP([s_t, u_t, u_t^2, one-hot a_{t-1}, has_previous]), a function of two neighboring steps. Under the
           weights w_t = softmax(score . v)_t: pooled = E[v]; slope = cov(tau, r) / (var(tau) + RIDGE), a column each.
           q(z | steps) = N(mean, variance), both linear in [pooled, slope, E[tau] slope]: early slopes mean something
           else than late ones.
Next state u_{t+1} ~ N(m, v), [m, log v] = MLP([z, s_t, one-hot a_t, static, time_t]).
Drift      r_t - mean r ~ N(W z (tau_t - mean tau), 1), means over the stay: a straight line about the stay's own level.
Loss       -log p(next states) - drift_weight * log p(drift), averaged over transitions and columns, + kl_weight *
           KL(q || N(0, I)) in the same unit, z being drawn from q given a random window of the stay, and predicting all
           of that stay.

Why z is not a clock: it is the only way from the window to the prediction (no attention past it); the predictor is
told the time, so z gains nothing by carrying it; evidence sees two steps, and time as a slope alone, so it cannot
count; pooling is an average; and any window of a stay, long or short, early or late, must yield a z that predicts the
same stay. The last point also makes z readable from prefixes. Why z is not a level either: the predictor is told the
state, and the drift is about the stay's own mean.
The predicted variance makes z hold how restless a patient is; the drift makes it hold where the patient is heading,
which next states tell only faintly. A head that may bend the course (an MLP of z and time) finds one axis where a
straight line finds two. At kl_weight 1 a long training on many patients adds further axes to z, and simulated
phenotypes are no longer what its clusters follow; at 5 only what predicts most stays.
Limit: a drift takes time to show, so the first steps tell restless patients apart, but not yet drifting ones.
Ideas: conditional neural processes (Garnelo et al. 2018), variational bottleneck (Kingma and Welling 2014).
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from core.encoder.batches import Batch
from core.encoder.config import EncoderConfig
from core.encoder.layers import Noise, dropout, masked_softmax, time_embedding
from core.encoder.model import Evidence, Memory, SequenceModel
from core.encoder.normal_scores import NormalScores
from core.study import StudySpec

PREPARE_BATCH = 4096
SMALLEST_SCALE = 1e-3  # of a column that never changes
LARGEST_CHANGE = 5.0  # standardized changes are clipped here
RIDGE = 0.1  # draws slopes over few steps to 0, in the variance of time over a stay of full length
LOG_VARIANCE_BOUND = 3.0  # of a predicted change: keeps a constant column from swallowing the loss


class Dynamics(SequenceModel):
    """Variational bottleneck that predicts the next state's distribution and the drift; z has latent_dim numbers."""

    change_scale: Tensor  # (F,) sd of the changes of s
    mean_course: Tensor  # (T, F) mean of s about each stay's own level
    course_scale: Tensor  # (F,) sd of s about level and mean course

    def __init__(self, config: EncoderConfig, study: StudySpec) -> None:
        super().__init__()
        hidden, features, actions = config.hidden_size, study.n_temporal, study.n_actions
        self.config, self.horizon, self.z_dim = config, study.horizon, config.latent_dim
        self.scores = NormalScores(features)
        self.register_buffer("change_scale", torch.ones(features))
        self.register_buffer("mean_course", torch.zeros(study.horizon, features))
        self.register_buffer("course_scale", torch.ones(features))
        self.reader = _perceptron(3 * features + actions + 1, hidden, config.embedding_dim, config.num_layers)
        self.score = nn.Linear(config.embedding_dim, 1)
        self.posterior = nn.Linear(config.embedding_dim + 2 * features, 2 * config.latent_dim)
        known = config.latent_dim + features + actions + study.n_static + 2 * config.d
        self.predictor = _perceptron(known, hidden, 2 * features, config.num_layers)
        self.drift = nn.Linear(config.latent_dim, features)

    def reset_buffers(self) -> None:
        self.scores.reset()
        self.change_scale.fill_(1)
        self.mean_course.zero_()
        self.course_scale.fill_(1)

    def prepare(self, train: Batch) -> None:
        """Fit normal scores, the scale of their changes, mean course and spread about it on the training patients."""
        self.scores.fit(train.temporal[train.mask])
        scores = torch.cat([self.scores(batch.temporal) for batch in train.split(PREPARE_BATCH)])
        changes = (scores[:, 1:] - scores[:, :-1])[train.mask[:, 1:]]
        if len(changes) > 1:
            self.change_scale = changes.std(dim=0).clamp_min(SMALLEST_SCALE)
        courses = _centered(scores, train.mask)
        self.mean_course = courses.sum(dim=0) / train.mask.sum(dim=0).clamp_min(1)[:, None]
        self.course_scale = (courses - self.mean_course)[train.mask].std(dim=0).nan_to_num(1).clamp_min(SMALLEST_SCALE)

    def evidence(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return self._evidence(batch, *self._states(batch), noise=None)

    def head(self, pooled: Tensor) -> Tensor:
        return self._posterior(pooled)[0]

    def loss(self, batch: Batch, noise: Noise | None) -> Tensor:
        scores, changes = self._states(batch)
        values, weights = self._evidence(batch, scores, changes, noise)
        window = _random_windows(batch, noise) if noise is not None else _first_halves(batch)
        pooled = (masked_softmax(weights, window)[:, None, :] @ values)[:, 0]
        mean, log_variance = self._posterior(pooled)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        z = mean if noise is None else mean + (log_variance / 2).exp() * noise.normal(mean)
        predicted, spread = self._predict(batch, z, scores)
        surprise = 0.5 * ((changes[:, 1:] - predicted).square() * (-spread).exp() + spread)
        real = batch.mask[:, 1:] & batch.mask[:, :-1]
        total = (surprise * real[..., None]).sum() + self.config.kl_weight * divergence
        total = total + self.config.drift_weight * self._drift_surprise(batch, z, scores)
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
        changes[:, 1:] = self._changes(scores[:, :-1], scores[:, 1:]) * batch.mask[:, 1:, None]
        return scores, changes

    def _changes(self, before: Tensor, after: Tensor) -> Tensor:
        return ((after - before) / self.change_scale).clamp(-LARGEST_CHANGE, LARGEST_CHANGE)

    def evidence_at(self, step: int, static: Tensor, temporal: Tensor, actions: Tensor, memory: Memory) -> Evidence:
        scores = self.scores(temporal)[:, None]
        changes = torch.zeros_like(scores) if memory is None else self._changes(memory, scores)
        tau = self._clock(temporal.device)[step].expand(len(scores), 1, 1)
        has_previous = torch.full_like(tau, float(memory is not None))
        course = (scores - self.mean_course[step]) / self.course_scale
        values, weights = self._read(scores, changes, actions[:, None], has_previous, tau, course, None)
        return values[:, 0], weights[:, 0], scores

    def _evidence(self, batch: Batch, scores: Tensor, changes: Tensor, noise: Noise | None) -> tuple[Tensor, Tensor]:
        before = torch.zeros_like(batch.actions)
        before[:, 1:] = batch.actions[:, :-1]
        has_previous = torch.ones_like(scores[..., :1])
        has_previous[:, 0] = 0
        tau = self._clock(scores.device)[..., None].expand(len(batch), -1, 1)
        return self._read(scores, changes, before, has_previous, tau, self._course(scores), noise)

    def _read(
        self,
        scores: Tensor,
        changes: Tensor,
        before: Tensor,
        has_previous: Tensor,
        tau: Tensor,
        course: Tensor,
        noise: Noise | None,
    ) -> tuple[Tensor, Tensor]:
        """Evidence [v, tau, tau^2, r, tau r] (B, T, V) and its scores (B, T) from two neighboring steps each."""
        state = dropout(torch.cat([scores, changes, changes.square()], dim=-1), self.config.dropout_rate, noise)
        values = self.reader(torch.cat([state, before, has_previous], dim=-1))
        return torch.cat([values, tau, tau.square(), course, tau * course], dim=-1), self.score(values)[..., 0]

    def _posterior(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z | steps) from pooled [v, tau, tau^2, r, tau r], each (..., z_dim)."""
        features = len(self.course_scale)
        width = pooled.shape[-1] - 2 - 2 * features
        values, tau, tau_squared, course, product = pooled.split([width, 1, 1, features, features], dim=-1)
        slope = (product - tau * course) / (tau_squared - tau.square() + RIDGE)
        mean, log_variance = self.posterior(torch.cat([values, slope, tau * slope], dim=-1)).chunk(2, dim=-1)
        return mean, _bounded(log_variance)

    def _drift_surprise(self, batch: Batch, z: Tensor, scores: Tensor) -> Tensor:
        """-log p of each stay's course about its own level, given its straight line; a sum over steps and columns."""
        tau = _centered(self._clock(scores.device)[None, :, None].expand(len(batch), -1, 1), batch.mask)
        course = _centered(self._course(scores), batch.mask)
        off: Tensor = course - self.drift(z)[:, None] * tau
        return 0.5 * off.square().sum()

    def _course(self, scores: Tensor) -> Tensor:
        """r (B, T, F): scores beyond the mean course, in units of their spread about it."""
        course: Tensor = (scores - self.mean_course) / self.course_scale
        return course

    def _clock(self, device: torch.device) -> Tensor:
        """tau (T,): the steps, with mean 0 and variance 1 over the horizon."""
        steps = torch.arange(self.horizon, device=device, dtype=torch.float32)
        tau: Tensor = (steps - (self.horizon - 1) / 2) / max((self.horizon**2 - 1) / 12, 1) ** 0.5
        return tau

    def _predict(self, batch: Batch, z: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the standardized change from step t to t + 1, each (B, T - 1, F)."""
        steps = self.horizon - 1
        stay = torch.cat([z, batch.static], dim=-1)[:, None].expand(-1, steps, -1)
        known = [stay, scores[:, :-1], batch.actions[:, :-1], self._time(batch)[:, :-1]]
        mean, log_variance = self.predictor(torch.cat(known, dim=-1)).chunk(2, dim=-1)
        return mean, _bounded(log_variance)

    def _time(self, batch: Batch) -> Tensor:
        return time_embedding(self.horizon, self.config.d, batch.temporal.device).expand(len(batch), -1, -1)


def _centered(values: Tensor, mask: Tensor) -> Tensor:
    """values (B, T, F) minus their mean over each stay's real steps, 0 on padding."""
    kept = values * mask[..., None]
    mean = kept.sum(dim=1) / mask.sum(dim=1).clamp_min(1)[:, None]
    return (kept - mean[:, None]) * mask[..., None]


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
