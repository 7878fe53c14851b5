"""Checkpoint files of SD1, SD2 and SDXL with few weights, for loaders that read a model's kind from its file.

The text encoder and the VAE have the sizes that the host insists on; all weights are overlapping views of a little
noise, which a .ckpt stores once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

UNET = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 320,
    "num_res_blocks": [1, 1, 1],
    "channel_mult": [1, 1, 1],
    "transformer_depth": [1, 1, 1],
    "transformer_depth_output": [1, 1, 1, 1, 1, 1],
    "transformer_depth_middle": 1,
    "context_dim": 1024,
    "use_linear_in_transformer": True,
    "use_spatial_transformer": True,
    "num_heads": -1,
    "num_head_channels": 64,
    "use_temporal_attention": False,
    "legacy": False,
}
SD1 = {"context_dim": 768, "use_linear_in_transformer": False, "num_heads": 8, "num_head_channels": -1}  # in UNET
SDXL = {  # in UNET; the host tells SDXL by its depths, widths and sizes of conditioning
    "num_res_blocks": [2, 2, 2],
    "transformer_depth": [0, 0, 2, 2, 10, 10],
    "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
    "transformer_depth_middle": 10,
    "context_dim": 2048,
    "num_classes": "sequential",
    "adm_in_channels": 2816,
}
VAE = {
    "double_z": True,
    "z_channels": 4,
    "resolution": 256,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 128,
    "ch_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "attn_resolutions": [],
    "dropout": 0.0,
}
TOKENS, WINDOW = 49408, 77


class Weights:
    """Tensors of any shape in unit gain, cut out of one buffer of noise a scale."""

    def __init__(self, seed: int = 0) -> None:
        self.noise = torch.randn(1_000_000, generator=torch.Generator().manual_seed(seed))
        self.scaled: dict[int, Tensor] = {}

    def __call__(self, name: str, shape: tuple[int, ...]) -> Tensor:
        if len(shape) < 2:
            return torch.full(shape, float(not name.endswith("bias"))).half()
        inputs = 2500 if "embedding" in name else torch.Size(shape[1:]).numel()
        if inputs not in self.scaled:
            self.scaled[inputs] = (self.noise / inputs**0.5).half()
        strides = [1]
        for side in reversed(shape[2:]):
            strides.insert(0, strides[0] * side)
        rows = (len(self.noise) - inputs) // shape[0]
        return self.scaled[inputs].as_strided(shape, (min(rows, 7919), *strides))


def shapes_of(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in module.state_dict().items()}


def unet_shapes(**changes: Any) -> dict[str, tuple[int, ...]]:
    import comfy.ops
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

    with torch.device("meta"):
        return shapes_of(UNetModel(**UNET | changes, operations=comfy.ops.disable_weight_init))


def vae_shapes() -> dict[str, tuple[int, ...]]:
    from comfy.ldm.models.autoencoder import AutoencoderKL

    with torch.device("meta"):
        return shapes_of(AutoencoderKL(ddconfig=VAE, embed_dim=4))


def text_shapes(layers: int, width: int) -> dict[str, tuple[int, ...]]:
    """The text encoder of SD1 and SD2 under the names of its first publication, OpenCLIP's."""
    shapes: dict[str, tuple[int, ...]] = {
        "token_embedding.weight": (TOKENS, width),
        "positional_embedding": (WINDOW, width),
        "ln_final.weight": (width,),
        "ln_final.bias": (width,),
        "text_projection": (width, width),
    }
    matrices = {"attn.in_proj_": (3 * width, width), "attn.out_proj.": (width, width)}
    matrices |= {"mlp.c_fc.": (4 * width, width), "mlp.c_proj.": (width, 4 * width)}
    for index in range(layers):
        block = f"transformer.resblocks.{index}"
        shapes |= {f"{block}.{norm}.{kind}": (width,) for norm in ("ln_1", "ln_2") for kind in ("weight", "bias")}
        shapes |= {f"{block}.{name}weight": shape for name, shape in matrices.items()}
        shapes |= {f"{block}.{name}bias": shape[:1] for name, shape in matrices.items()}
    return shapes


