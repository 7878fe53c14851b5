"""Tiny models of the SD1, SD2 and SDXL families, built through the host's own classes; random weights, fixed seed."""

from __future__ import annotations

import comfy.latent_formats
import comfy.ldm.models.autoencoder
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.sd
import comfy.supported_models
import comfy.supported_models_base
import comfy.taesd.taesd
import torch
from comfy.sd1_clip import SD1ClipModel, SD1Tokenizer
from comfy.sdxl_clip import SDXLClipModel, SDXLTokenizer
from comfy.text_encoders.sd2_clip import SD2ClipModel, SD2Tokenizer

from diff_harmonization.benchmarks.shapes import fill as fill_from

CONTEXT_DIM = 64
LAYERS = 2 + 1 + 4  # transformer blocks: down, middle, up
SDXL = "sdxl"  # as a version
SDXL_TEXT = {"clip_l": 32, "clip_g": CONTEXT_DIM}  # widths of SDXL's text models; the second gives the pooled output
SDXL_CONTEXT = sum(SDXL_TEXT.values())
SIZES = 6 * 256  # numbers that tell SDXL the picture's sizes


class TinySD2(comfy.supported_models.SD20):
    unet_extra_config = {"num_heads": -1, "num_head_channels": 16, "attn_precision": torch.float32}


class TinySD1(comfy.supported_models.SD15):
    unet_extra_config = {"num_heads": 2, "num_head_channels": -1}


class TinySDXL(comfy.supported_models.SDXL):
    unet_extra_config = {"num_heads": -1, "num_head_channels": 16}


def fill(module: torch.nn.Module, seed: int) -> None:
    fill_from(module, torch.Generator().manual_seed(seed))


def tiny_model(
    version: int | str = 2,
    prediction: str = "EPS",
    dtype: torch.dtype = torch.float32,
    inference: bool = True,
    cast: bool = True,
    seed: int = 0,
    channels: int = 4,
) -> comfy.model_patcher.ModelPatcher:
    """MODEL with 7 transformer blocks; `inference` builds it as a loader node does, from inference tensors, `cast`
    computes low-precision weights in float32, as the host does where a device is slow in them. Of 9 input `channels`,
    mask and picture follow the noisy latent. SDXL's `version` has 11 blocks, none of them at the largest size."""
    unet = {
        "image_size": 16,
        "in_channels": channels,
        "out_channels": 4,
        "model_channels": 32,
        "num_res_blocks": [1, 1],
        "channel_mult": [1, 2],
        "transformer_depth": [1, 1],
        "transformer_depth_output": [1, 1, 1, 1],
        "transformer_depth_middle": 1,
        "context_dim": CONTEXT_DIM,
        "use_linear_in_transformer": version == 2,
        "use_spatial_transformer": True,
        "adm_in_channels": None,
        "use_temporal_attention": False,
        "legacy": False,
    }
    if version == SDXL:  # attention from the second level on, several blocks at a place, pooled text and sizes
        unet |= {"channel_mult": [1, 1, 2], "num_res_blocks": [1, 1, 1], "transformer_depth": [0, 1, 2]}
        unet |= {"transformer_depth_output": [0, 0, 1, 1, 2, 2], "transformer_depth_middle": 2}
        unet |= {"context_dim": SDXL_CONTEXT, "use_linear_in_transformer": True}
        unet |= {"num_classes": "sequential", "adm_in_channels": SDXL_TEXT["clip_g"] + SIZES}
    kind = {1: TinySD1, 2: TinySD2, SDXL: TinySDXL}[version]
    base = comfy.model_base.SDXL if version == SDXL else comfy.model_base.BaseModel
    with torch.inference_mode(inference):
        config = kind(unet)
        config.set_inference_dtype(dtype, torch.float32 if cast and dtype != torch.float32 else None)
        model = base(config, comfy.model_base.ModelType[prediction])
        if config.inpaint_model():
            model.set_inpaint()
        fill(model.diffusion_model, seed)
        cpu = torch.device("cpu")
        return comfy.model_patcher.ModelPatcher(model, load_device=cpu, offload_device=cpu)


