"""The embedded text encoder: a small CLIP through the host's classes, with CLIP's own tokenizer.

Only the tokens of the words it was trained on have an embedding; every other word is read as its nearest known
one (WORDS_FOR) or as "object", and the log says so.
"""

from __future__ import annotations

import logging
import re
from typing import Any, cast

from comfy.sd1_clip import SD1ClipModel, SDClipModel
from comfy.text_encoders.sd2_clip import SD2Tokenizer

from ..description.vocabulary import WORDS
from .unet import CONTEXT_DIM

logger = logging.getLogger(__name__)

CONFIG = {
    "num_hidden_layers": 2,
    "hidden_size": CONTEXT_DIM,
    "num_attention_heads": 4,
    "intermediate_size": 4 * CONTEXT_DIM,
    "hidden_act": "gelu",
    "max_position_embeddings": 77,
    "eos_token_id": 49407,
}

OBJECTS = (
    "object",
    "building",
    "bush",
    "car",
    "field",
    "flower",
    "foliage",
    "horse",
    "house",
    "motorcycle",
    "mountain",
    "person",
    "plant",
    "road",
    "rock",
    "sand",
    "sky",
    "snow",
    "tree",
    "truck",
    "water",
)

SYNONYMS = {
    "person": "man woman boy girl lady child kid baby people human face portrait astronaut player",
    "car": "taxi van suv automobile vehicle sedan",
    "truck": "bus lorry train",
    "motorcycle": "bike bicycle motorbike scooter",
    "horse": "dog cat animal cow sheep pet puppy kitten",
    "building": "tower skyscraper castle church bridge temple lighthouse",
    "house": "cabin hut cottage home barn",
    "tree": "palm oak pine trunk",
    "plant": "leaf leaves fern cactus",
    "flower": "rose tulip daisy sunflower blossom",
    "rock": "stone boulder statue",
    "water": "sea river pond wave boat",
    "field": "grass lawn meadow",
    "sand": "beach dune",
    "mountain": "hill cliff volcano",
    "dusk": "dusky",
    "dim": "gloomy murky",
    "dark": "black nocturnal",
    "sunny": "sunlit",
    "greyscale": "gray grey monochrome",
    "autumn": "fall",
    "snowy": "frosty",
    "cold": "chilly freezing",
    "daylight": "noon midday day",
    "indoor": "room interior",
}
WORDS_FOR = {synonym: word for word, synonyms in SYNONYMS.items() for synonym in synonyms.split()}
KNOWN = frozenset((*OBJECTS, *WORDS))


def known_word(word: str) -> str:
    """The trained word that stands for `word`."""
    key = re.sub(r"[^a-z]", "", word.lower())
    return key if key in KNOWN else WORDS_FOR.get(key, "object")


class MiniTokenizer(SD2Tokenizer):
    """CLIP's tokenizer over the words the embedded model knows; (word:1.2) keeps its weight."""

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **kwargs):
        replaced = {}

        def translate(match: re.Match) -> str:
            word = known_word(match.group())
            if word != match.group().lower():
                replaced[match.group()] = word
            return word

        translated = re.sub(r"[^\W\d_]+", translate, text)
        if replaced:
            logger.warning(
                "The embedded model does not know %s.", ", ".join(f"'{a}' (read as '{b}')" for a, b in replaced.items())
            )
        return super().tokenize_with_weights(translated, return_word_ids, **kwargs)


class MiniTextEncoder(SDClipModel):
    def __init__(self, device: Any = "cpu", dtype=None, model_options={}):  # noqa: B006 (the host's)
        super().__init__(
            device=device,
            dtype=dtype,
            layer="last",
            textmodel_json_config=dict(CONFIG),
            special_tokens={"start": 49406, "end": 49407, "pad": 0},
            return_projected_pooled=False,
            model_options=model_options,
        )


class MiniClip(SD1ClipModel):
    def __init__(self, device: Any = "cpu", dtype=None, model_options={}):  # noqa: B006 (the host's)
        super().__init__(
            device=device,
            dtype=dtype,
            model_options=model_options,
            clip_name="h",
            clip_model=cast(Any, MiniTextEncoder),
        )
