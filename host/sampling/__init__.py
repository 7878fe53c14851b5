"""The host's MODEL, CLIP and VAE as the engine's callables."""
