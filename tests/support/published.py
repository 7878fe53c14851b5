"""Weights in the published layout of EfficientNet-Lite0: every part's name has a leading underscore."""


def underscored(name: str) -> str:
    *parts, last = name.split(".")
    return ".".join([part if part.isdigit() else f"_{part}" for part in parts] + [last])


def published(state):
    return {underscored(name): value for name, value in state.items()}
