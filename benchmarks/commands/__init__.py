"""The benchmarks' command line, a file for each question."""
