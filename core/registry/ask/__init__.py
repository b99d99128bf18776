"""What one asks of a registry run: policies, values, comparisons, recommendations."""
