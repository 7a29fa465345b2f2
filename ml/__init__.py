"""Models that watch the market: features, labels, experts, their mixture, and what it is worth."""
