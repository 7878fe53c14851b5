"""The describing models in the host: their folders, memory, keys and requests."""
