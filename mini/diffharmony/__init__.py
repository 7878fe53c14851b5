"""The embedded DiffHarmony: a small VAE, Harmony-VAE and UNets of the host's classes. Needs the host."""
