"""The ways to harmonize, on plain tensors: a room for each (no host)."""
