from pairs import pairs_folder, photos  # noqa: F401
