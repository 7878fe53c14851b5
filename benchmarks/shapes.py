"""The shapes of the models that people have: on the meta device at full size, and narrow with random weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import comfy.clip_model
import comfy.ldm.models.autoencoder
import comfy.model_base
import comfy.model_patcher
import comfy.ops
import comfy.sd
import comfy.supported_models
import comfy.supported_models_base
import torch
from comfy.ldm.modules.diffusionmodules.model import AttnBlock
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from comfy.sd1_clip import SD1ClipModel, SD1Tokenizer
from comfy.sdxl_clip import SDXLClipModel, SDXLTokenizer
from comfy.text_encoders.sd2_clip import SD2ClipModel, SD2Tokenizer
from torch import Tensor, nn

from ..host.diffharmony.vae import SIZES
from ..host.sampling.upsampling import fuse_upsampling
from ..host.zero_shot.edit import Models

Size = Literal["sd15", "sd2", "sdxl"]
TOKENS = 77
SIZES_WIDTH = 6 * 256  # numbers that tell SDXL the picture's sizes, after the pooled text

_UNET: dict[str, Any] = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 320,
    "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": [1, 2, 4, 4],
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
    "transformer_depth_middle": 1,
    "use_spatial_transformer": True,
    "adm_in_channels": None,
    "use_temporal_attention": False,
    "legacy": False,
}
_TEXT: dict[str, Any] = {"max_position_embeddings": TOKENS, "eos_token_id": 49407}
_TEXT_L: dict[str, Any] = _TEXT | {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "hidden_act": "quick_gelu",
}


@dataclass(frozen=True)
class Shape:
    """A checkpoint's networks, in the host's words."""

    name: str
    unet: dict[str, Any]
    texts: dict[str, dict[str, Any]]  # its text models, by the host's letters for them
    vae: dict[str, Any] = field(default_factory=lambda: SIZES)
    latent: int = 64  # side

    @property
    def first(self) -> bool:
        """Whether it is of SD1's family."""
        return not self.unet["use_linear_in_transformer"]

    @property
    def two(self) -> bool:
        """Whether it is of SDXL's family, with two text models."""
        return len(self.texts) == 2


SHAPES: dict[Size, Shape] = {
    "sd15": Shape(
        "SD1.5 at 512 pixels",
        _UNET | {"context_dim": 768, "use_linear_in_transformer": False, "num_heads": 8, "num_head_channels": -1},
        {"l": _TEXT_L},
    ),
    "sd2": Shape(
        "SD2 at 512 pixels",
        _UNET | {"context_dim": 1024, "use_linear_in_transformer": True, "num_heads": -1, "num_head_channels": 64},
        {
            "h": _TEXT
            | {
                "hidden_size": 1024,
                "intermediate_size": 4096,
                "num_attention_heads": 16,
                "num_hidden_layers": 24,
                "hidden_act": "gelu",
            }
        },
    ),
    "sdxl": Shape(
        "SDXL at 1024 pixels",
        _UNET
        | {
            "num_res_blocks": [2, 2, 2],
            "channel_mult": [1, 2, 4],
            "transformer_depth": [0, 0, 2, 2, 10, 10],
            "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
            "transformer_depth_middle": 10,
            "context_dim": 2048,
            "use_linear_in_transformer": True,
            "num_heads": -1,
            "num_head_channels": 64,
            "num_classes": "sequential",
            "adm_in_channels": 1280 + SIZES_WIDTH,
        },
        {
            "g": _TEXT
            | {
                "hidden_size": 1280,
                "intermediate_size": 5120,
                "num_attention_heads": 20,
                "num_hidden_layers": 32,
                "hidden_act": "gelu",
            },
            "l": _TEXT_L,
        },
        latent=128,
    ),
}


