"""Diff-Harmonization: inversion, refinement, null-text, editing (Chen et al., TMM 2025)."""
