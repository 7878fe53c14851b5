"""The embedded text encoder: a small CLIP through the host's classes, with CLIP's own tokenizer.

Only the tokens of the words it was trained on have an embedding. Every other word is read as the known word that stands
for it (description/vocabulary.py) or as "object", and the log says so once in each run.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, cast

from comfy.sd1_clip import SD1ClipModel, SDClipModel
from comfy.text_encoders.sd2_clip import SD2Tokenizer

from ..description.statistics.words import SPELLED_OUT
from ..description.vocabulary import OBJECT_SYNONYMS, OBJECTS, SYNONYMS, WORDS
from ..host.notes import note
from ..host.runs import current_run
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

KNOWN = frozenset((*OBJECTS, *WORDS))
# A name of an object comes before a synonym of a condition: the parser has already replaced the latter.
READ_AS = SYNONYMS | OBJECT_SYNONYMS | {word: word for word in KNOWN}
# Kinds whose own name is narrower than what they stand for.
KINDS = {"horse": "all animals", "car": "all vehicles of its size", "object": "whatever has no near kind"}
# Letters, and the marks by which many scripts write vowels; signs that part words do not count.
WORD = r"[^\W\d_](?:[^\W\d_]|[^\w\s\x00-\x7f\u2000-\u206f\u3000-\u303f])*"
_said: set[str] = set()  # words that the log has named, where there is no run


def known_word(word: str) -> str:
    """The known word that stands for `word`."""
    return READ_AS.get(word.lower(), "object")


class MiniTokenizer(SD2Tokenizer):
    """CLIP's tokenizer over the words the embedded model knows; (word:1.2) keeps its weight."""

    spelled_out: Mapping[str, str] = SPELLED_OUT

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **kwargs):
        replaced: dict[str, str] = {}

        def translate(match: re.Match) -> str:
            word = match.group()
            if "-" in word and word.lower() not in READ_AS:
                return re.sub(WORD, translate, word)
            known = known_word(word)
            if known != word.lower():
                replaced[word] = known
            return self.spelled_out.get(known, known)

        translated = re.sub(f"{WORD}(?:-{WORD})*", translate, text)
        _warn(replaced)
        return super().tokenize_with_weights(translated, return_word_ids, **kwargs)


def _warn(replaced: dict[str, str]) -> None:
    """Tell the words that are read as others: on the node, and in the log once in a run. Every prompt comes by here."""
    run = current_run()
    said = _said if run is None else run.said
    for word, known in replaced.items():
        sentence = f"The embedded model has no word of its own for '{word.lower()}': it reads {_reading(known)}."
        note(sentence)
        if word.lower() not in said:
            said.add(word.lower())
            logger.warning("%s", sentence)


def _reading(known: str) -> str:
    kind = KINDS.get(known)
    return f"'{known}', its word for {kind}" if kind else f"'{known}'"


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
