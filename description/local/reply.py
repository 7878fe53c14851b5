"""A language model's reply held to the one-line form token by token, so that every model's reply parses.

The grammar is written over texts: it offers the texts that may come next and is sent the chosen one. A layer below
turns texts into tokens, and the model chooses among the allowed ones by its own scores.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence

import torch
from torch import Tensor

from ...core.types import Callback, ImagingDescription, silent
from ..vocabulary import CATEGORIES, WORDS

MAX_WORDS = 4  # of a region, at most one from each category: prompts stay short (paper app. D)
CATEGORY_OF = {word: category for category, words in CATEGORIES.items() for word in words}
SEPARATOR = " & (background)"
END = ""  # stands for the model's own end of a reply

Grammar = Generator[list[str], str, ImagingDescription]


def one_line(name: str, foreground: tuple[str, ...] = (), taken: Collection[str] = ()) -> Grammar:
    """The grammar of `NAME & (foreground) WORDS & (background) WORDS`.

    Args:
        name: the object's name.
        foreground: the foreground's words. If there are none, the model chooses them.
        taken: words with which the background must not begin, so that the reply differs from earlier ones.

    Yields:
        The texts that may come next; the chosen one is sent.

    Returns:
        The description.
    """
    head = f"{name} & (foreground)"
    if foreground:
        yield [" ".join((head, *foreground)) + SEPARATOR]
    else:
        yield [head]
        foreground = yield from _words(SEPARATOR)
    background = yield from _words(END, taken)
    return ImagingDescription(name, foreground, background)


def _words(closing: str, taken: Collection[str] = ()) -> Generator[list[str], str, tuple[str, ...]]:
    chosen: list[str] = []
    while True:
        used = {CATEGORY_OF[word] for word in chosen}
        free = [word for word in WORDS if CATEGORY_OF[word] not in used] if len(chosen) < MAX_WORDS else []
        options = [f" {word}" for word in free if chosen or word not in taken]
        picked = yield options + ([closing] if chosen else [])
        if picked == closing:
            return tuple(chosen)
        chosen.append(picked.strip())


class ConstrainedReply:
    """A logits processor for greedy generation of one reply: only the grammar's best continuation stays possible.

    Args:
        grammar: what may be said.
        tokenize: text to token ids, without special tokens.
        ends: ids that end a reply; the first also fills what the model goes on to say.
        callback: called at each token; may raise to cancel.

    `result` holds the description as soon as the reply is complete.
    """

    def __init__(
        self,
        grammar: Grammar,
        tokenize: Callable[[str], Sequence[int]],
        ends: Sequence[int],
        callback: Callback = silent,
    ) -> None:
        self.result: ImagingDescription | None = None
        self.ends, self._grammar, self._callback = list(ends), grammar, callback
        # A word's tokens depend on the space before it, and some tokenizers add one of their own to a text's start.
        anchor = list(tokenize("x"))
        self._head = next(grammar)[0]
        following = {
            text: tuple(tokenize("x" + text))[len(anchor) :] for text in (SEPARATOR, *(f" {w}" for w in WORDS))
        }
        self._tokens = following | {self._head: tuple(tokenize(self._head))}
        self._options, self._partial, self._step = [self._head], (), 0

    @property
    def longest(self) -> int:
        """Upper bound of the reply's tokens, its end included."""
        words = max(len(self._tokens[f" {word}"]) for word in WORDS)
        return len(self._tokens[self._head]) + 2 * MAX_WORDS * words + len(self._tokens[SEPARATOR]) + 1

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores [1,V] of the next token, with all but the chosen token at minus infinity."""
        self._step += 1
        self._callback(min(self._step, self.longest), self.longest)
        allowed = torch.tensor(self._allowed(), device=scores.device)
        chosen = allowed[scores[0, allowed].nan_to_num(nan=-torch.inf).argmax()]
        if self.result is None:
            self._take(int(chosen))
        return torch.full_like(scores, -torch.inf).index_fill_(1, chosen[None], 0.0)

    def _allowed(self) -> list[int]:
        if self.result is not None:
            return self.ends[:1]
        place = len(self._partial)
        return sorted({tokens[place] for _, tokens in self._continuations() if len(tokens) > place})

    def _continuations(self) -> list[tuple[str, tuple[int, ...]]]:
        """(text, its tokens) of every option that goes on from the tokens so far."""
        every = [(text, tokens) for text in self._options for tokens in self._spellings(text)]
        return [(text, tokens) for text, tokens in every if tokens[: len(self._partial)] == self._partial]

    def _spellings(self, text: str) -> list[tuple[int, ...]]:
        return [(end,) for end in self.ends] if text == END else [self._tokens[text]]

    def _take(self, token: int) -> None:
        self._partial += (token,)
        complete = [text for text, tokens in self._continuations() if tokens == self._partial]
        if not complete:
            return
        self._partial = ()
        try:
            self._options = self._grammar.send(complete[0])
        except StopIteration as finished:
            self.result = finished.value
