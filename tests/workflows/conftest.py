from graphs import composite_copy, composite_name, example, mask_name  # noqa: F401
