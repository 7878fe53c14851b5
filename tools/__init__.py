"""Builders of what the project ships: workflows and examples."""
