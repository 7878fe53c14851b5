"""The embedded default model: definition, training, weights. Needs the host."""
