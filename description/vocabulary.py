"""The words of a description, and the everyday words that stand for them.

Condition words come from the fixed vocabulary of the task prompt (paper fig. 10), by category. An object may have any
name; OBJECTS are the kinds that the embedded model and the statistics know.
"""

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


def _by_synonym(table: dict[str, str]) -> dict[str, str]:
    return {synonym: word for word, synonyms in table.items() for synonym in synonyms.split()}


# Words that people and language models use for a word of the vocabulary. Single words, each with its nearest.
_CONDITIONS = {
    "dazzling": "blinding brilliant glaring radiant",
    "bright": "brilliantly brightly light luminous lit well-lit",
    "dim": "dimly faint low-light murky",
    "dull": "drab flat gloomy muted",
    "shaded": "shade shady",
    "shadowed": "shadow shadows shadowy",
    "cloudy": "cloud clouds clouded overcast",
    "sunny": "sun sunlight sunlit sunshine",
    "rainy": "rain raining drizzle wet",
    "snowy": "snow snowing snow-covered",
    "foggy": "fog",
    "windy": "wind breezy",
    "stormy": "storm thunderstorm",
    "clear": "cloudless",
    "misty": "haze hazy mist",
    "hot": "scorching sweltering",
    "warm": "cozy mild",
    "cool": "chilly cooler",
    "cold": "chill freezing",
    "icy": "frost frosty frozen ice",
    "spring": "springtime vernal",
    "summer": "summery summertime",
    "autumn": "autumnal fall",
    "winter": "wintertime wintry",
    "dawn": "daybreak",
    "sunrise": "morning",
    "daylight": "day daytime midday noon",
    "twilight": "gloaming",
    "sunset": "sundown",
    "dusk": "dusky evening nightfall",
    "dark": "black darkness unlit",
    "night": "midnight nighttime nocturnal",
    "greyscale": "colorless gray grayscale grey monochrome",
    "neon": "fluorescent",
    "golden": "amber gold",
    "white": "whitish",
    "blue": "azure bluish",
    "green": "greenish",
    "yellow": "yellowish",
    "orange": "orangish",
    "red": "crimson reddish scarlet",
    "earthy": "brown brownish",
    "city": "cityscape downtown urban",
    "rural": "countryside farmland village",
    "lake": "lakeside pond",
    "ocean": "beach coast marine sea seaside",
    "mountain": "alpine hills mountainous mountains",
    "forest": "jungle wooded woodland woods",
    "desert": "arid dunes",
    "grassland": "field meadow pasture prairie",
    "sky": "skies",
    "space": "cosmic starry",
    "indoor": "indoors inside interior room",
    "street": "road roadside sidewalk",
}
SYNONYMS: dict[str, str] = _by_synonym(_CONDITIONS)

# Kinds of object that the embedded model was trained on, each with everyday names of things that look much like it.
# What has no near kind, such as a cup, a shoe, furniture or food, stands in no entry and is read as "object".
#
# Some names are condition words or their synonyms too. As an object "sea" is "water", as a condition it is "ocean".
# Parser and providers know which of the two they read. The embedded model's text encoder does not: it looks for an
# object first, since the parser has already replaced the synonyms among the conditions.
_NAMES = {
    "object": "",
    "building": "bridge castle cathedral church factory hotel lighthouse mosque palace skyscraper temple tower "
    "windmill",
    "bush": "bushes hedge shrub",
    "car": "airplane automobile boat cab cars convertible jeep limousine plane sedan ship suv taxi van vehicle yacht",
    "field": "grass lawn meadow",
    "flower": "blossom bouquet daisy flowers lily orchid poppy rose sunflower tulip",
    "foliage": "branch branches greenery",
    "horse": "animal bear bull camel cat cats cow deer dog dogs donkey elephant fox giraffe goat kitten lamb lion "
    "monkey pet pig pony puppy rabbit sheep squirrel tiger wolf zebra",
    "house": "barn bungalow cabin cottage home houses hut mansion shed villa",
    "motorcycle": "bicycle bike moped motorbike scooter",
    "mountain": "cliff hill hills mountains peak volcano",
    "person": "astronaut baby boy bride child children couple dancer face girl groom guy human kid kids lady man men "
    "people player portrait skier soldier toddler tourist woman women",
    "plant": "cactus fern houseplant leaf leaves plants vine",
    "road": "highway lane path pavement",
    "rock": "boulder pebble rocks sculpture statue stone stones",
    "sand": "beach dune dunes",
    "sky": "skies",
    "snow": "snowdrift snowman",
    "tree": "birch fir maple oak palm pine spruce trees trunk willow",
    "truck": "bus lorry tractor train tram",
    "water": "pond river sea wave waves",
}
OBJECTS: tuple[str, ...] = tuple(_NAMES)
OBJECT_SYNONYMS: dict[str, str] = _by_synonym(_NAMES)


def known_object(name: str) -> str:
    """The kind of object in OBJECTS that stands for a name; "object" where there is none.

    Of several words the last that is known counts, since English puts the kind last.

    >>> known_object("kitten"), known_object("palm tree"), known_object("coffee cup")
    ('horse', 'tree', 'object')
    """
    words = name.lower().replace("-", " ").split()
    kinds = (word if word in OBJECTS else OBJECT_SYNONYMS.get(word) for word in reversed(words))
    return next(filter(None, kinds), "object")
