"""The training of the semantic routed harmonizer."""
