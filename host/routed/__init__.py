"""The routed harmonizer in the host."""
