"""One file a source of market context. A source answers with fields; it never raises for what the world does."""
