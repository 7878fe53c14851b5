"""The embedded DiffHarmony's trainings: VAE, then UNets and Harmony-VAEs. Needs the host."""
