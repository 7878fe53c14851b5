"""Speed, memory and quality, each one command: `python -m diff_harmonization.benchmarks --help`."""
