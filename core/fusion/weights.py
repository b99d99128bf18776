"""Weights of the phenotype agents, and what they decide together.

    w_k = exp(-lambda d_k) / sum_j exp(-lambda d_j)          pi = sum_k w_k pi_k,  Q = sum_k w_k Q_k

d_k is the distance of the patient's representation to the centroid of phenotype k. lambda = 0 is the plain average;
lambda -> infinity leaves the decision to the nearest phenotype's agent. Source: He et al. 2025 (HOPAS), fusion.
"""

from __future__ import annotations

import math

import numpy as np

from core.base.errors import ConfigError


def fusion_weights(distances: np.ndarray, lambda_: float) -> np.ndarray:
    """Weight of each agent: the softmax of -lambda d over the last axis.

    distances (..., K), finite -> weights (..., K) float64, rows sum to 1. `lambda_` in 1/distance, 0 to infinity;
    infinity is the limit of the formula: one-hot at the nearest centroid, exact ties share the weight equally.
    Raises `ConfigError` for a negative or missing lambda, `ValueError` for distances that are not finite.
    """
    _check_lambda(lambda_)
    d = np.asarray(distances, dtype=np.float64)
    if d.ndim == 0 or d.shape[-1] == 0:
        raise ValueError(f"fusion needs distances of shape (..., K) with K >= 1, got shape {d.shape}.")
    if not np.isfinite(d).all():
        raise ValueError("fusion needs finite distances; some are NaN or infinite, so the representation is broken.")
    nearest = d.min(axis=-1, keepdims=True)
    with np.errstate(over="ignore"):  # a gap or a product beyond the float range is a weight of exactly 0
        gap = d - nearest
        if lambda_ == 0:
            weights = np.ones_like(d)
        elif math.isinf(lambda_):
            weights = (gap == 0).astype(np.float64)
        else:
            weights = np.exp(-float(lambda_) * gap)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def relative_lambda(lambda_: float, distances: np.ndarray) -> float:
    """Turn a lambda given in units of the typical distance into the lambda of `fusion_weights`.

        lambda_absolute = lambda_relative / median(distances)

    so one relative value means the same softness for any encoder and any K. Give the training patients' distances, any
    shape. Where the median is 0 (every patient sits on every centroid) the value is returned unchanged, since all
    weights are equal anyway. Raises `ConfigError` for a negative or missing lambda.
    """
    _check_lambda(lambda_)
    typical = float(np.median(distances))
    return lambda_ / typical if typical > 0 else lambda_


def fuse(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Weighted mean of the agents' values (action probabilities or Q): sum_k w_k x_k.

    weights (..., K), values (..., K, A) -> (..., A); the leading axes must broadcast. Raises `ValueError` otherwise.
    """
    w, x = np.asarray(weights), np.asarray(values)
    if w.ndim < 1 or x.ndim < 2 or w.shape[-1] != x.shape[-2]:
        raise ValueError(f"fuse needs weights (..., K) and values (..., K, A), got {w.shape} and {x.shape}.")
    return np.asarray(np.einsum("...k,...ka->...a", w, x))


def single_expert(weights: np.ndarray) -> np.ndarray:
    """One-hot of the largest weight (..., K) -> (..., K): the one agent that decides (HOPAS-A).

    Equal weights, as under lambda = 0, go to the first agent.
    """
    w = np.asarray(weights)
    return np.asarray((np.arange(w.shape[-1]) == w.argmax(axis=-1)[..., None]).astype(np.float64))


def _check_lambda(lambda_: float) -> None:
    if math.isnan(lambda_) or lambda_ < 0:
        raise ConfigError(f"lambda = {lambda_} is not usable: give 0 (plain average) or more, up to infinity.")
