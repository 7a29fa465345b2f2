"""What a model sees of a market at the close of a bar, and nothing that was not known then."""
