"""What a thing is, how it is kept, and how it is measured. Knows nothing of markets, strategies or people."""
