"""Semantic routed harmonization, "Who looks like me" (Sun et al., IJCAI 2024): objects take the look of their kind."""
