"""The shipped workflows' graphs, and their builder."""
