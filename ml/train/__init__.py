"""The trainer: a process of its own that learns from closed bars and leaves ONNX and JSON behind. It serves nothing."""
