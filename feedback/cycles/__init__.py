"""The cycles: each one straight function over injected rooms."""
