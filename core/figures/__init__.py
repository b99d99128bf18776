"""Numbers in, Plotly figure out; nothing here computes a statistic or reads a file."""
