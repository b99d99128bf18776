"""What every package stands on: errors, randomness, files, settings, small statistics; imports nothing else of core."""
