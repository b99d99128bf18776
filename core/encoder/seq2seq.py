"""The published encoder: a sequence-to-sequence attention autoencoder.

Encoder  e_t = [one-hot a_t, Linear(static), Dropout(Linear(x_t)), time_t];  h_t = LSTM(e)_t;
         a_t = tanh(w . h_t);  z = sum_t softmax(a)_t h_t.
Decoder  g_t = LSTM([z, Dropout(Linear(x'_{t-1})), static, time_t]), started from the encoder's last state;
         context_t = attention of g_t over h with score g_t . (W h_s + b);
         x^_t = tanh(Linear([context_t, g_t, one-hot a_t])).
x'_{t-1} is the true state with probability teacher_forcing_ratio while training and the prediction otherwise; x'_{-1}
is 0. Loss: mean squared error over real steps and temporal features.

Source: He et al. 2025 (HOPAS). Deviations: padding is masked everywhere (the decoder starts from the last real step),
and both softmaxes subtract their maximum.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from core.encoder.batches import Batch
from core.encoder.config import EncoderConfig
from core.encoder.layers import Noise, dropout, masked_softmax, time_embedding
from core.encoder.model import Evidence, Memory, SequenceModel, mean_over_real
from core.study import StudySpec

State = tuple[Tensor, Tensor]


class Seq2Seq(SequenceModel):
    """Attention autoencoder; z has hidden_size numbers. See the module's docstring for the equations."""

    sees_current_action = True

    def __init__(self, config: EncoderConfig, study: StudySpec) -> None:
        super().__init__()
        embedding, hidden, actions = config.embedding_dim, config.hidden_size, study.n_actions
        self.config, self.horizon, self.z_dim = config, study.horizon, hidden
        self.static = nn.Linear(study.n_static, embedding) if study.n_static else None
        shared = (embedding if self.static else 0) + 2 * config.d  # static and time, which both LSTMs read
        self.encoder_embedding = nn.Linear(study.n_temporal, embedding)
        self.encoder = nn.LSTM(actions + embedding + shared, hidden, config.num_layers, batch_first=True)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.decoder_embedding = nn.Linear(study.n_temporal, embedding)
        self.decoder = nn.LSTM(hidden + embedding + shared, hidden, config.num_layers, batch_first=True)
        self.keys = nn.Linear(hidden, hidden)
        self.output = nn.Linear(2 * hidden + actions, study.n_temporal)

    def evidence(self, batch: Batch) -> tuple[Tensor, Tensor]:
        memory, _ = self._read(batch, self._shared(batch), None)
        return memory, self._scores(memory)

    def evidence_at(self, step: int, static: Tensor, temporal: Tensor, actions: Tensor, memory: Memory) -> Evidence:
        time = time_embedding(self.horizon, self.config.d, temporal.device)[step].expand(len(temporal), -1)
        known = [actions, self.encoder_embedding(temporal)]
        known += [time] if self.static is None else [self.static(static), time]
        output, memory = self.encoder(torch.cat(known, dim=-1)[:, None], memory)
        return output[:, 0], self._scores(output[:, 0]), memory

    def loss(self, batch: Batch, noise: Noise | None) -> Tensor:
        return mean_over_real((self._autoencode(batch, noise) - batch.temporal).square(), batch.mask)

    def reconstruct(self, batch: Batch) -> Tensor:
        return self._autoencode(batch, None)

    def _shared(self, batch: Batch) -> Tensor:
        """(B, T, E + 2d) static and time embeddings, computed once for both LSTMs."""
        time = time_embedding(self.horizon, self.config.d, batch.temporal.device).expand(len(batch), -1, -1)
        if self.static is None:
            return time
        return torch.cat([self.static(batch.static)[:, None].expand(-1, self.horizon, -1), time], dim=-1)

    def _scores(self, memory: Tensor) -> Tensor:
        scores: Tensor = self.score(memory)[..., 0]
        return scores.tanh()

    def _read(self, batch: Batch, shared: Tensor, noise: Noise | None) -> tuple[Tensor, State]:
        """Encoder outputs (B, T, H), 0 on padding, and the state after each stay's last real step."""
        embedded = dropout(self.encoder_embedding(batch.temporal), self.config.dropout_rate, noise)
        steps = torch.cat([batch.actions, embedded, shared], dim=-1)
        packed = pack_padded_sequence(steps, batch.lengths, batch_first=True, enforce_sorted=False)
        outputs, state = self.encoder(packed)
        return pad_packed_sequence(outputs, batch_first=True, total_length=self.horizon)[0], state

    def _autoencode(self, batch: Batch, noise: Noise | None) -> Tensor:
        """(B, T, F) decoded states: partly teacher-forced with noise, free-running without."""
        shared = self._shared(batch)
        memory, state = self._read(batch, shared, noise)
        z = masked_softmax(self._scores(memory), batch.mask)[:, None, :] @ memory  # (B, 1, H)
        fixed = torch.cat([z.expand(-1, self.horizon, -1), shared], dim=-1)
        keys = self.keys(memory).transpose(1, 2)  # (B, H, T)
        # x'_{t-1} of teacher-forced steps; the first column is the start value 0
        truth = torch.cat([torch.zeros_like(batch.temporal[:, :1]), batch.temporal[:, :-1]], dim=1)
        decoded: list[Tensor] = []
        for start, stop in self._segments(noise):
            previous = truth[:, start:stop]
            if start > 0:
                previous = torch.cat([decoded[-1][:, -1:], previous[:, 1:]], dim=1)
            embedded = dropout(self.decoder_embedding(previous), self.config.dropout_rate, noise)
            outputs, state = self.decoder(torch.cat([embedded, fixed[:, start:stop]], dim=-1), state)
            weights = masked_softmax(outputs @ keys, batch.mask[:, None, :])
            seen = torch.cat([weights @ memory, outputs, batch.actions[:, start:stop]], dim=-1)
            decoded.append(self.output(seen).tanh())
        return torch.cat(decoded, dim=1)

    def _segments(self, noise: Noise | None) -> list[tuple[int, int]]:
        """Runs of steps whose inputs are known together: a run starts where the decoder sees its own prediction.

        One coin a step and batch decides on teacher forcing; forced steps join the run, so that one LSTM call does
        them all. Without noise every step is a run of its own.
        """
        ratio = self.config.teacher_forcing_ratio if noise is not None else 0.0
        forced = (
            noise.uniform(self.horizon) < ratio if noise is not None else torch.zeros(self.horizon, dtype=torch.bool)
        )
        starts = [0] + [t for t in range(1, self.horizon) if not forced[t]]
        return list(zip(starts, [*starts[1:], self.horizon], strict=True))
