"""DiffHarmony's models in the host."""
