from photo_sets import photo_set  # noqa: F401
