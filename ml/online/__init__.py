"""What becomes of a model once it speaks: scores, drift, comparison with another, and which one is served."""
