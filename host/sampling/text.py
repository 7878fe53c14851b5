"""The host's CLIP as the engine's text encoder, differentiable in the token embeddings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from comfy.sd import CLIP
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from ...core.errors import InputError
from ...methods.zero_shot.types import Prompt
from .gradients import differentiable, engine_boundary, load_fully

CONTEXT_LENGTH = 77  # tokens that the encoder reads at once, the start and the end among them
_START = 1  # position of the first word's first token


class ClipEncoder:
    """`TextEncoder` over a CLIP of the SD1/SD2 family; clip skip and LoRA stay in effect.

    Args:
        clip: the host's CLIP.

    Raises:
        InputError: when the CLIP is not a single CLIP text model, as SDXL's or T5 are not.
    """

    def __init__(self, clip: CLIP) -> None:
        self.clip = clip
        self._weights: set[int] = set()  # addresses of the weights, while there are gradients
        empty = clip.tokenize("")
        self.key = next(iter(empty))
        encoder = getattr(clip.cond_stage_model, getattr(clip.cond_stage_model, "clip", ""), None)
        if len(empty) != 1 or len(empty[self.key][0]) != CONTEXT_LENGTH or not hasattr(encoder, "process_tokens"):
            raise InputError(
                "clip",
                f"got {type(clip.cond_stage_model).__name__} with the tokenizers {list(empty)}, expected the single "
                f"CLIP text encoder of an SD1.5/SD2-family checkpoint.",
            )
        self._end_id = empty[self.key][0][_START][0]

    @property
    def width(self) -> int:
        """D of `encode`'s contexts."""
        return self._model().transformer.get_input_embeddings().weight.shape[1]

    def tokenize(self, text: str) -> Prompt:
        """Tokens of a prompt and where its words stand. Parentheses are text here, not weights.

        Args:
            text: words, separated by white space.

        Raises:
            InputError: when the prompt is longer than 75 tokens, or names an embedding file.
        """
        words = text.split()
        if not words:
            return Prompt(text, self._ids(""), (), _START)
        ids, spans, position = self._ids(" ".join(words)), [], _START
        for word in words:
            alone = self._ids(word)
            count = len(alone[_START : self._end(alone)])
            spans.append((word, tuple(range(position, position + count))))
            if ids[position : position + count] != alone[_START : _START + count]:
                raise AssertionError(f"The tokenizer does not split '{text}' at white space.")
            position += count
        if ids[position] != self._end_id:
            raise AssertionError(f"The tokenizer adds tokens to '{text}'.")
        return Prompt(text, ids, tuple(spans), position)

    def embed(self, prompt: Prompt) -> Tensor:
        """Input token embeddings [T, E] of a prompt, float32, detached, on the encoder's device."""
        self.clip.load_model()
        table = self._model().transformer.get_input_embeddings()
        with torch.no_grad():
            ids = torch.tensor(prompt.ids, dtype=torch.long, device=table.weight.device)
            return table(ids, out_dtype=torch.float32).detach()

    def encode(self, prompt: Prompt, embeddings: Tensor | None = None) -> Tensor:
        """Context [1, T, D] float32, as the host encodes the prompt.

        Args:
            prompt: from `tokenize`.
            embeddings: [T, E], in place of the prompt's own. For gradients, work inside `gradients()`.

        Raises:
            InputError: when there are not as many embeddings as tokens.
        """
        return self._encoded([self._tokens(prompt, embeddings)])[0]

    def encode_rows(self, prompts: Sequence[Prompt], embeddings: Sequence[Tensor]) -> list[Tensor]:
        """`encode` of several prompts with embeddings [T, E] each, in one batch: their contexts [1, T, D]."""
        return self._encoded([self._tokens(*row) for row in zip(prompts, embeddings, strict=True)])

    @staticmethod
    def _tokens(prompt: Prompt, embeddings: Tensor | None) -> list[Any]:
        tokens: list[Any] = list(prompt.ids) if embeddings is None else list(embeddings)
        if len(tokens) != len(prompt.ids):
            raise InputError("embeddings", f"the prompt has {len(prompt.ids)} tokens, but {len(tokens)} were given.")
        return tokens

    def _encoded(self, rows: list[list[Any]]) -> list[Tensor]:
        """Contexts [1, T, D] float32. The host takes the rows for parts of one long prompt, and joins them."""
        weighted = [[(token, 1.0) for token in row] for row in rows]
        with saved_tensors_hooks(self._keep, lambda kept: kept) if torch.is_grad_enabled() else nullcontext():
            context: Any = self.clip.encode_from_tokens({self.key: weighted})
        return list(context.float().split(CONTEXT_LENGTH, 1))

    @contextmanager
    def gradients(self) -> Iterator[ClipEncoder]:
        """Makes `encode` differentiable: open it around all forward *and* backward passes of a stage."""
        shared = self.clip
        with engine_boundary(), differentiable(shared.patcher) as private:
            self.clip = shared.clone()
            self.clip.patcher, self.clip.cond_stage_model = private, private.model
            load_fully(private)
            self._weights = {weight.untyped_storage().data_ptr() for weight in private.model.parameters()}
            try:
                yield self
            finally:
                self.clip, self._weights = shared, set()

    def _keep(self, saved: Tensor) -> Tensor:
        """What autograd keeps of a tensor: a copy, for the encoder adds in place to activations. Weights stay.

        `torch.autograd.graph.allow_mutation_on_saved_tensors` would do the same by watching every operation of the
        forward and backward passes, the UNet's too: most of a small model's refinement.
        """
        return saved if saved.untyped_storage().data_ptr() in self._weights else saved.clone()

    def _model(self) -> Any:
        return getattr(self.clip.cond_stage_model, self.clip.cond_stage_model.clip)

    def _ids(self, text: str) -> tuple[int, ...]:
        escaped = re.sub(r"\\?([()])", r"\\\1", text)  # the host reads bare parentheses as weights
        chunks = self.clip.tokenize(escaped)[self.key]
        if len(chunks) > 1:
            raise InputError(
                "text",
                f"the prompt '{text[:60]}...' is longer than the {CONTEXT_LENGTH - 2} tokens that the text encoder "
                f"reads. Use fewer words.",
            )
        if any(not isinstance(token, int) for token, _ in chunks[0]):
            raise InputError("text", f"'{text}' names an embedding file. Use plain words.")
        return tuple(token for token, _ in chunks[0])

    def _end(self, ids: tuple[int, ...]) -> int:
        return ids.index(self._end_id, _START)
