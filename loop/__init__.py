"""The loop around any edit: its decisions, its states, its run (no host)."""
