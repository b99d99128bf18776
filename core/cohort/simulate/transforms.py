"""Fixed monotone transforms from latent signals to physical units."""

from __future__ import annotations

from typing import Literal

import numpy as np

from core.base.config import Config

Kind = Literal["linear", "exp", "deficit", "zero_exp", "binary"]


class Transform(Config):
    """y = T(x), non-decreasing in x (deficit: non-increasing), clipped to [low, high].

    linear    a + b x
    exp       floor + exp(a + b x)
    deficit   high - exp(a + b x)
    zero_exp  0 where x <= threshold, else exp(a + b (x - threshold)); `high` where x > spike, the rare entries (mixed
              units) without which a published SD of 20 times the mean cannot be
    binary    1 where x > threshold, else 0
    """

    kind: Kind
    low: float
    high: float
    floor: float = 0.0
    a: float = 0.0
    b: float = 1.0
    threshold: float = 0.0
    spike: float | None = None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Physical values of the latent ones; same shape."""
        if self.kind == "binary":
            return (x > self.threshold).astype(np.float64)
        if self.kind == "linear":
            return np.clip(self.a + self.b * x, self.low, self.high)
        if self.kind == "zero_exp":
            excess = np.maximum(x - self.threshold, 0.0)
            y = np.exp(np.minimum(self.a + self.b * excess, 50.0))
            y = np.where(x > self.threshold, np.clip(y, self.low, self.high), 0.0)
            return y if self.spike is None else np.where(x > self.spike, self.high, y)
        y = np.exp(np.minimum(self.a + self.b * x, 50.0))
        y = self.high - y if self.kind == "deficit" else self.floor + y
        return np.clip(y, self.low, self.high)
