"""What a registry run learns: screening networks, forests and the Q-network over drug combinations."""