def write_sd2(path: Path) -> Path:
    """A whole SD2 checkpoint: small UNet, OpenCLIP ViT-H (354 million weights when loaded), SD's VAE."""
    return _write(path, _checkpoint(unet_shapes(), text_shapes(24, 1024), "cond_stage_model.model."))


def write_sd1(path: Path, channels: int = 4) -> Path:
    """A whole SD1 checkpoint: small UNet, CLIP ViT-L (123 million weights when loaded), SD's VAE.

    A UNet of 9 input channels is one for inpainting.
    """
    import comfy.utils

    text = comfy.utils.clip_text_transformers_convert(_meta(text_shapes(12, 768)), "", "transformer.")
    return _write(
        path,
        _checkpoint(
            unet_shapes(**SD1, in_channels=channels),
            {name: tuple(x.shape) for name, x in text.items()},
            "cond_stage_model.",
        ),
    )


def write_sdxl(path: Path, layers: tuple[int, int] = (12, 32)) -> Path:
    """A whole SDXL checkpoint: small UNet (0.2 billion weights when loaded), SD's VAE, CLIP ViT-L and OpenCLIP bigG.

    The host expects 12 and 32 `layers` of the text models (0.8 billion weights), unless it is told of fewer.
    """
    import comfy.utils

    first = comfy.utils.clip_text_transformers_convert(_meta(text_shapes(layers[0], 768)), "", "transformer.")
    text = {f"0.{name}": tuple(x.shape) for name, x in first.items()}
    text |= {f"1.model.{name}": shape for name, shape in text_shapes(layers[1], 1280).items()}
    return _write(path, _checkpoint(unet_shapes(**SDXL), text, "conditioner.embedders."))


def write_refiner_unet(path: Path) -> Path:
    """A UNet alone, of SDXL Refiner's kind."""
    depths = {"transformer_depth": [0, 0, 4, 4, 4, 4, 0, 0], "transformer_depth_middle": 4}
    depths |= {"transformer_depth_output": [0, 0, 0, 4, 4, 4, 4, 4, 4, 0, 0, 0]}
    shape = {"model_channels": 384, "num_res_blocks": [2] * 4, "channel_mult": [1] * 4, "context_dim": 1280}
    return _write(path, unet_shapes(**SDXL | depths | shape | {"adm_in_channels": 2560}))


def write_inpainting_unet(path: Path) -> Path:
    """A UNet alone, of SD1's kind, with 9 input channels."""
    return _write(path, unet_shapes(**SD1, in_channels=9))


def write_controlnet(path: Path) -> Path:
    """A ControlNet for the UNet of `write_sd1`."""
    import comfy.ops
    from comfy.cldm.cldm import ControlNet

    sizes = {
        name: value for name, value in (UNET | SD1).items() if name not in ("out_channels", "transformer_depth_output")
    }
    with torch.device("meta"):
        network = ControlNet(**sizes, hint_channels=3, operations=comfy.ops.disable_weight_init)
    return _write(path, shapes_of(network))


def write_lora(path: Path) -> Path:
    """A LoRA of rank 4 on the cross-attention of one block of `write_sd1`'s UNet."""
    name, width = "lora_unet_middle_block_1_transformer_blocks_0_attn2_to_v", UNET["model_channels"]
    up, down = (width, 4), (4, SD1["context_dim"])
    return _write(path, {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down, f"{name}.alpha": (1,)})


def write_unclip_unet(path: Path) -> Path:
    """A UNet alone, of the unCLIP variant: SD2's relative that also takes a pooled image embedding."""
    return _write(path, unet_shapes(num_classes="sequential", adm_in_channels=2048))


def _meta(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def _checkpoint(unet: dict, text: dict, text_prefix: str) -> dict[str, tuple[int, ...]]:
    parts = {"model.diffusion_model.": unet, text_prefix: text, "first_stage_model.": vae_shapes()}
    return {f"{part}{name}": shape for part, shapes in parts.items() for name, shape in shapes.items()}


def _write(path: Path, shapes: dict[str, tuple[int, ...]]) -> Path:
    weights = Weights()
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": {name: weights(name, shape) for name, shape in shapes.items()}}, path)
    return path
