"""The embedded zero-shot model's training. Needs the host."""