def narrow(shape: Shape, channels: int, width: int, latent: int) -> Shape:
    """The same networks with fewer channels: every layer and its order stay.

    Args:
        shape: of full size.
        channels: of the UNet's first level, in place of 320; a multiple of 32, and of 64 for SD2's heads to be as large
            as they are.
        width: of a text model, a multiple of 16.
        latent: side of the latents.
    """
    narrow_text = {"hidden_size": width, "intermediate_size": 4 * width, "num_attention_heads": width // 16}
    return replace(
        shape,
        name=f"{shape.name.split(' at ')[0]}, {channels} channels in place of 320, {8 * latent} pixels",
        unet=shape.unet
        | {"model_channels": channels, "context_dim": width * len(shape.texts)}
        | ({} if shape.first else {"num_head_channels": min(64, channels)})
        | ({"adm_in_channels": width + SIZES_WIDTH} if shape.two else {}),
        texts={name: text | narrow_text for name, text in shape.texts.items()},
        vae=shape.vae | {"ch": 32},
        latent=latent,
    )


def shallow(shape: Shape, layers: int = 3) -> Shape:
    """The same with text models of so many layers."""
    return replace(shape, texts={name: text | {"num_hidden_layers": layers} for name, text in shape.texts.items()})


def meta_unet(shape: Shape, dtype: torch.dtype = torch.float32) -> UNetModel:
    """The UNet without memory; weights of another type than float32 are cast in every operation."""
    return UNetModel(**shape.unet, dtype=dtype, device="meta", operations=_operations(dtype)).requires_grad_(False)


def meta_texts(shape: Shape, dtype: torch.dtype = torch.float32) -> nn.ModuleDict:
    """The text models without memory, by the host's letters for them."""
    models = {
        name: comfy.clip_model.CLIPTextModel(text, dtype, torch.device("meta"), _operations(dtype))
        for name, text in shape.texts.items()
    }
    return nn.ModuleDict(models).requires_grad_(False)


def meta_vae(shape: Shape, fused: bool) -> nn.Module:
    """The VAE without memory; `fused` as a private decoder of the pack computes it."""
    with torch.device("meta"):
        vae = comfy.ldm.models.autoencoder.AutoencoderKL(ddconfig=copy.deepcopy(shape.vae), embed_dim=4)
    for block in vae.modules():
        if isinstance(block, AttnBlock):
            block.optimized_attention = _attend_in_vae  # the host's asks how much memory is free
    if fused:
        fuse_upsampling(vae)
    return vae.requires_grad_(False)


def _attend_in_vae(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """One head of all channels [B, C, H, W], by its maps."""
    flat_q, flat_k, flat_v = (x.flatten(2).transpose(1, 2) for x in (q, k, v))
    maps = (flat_q @ flat_k.transpose(1, 2)).softmax(-1)
    return (maps @ flat_v).transpose(1, 2).reshape(q.shape)


def _operations(dtype: torch.dtype) -> Any:
    return comfy.ops.disable_weight_init if dtype == torch.float32 else comfy.ops.manual_cast


class _NarrowSD2(comfy.supported_models.SD20):
    pass


class _NarrowSD1(comfy.supported_models.SD15):
    pass


class _NarrowSDXL(comfy.supported_models.SDXL):
    pass


def random_models(shape: Shape, seed: int = 0) -> Models:
    """MODEL, CLIP and VAE of a shape with random weights of unit gain, in float32 on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    cpu = torch.device("cpu")
    heads = {name: shape.unet[name] for name in ("num_heads", "num_head_channels")}
    kind, base, *texts = _classes(shape)
    kind = type(kind.__name__, (kind,), {"unet_extra_config": heads | {"attn_precision": torch.float32}})
    with torch.inference_mode():
        config = kind({name: value for name, value in shape.unet.items() if name not in heads})
        config.set_inference_dtype(torch.float32, None)
        model = base(config, comfy.model_base.ModelType.EPS)
        fill(model.diffusion_model, generator)
        options = {f"clip_{name}_model_config": text for name, text in shape.texts.items()}
        clip = comfy.sd.CLIP(
            comfy.supported_models_base.ClipTarget(*texts), model_options=options | {"dtype": torch.float32}
        )
        fill(clip.cond_stage_model, generator)
    params = {"ddconfig": shape.vae, "embed_dim": 4}
    network = comfy.ldm.models.autoencoder.AutoencoderKL(**copy.deepcopy(params))
    fill(network, generator)
    with torch.inference_mode():
        vae = comfy.sd.VAE(sd=network.state_dict(), config={"params": params}, dtype=torch.float32)
    return Models(comfy.model_patcher.ModelPatcher(model, load_device=cpu, offload_device=cpu), clip, vae)


def _classes(shape: Shape) -> Any:
    """The host's for a shape: its description, the model, the tokenizer, the text models."""
    if shape.two:
        return _NarrowSDXL, comfy.model_base.SDXL, SDXLTokenizer, SDXLClipModel
    if shape.first:
        return _NarrowSD1, comfy.model_base.BaseModel, SD1Tokenizer, SD1ClipModel
    return _NarrowSD2, comfy.model_base.BaseModel, SD2Tokenizer, SD2ClipModel


@torch.no_grad()
def fill(network: nn.Module, generator: torch.Generator) -> None:
    """Random weights of unit gain: the host leaves them uninitialised."""
    for name, weight in network.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        if weight.ndim > 1 and "embedding" not in name:
            weight.copy_(noise / weight[0].numel() ** 0.5)
        elif "norm" in name and name.endswith("weight"):
            weight.copy_(1 + 0.1 * noise)
        else:
            weight.copy_(0.1 * noise)


def attention_override(attention: Callable[..., Tensor]) -> dict[str, Any]:
    """Model options under which a UNet's layers attend by `fused_attention` or `explicit_attention`."""
    return {"transformer_options": {"optimized_attention_override": attention}}


def fused_attention(_function: Any, q: Tensor, k: Tensor, v: Tensor, heads: int, *_args: Any, **_rest: Any) -> Tensor:
    """The kernel that a GPU takes in float32, which the meta device knows, too.

    Of an attention it keeps q, k, v, the result and one number a query, never the maps.
    """
    q, k, v = (_split(x, heads) for x in (q, k, v))
    kernel = torch.ops.aten._scaled_dot_product_efficient_attention
    return _join(kernel(q, k, v, None, compute_log_sumexp=torch.is_grad_enabled())[0])


def explicit_attention(
    _function: Any, q: Tensor, k: Tensor, v: Tensor, heads: int, *_args: Any, **_rest: Any
) -> Tensor:
    """Attention by its maps: the products that it is made of, none of them twice."""
    q, k, v = (_split(x, heads) for x in (q, k, v))
    return _join((q @ k.transpose(-1, -2)).softmax(-1) @ v)


def _split(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _join(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)
