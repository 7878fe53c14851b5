"""Builders of what the browser says of the nodes: help pages and names in other languages."""
