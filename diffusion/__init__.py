"""The method's stages on plain tensors: inversion, refinement, editing (torch only, no host)."""
