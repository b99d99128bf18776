"""Small sums over a run's arrays, between the stored results and the figures: arrays in, arrays or tables out."""
