from pairs import write_set  # noqa: F401
