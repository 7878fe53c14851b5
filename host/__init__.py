"""The one adapter to ComfyUI: its MODEL, CLIP, VAE, IMAGE and MASK as the engine's callables and tensors."""
