"""Diff-Harmonization's stages with the host's objects."""
