"""The fixed vocabulary of the task prompt (paper fig. 10), by category."""

from __future__ import annotations

CATEGORIES: dict[str, tuple[str, ...]] = {
    "brightness": ("dazzling", "bright", "dim", "dull", "shaded", "shadowed"),
    "weather": ("cloudy", "sunny", "rainy", "snowy", "foggy", "windy", "stormy", "clear", "misty"),
    "temperature": ("hot", "warm", "cool", "cold", "icy"),
    "season": ("spring", "summer", "autumn", "winter"),
    "time": ("dawn", "sunrise", "daylight", "twilight", "sunset", "dusk", "dark", "night"),
    "color tone": (
        "greyscale",
        "neon",
        "golden",
        "white",
        "blue",
        "green",
        "yellow",
        "orange",
        "red",
        "earthy",
    ),
    "environment": (
        "city",
        "rural",
        "lake",
        "ocean",
        "mountain",
        "forest",
        "desert",
        "grassland",
        "sky",
        "space",
        "indoor",
        "street",
    ),
}

WORDS: tuple[str, ...] = tuple(word for words in CATEGORIES.values() for word in words)
