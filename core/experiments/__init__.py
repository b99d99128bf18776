"""Experiments over many runs: repeats with external validation, estimators against the truth, choices, sweeps."""
