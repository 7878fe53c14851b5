"""Trainings, a folder a network: `python -m diff_harmonization.training --help`."""
