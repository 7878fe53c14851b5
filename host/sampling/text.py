"""The host's CLIP as the engine's text encoder, differentiable in the token embeddings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from comfy.sd import CLIP
from comfy.sdxl_clip import SDXLClipModel
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from ...core.errors import InputError
from ...methods.zero_shot.contexts import Context, PooledContext
from ...methods.zero_shot.types import Prompt
from .gradients import differentiable, engine_boundary, load_fully

CONTEXT_LENGTH = 77  # tokens that each text model reads at once, the start and the end among them
_START = 1  # position of the first word's first token


class ClipEncoder:
    """`TextEncoder` over the one text model of SD1 and SD2, or SDXL's two; clip skip and LoRA stay in effect.

    SDXL's two share the tokens and where they stand, and differ in how they pad. The model reads their outputs side by
    side, and the pooled output of the second.

    Args:
        clip: the host's CLIP.

    Raises:
        InputError: when the CLIP is another one, such as T5 or those of SD3 and Flux.
    """

    def __init__(self, clip: CLIP) -> None:
        self.clip = clip
        self._weights: set[int] = set()  # addresses of the weights, while there are gradients
        self.two = isinstance(clip.cond_stage_model, SDXLClipModel)
        empty = clip.tokenize("")
        models = [getattr(clip.cond_stage_model, f"clip_{key}", None) for key in empty]
        if (
            len(empty) != 1 + self.two
            or any(len(chunks[0]) != CONTEXT_LENGTH for chunks in empty.values())
            or not all(hasattr(model, "process_tokens") for model in models)
        ):
            raise InputError(
                "clip",
                f"got {type(clip.cond_stage_model).__name__} with the tokenizers {list(empty)}, expected the CLIP of "
                f"an SD1.5, SD2 or SDXL checkpoint.",
            )
        self.keys = tuple(empty)
        self._pads = {key: chunks[0][-1][0] for key, chunks in empty.items()}
        self._end_id = empty[self.keys[0]][0][_START][0]

    @property
    def width(self) -> int:
        """D of `encode`'s contexts, and E of its embeddings."""
        return sum(table.weight.shape[1] for table in self._tables())

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
        """Input token embeddings [T, E] of a prompt, float32, detached, on the encoder's device.

        Those of two text models stand side by side.
        """
        self.clip.load_model()
        rows = []
        with torch.no_grad():
            for table, ids in zip(self._tables(), self._padded(prompt).values(), strict=True):
                index = torch.tensor(ids, dtype=torch.long, device=table.weight.device)
                rows.append(table(index, out_dtype=torch.float32).detach())
        return torch.cat(rows, -1)

    def encode(self, prompt: Prompt, embeddings: Tensor | None = None) -> Context:
        """Context [1, T, D] float32, as the host encodes the prompt; SDXL's with the pooled output [1, P].

        Args:
            prompt: from `tokenize`.
            embeddings: [T, E], in place of the prompt's own. SDXL's end-of-text token and padding stay as they are: the
                host looks for the end to find the pooled output. For gradients, work inside `gradients()`.

        Raises:
            InputError: when there are not as many embeddings as tokens.
        """
        return self._encoded([self._tokens(prompt, embeddings)])[0]

    def encode_rows(self, prompts: Sequence[Prompt], embeddings: Sequence[Tensor]) -> list[Context]:
        """`encode` of several prompts with embeddings [T, E] each: their contexts [1, T, D].

        In one batch, but for SDXL: of several rows the host gives the first one's pooled output alone.
        """
        rows = [self._tokens(*row) for row in zip(prompts, embeddings, strict=True)]
        return [self._encoded([row])[0] for row in rows] if self.two else self._encoded(rows)

    def _tokens(self, prompt: Prompt, embeddings: Tensor | None) -> dict[str, list[Any]]:
        """What each text model reads: ids, and embeddings in their place."""
        tokens: dict[str, list[Any]] = {key: list(ids) for key, ids in self._padded(prompt).items()}
        if embeddings is not None:
            if len(embeddings) != len(prompt.ids):
                raise InputError(
                    "embeddings", f"the prompt has {len(prompt.ids)} tokens, but {len(embeddings)} were given."
                )
            widths = [table.weight.shape[1] for table in self._tables()]
            count = prompt.end if self.two else len(embeddings)
            for listed, own in zip(tokens.values(), embeddings[:count].split(widths, -1), strict=True):
                listed[:count] = [own]  # one entry of many rows, which the host joins to the others at once
        return tokens

    def _encoded(self, rows: list[dict[str, list[Any]]]) -> list[Context]:
        """Contexts [1, T, D] float32. The host takes the rows for parts of one long prompt, and joins them."""
        weighted = {key: [[(token, 1.0) for token in row[key]] for row in rows] for key in self.keys}
        with saved_tensors_hooks(self._keep, lambda kept: kept) if torch.is_grad_enabled() else nullcontext():
            encoded: Any = self.clip.encode_from_tokens(weighted, return_pooled=True)
        context, pooled = encoded
        contexts = context.float().split(CONTEXT_LENGTH, 1)
        return [PooledContext(contexts[0], pooled.float())] if self.two else list(contexts)

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

    def _tables(self) -> list[Any]:
        """The token embeddings of each text model, in the tokenizer's order."""
        models = (getattr(self.clip.cond_stage_model, f"clip_{key}") for key in self.keys)
        return [model.transformer.get_input_embeddings() for model in models]

    def _padded(self, prompt: Prompt) -> dict[str, tuple[int, ...]]:
        """The prompt's ids [T] as each text model pads them."""
        ids = prompt.ids[: prompt.end + 1]
        return {key: ids + (pad,) * (CONTEXT_LENGTH - len(ids)) for key, pad in self._pads.items()}

    def _ids(self, text: str) -> tuple[int, ...]:
        escaped = re.sub(r"\\?([()])", r"\\\1", text)  # the host reads bare parentheses as weights
        chunks = self.clip.tokenize(escaped)[self.keys[0]]
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
