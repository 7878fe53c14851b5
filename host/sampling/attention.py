"""The engine's attention control on the host's replace patches.

Patches live in the options of single denoise calls, never on the MODEL: nothing has to be undone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from comfy.cli_args import args
from comfy.ldm.modules import attention as host_attention
from comfy.model_patcher import set_model_options_patch_replace
from torch import Tensor, nn

from ...attention.control import KINDS, Attend, AttentionControl, AttentionLayer, Kind
from ...core.errors import InputError

logger = logging.getLogger(__name__)

Options = dict[str, Any]
_PATCHES: dict[Kind, str] = {"self": "attn1", "cross": "attn2"}
_OVERRIDE = "optimized_attention_override"  # the host's name for a kernel in place of its own


def transformer_blocks(unet: Any) -> Iterator[tuple[str, int, int, nn.Module]]:
    """(place, block number, index within the block, module) of every transformer block, in forward order."""
    places = (("input", unet.input_blocks), ("middle", [unet.middle_block]), ("output", unet.output_blocks))
    for place, blocks in places:
        for number, block in enumerate(blocks):
            for layer in block.children() if block is not None else ():
                if isinstance(layer, host_attention.SpatialTransformer):
                    for index, transformer in enumerate(layer.transformer_blocks):
                        yield place, number, index, transformer


class ControlledAttention:
    """Model options under which every attention layer of a UNet asks the control of the running denoise call.

    Args:
        unet: the host's UNetModel.
        options: the stage's model options; left as they are.
        gradients: attend with PyTorch's own kernel, which surely has a backward.
        kinds: of the layers that ask; the others attend as the host does.

    Raises:
        InputError: when the UNet has no attention layer that can be patched.
    """

    def __init__(self, unet: nn.Module, options: Options, gradients: bool, kinds: Iterable[Kind] = KINDS) -> None:
        self.gradients = gradients
        self.control: AttentionControl | None = None
        self.options = {**options, "transformer_options": dict(options.get("transformer_options", {}))}
        held = self.options["transformer_options"].get("patches_replace", {})
        taken, blocks = [], list(transformer_blocks(unet))
        for position, (place, number, index, block) in enumerate(blocks):
            for kind in kinds:
                name = _PATCHES[kind]
                if getattr(block, name, None) is None:
                    continue
                if held.get(name, {}).keys() & {(place, number), (place, number, index)}:
                    taken.append(f"{name} of {place} {number}")
                keys = getattr(block, name).to_k if kind == "cross" else None
                layer = AttentionLayer(kind, place, position, block.n_heads, keys)  # type: ignore[arg-type]
                patch = self._patch(layer)
                self.options = set_model_options_patch_replace(self.options, patch, name, place, number, index)
        if not blocks:
            raise InputError(
                "unet",
                f"no attention layer of the model could be patched ({type(unet).__name__} has no spatial transformer). "
                f"Use a model of the SD1.5, SD2 or SDXL family.",
            )
        if taken:
            logger.warning(
                "Another node replaces the attention of this MODEL (%s). Its patch is set aside for this stage.",
                ", ".join(taken),
            )

    def _patch(self, layer: AttentionLayer) -> Callable[[Tensor, Tensor, Tensor, Options], Tensor]:
        def replace(q: Tensor, k: Tensor, v: Tensor, extra_options: Options) -> Tensor:
            attend = self._attend(layer.heads, extra_options)
            assert self.control is not None, "the options are used only while a control is set"
            # Several entries of a CONDITIONING may share one evaluation; each holds all of the latent's rows.
            chunks = len(extra_options.get("cond_or_uncond") or (0,))
            parts = zip(q.chunk(chunks), k.chunk(chunks), v.chunk(chunks), strict=True)
            out = [self.control(layer, *part, attend) for part in parts]
            return out[0] if chunks == 1 else torch.cat(out)

        return replace

    def _attend(self, heads: int, extra_options: Options) -> Attend:
        function = host_attention.attention_pytorch if self.gradients else host_attention.optimized_attention

        def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            precision = extra_options.get("attn_precision")
            return function(q, k, v, heads, attn_precision=precision, transformer_options=extra_options)

        return attend


def differentiable_attention(options: Options) -> Options:
    """Model options under which the host attends with PyTorch's own kernel: others may lack a backward."""
    if _OVERRIDE in options.get("transformer_options", {}):
        logger.warning("Another node overrides this MODEL's attention kernel. It is set aside while gradients flow.")
    return _with_kernel(options, host_attention.attention_pytorch)


def plain_attention(options: Options, device: torch.device) -> Options:
    """Model options for a stage without gradients: the kernel that a node or the user chose, or else the host's.

    Where the host would take its own for a CPU, PyTorch's is faster: 2.3 times at 4096 tokens, SD2's largest layer.
    """
    if _OVERRIDE in options.get("transformer_options", {}):
        return options
    slow = host_attention.optimized_attention is host_attention.attention_sub_quad
    slow = slow and device.type == "cpu" and not args.use_quad_cross_attention
    return _with_kernel(options, host_attention.attention_pytorch if slow else None)


def _with_kernel(options: Options, kernel: Callable | None) -> Options:
    """Model options under which all layers attend by a kernel; None: each by the one that it asks for."""

    def override(own: Callable, q: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if not len(q):  # `shared_rows` may leave none, for which kernels are not made
            return q
        return (kernel or own)(q, *args, **kwargs)

    return {**options, "transformer_options": {**options.get("transformer_options", {}), _OVERRIDE: override}}