def tiny_transformer(name: str) -> comfy.model_patcher.ModelPatcher:
    """MODEL of another family: "SD3" or "Flux", a block each."""
    mmdit = {"in_channels": 16, "depth": 1, "adm_in_channels": 8, "num_patches": 16, "pos_embed_max_size": 4}
    embedder = {"target": "torch.nn.Linear", "params": {"in_features": 8, "out_features": 64}}
    flux = {"image_model": "flux", "in_channels": 16, "out_channels": 16, "vec_in_dim": 8, "context_in_dim": 8}
    flux |= {"hidden_size": 64, "mlp_ratio": 1.0, "num_heads": 2, "depth": 1, "depth_single_blocks": 1}
    flux |= {"axes_dim": [8, 12, 12], "theta": 10000, "patch_size": 2, "qkv_bias": True, "guidance_embed": True}
    flux |= {"txt_ids_dims": []}
    unet = {"SD3": mmdit | {"context_embedder_config": embedder}, "Flux": flux}[name]
    config = getattr(comfy.supported_models, name)(unet)
    config.set_inference_dtype(torch.float32, None)
    cpu = torch.device("cpu")
    return comfy.model_patcher.ModelPatcher(config.get_model({}), load_device=cpu, offload_device=cpu)


def tiny_clip(version: int | str = 2, dtype: torch.dtype = torch.float32, seed: int = 1) -> comfy.sd.CLIP:
    """CLIP of three layers with the real tokenizer; SD2's and SDXL's take the last but one, SD1's the last."""
    size = {"num_hidden_layers": 3, "hidden_size": CONTEXT_DIM, "num_attention_heads": 4, "intermediate_size": 128}
    kinds = {1: (SD1Tokenizer, SD1ClipModel), 2: (SD2Tokenizer, SD2ClipModel), SDXL: (SDXLTokenizer, SDXLClipModel)}
    target = comfy.supported_models_base.ClipTarget(*kinds[version])
    options = {"clip_h_model_config": size, "clip_l_model_config": size, "dtype": dtype}
    if version == SDXL:
        options |= {f"{name}_model_config": size | {"hidden_size": width} for name, width in SDXL_TEXT.items()}
    with torch.inference_mode():
        clip = comfy.sd.CLIP(target, model_options=options)
        fill(clip.cond_stage_model, seed)
    return clip


def tiny_vae(dtype: torch.dtype = torch.float32, seed: int = 3) -> comfy.sd.VAE:
    """VAE of SD's architecture with few channels: latents of 4 channels at an eighth of the side."""
    sizes = {"double_z": True, "z_channels": 4, "resolution": 32, "in_channels": 3, "out_ch": 3, "ch": 32}
    sizes |= {"ch_mult": [1, 1, 1, 1], "num_res_blocks": 1, "attn_resolutions": [], "dropout": 0.0}
    params = {"ddconfig": sizes, "embed_dim": 4}
    network = comfy.ldm.models.autoencoder.AutoencoderKL(**params)
    fill(network, seed)
    with torch.inference_mode():
        return comfy.sd.VAE(sd=network.state_dict(), config={"params": params}, dtype=dtype)


def tiny_taesd(dtype: torch.dtype = torch.float32, seed: int = 4) -> comfy.sd.VAE:
    """TAESD with random weights; the real one is no larger."""
    network = comfy.taesd.taesd.TAESD()
    fill(network.taesd_encoder, seed)
    fill(network.taesd_decoder, seed)
    with torch.inference_mode():
        return comfy.sd.VAE(sd=network.state_dict(), dtype=dtype)


def pixel_vae() -> comfy.sd.VAE:
    """The embedded model's: pixels are the latents."""
    with torch.inference_mode():
        return comfy.sd.VAE(sd={"pixel_space_vae": torch.tensor(1.0)})
