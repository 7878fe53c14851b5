"""The fit of the whole picture's harmony classifier."""
