"""Harmony-VAEs in the host: its models folder, its device and its memory."""

from __future__ import annotations

import logging
from pathlib import Path

import comfy.model_management as management
import folder_paths
import torch
from comfy.ldm.modules.diffusionmodules.model import Decoder, Encoder, ops
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...core.errors import InputError
from ...core.masks import foreground
from ...methods.diffharmony.checkpoint import network_tensors
from ...methods.diffharmony.conditioning import latent_frame
from ...methods.diffharmony.network import HarmonyVAE
from ...methods.diffharmony.tiles import decode_in_tiles
from ..image import check_mask
from ..sampling.progress import progress

logger = logging.getLogger(__name__)

FOLDER = "harmony_vae"
NO_FILE = f"(models/{FOLDER} holds no file)"
LATENT = 4  # channels
SIZES = {  # of Stable Diffusion's VAE
    "double_z": True,
    "z_channels": LATENT,
    "resolution": 256,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 128,
    "ch_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "attn_resolutions": [],
    "dropout": 0.0,
}
# Values for each pixel while a picture is decoded: the host's estimate for its decoder, and what the skips keep.
MEMORY = 2178 + 3 * 128 + (128 + 2 * 256) / 4 + (256 + 2 * 512) / 16 + 3 * 512 / 64


def harmony_vae_names() -> list[str]:
    """The choices of a node: files of the models folder, or one that says that there are none."""
    return folder_paths.get_filename_list(FOLDER) or [NO_FILE]


def load_harmony_vae(name: str) -> HostHarmonyVAE:
    """A Harmony-VAE by its name in `harmony_vae_names`.

    Raises:
        FileNotFoundError: when there is no such file.
        InputError: when the file is damaged or holds something else.
    """
    path = folder_paths.get_full_path(FOLDER, name)
    if path is None:
        places = " or ".join(folder_paths.get_folder_paths(FOLDER))
        raise FileNotFoundError(f"there is no file '{name}' in {places}. docs/diffharmony.md says what belongs there.")
    network = empty_network()
    network.load_state_dict(network_tensors(Path(path), network.state_dict()), assign=True)
    return HostHarmonyVAE(name, network)


def empty_network() -> HarmonyVAE:
    """A network of the released sizes without memory for its weights."""
    with torch.device("meta"):
        quant = ops.Conv2d(2 * LATENT, 2 * LATENT, 1), ops.Conv2d(LATENT, LATENT, 1)
        return HarmonyVAE(Encoder(**SIZES), Decoder(**SIZES), *quant)


class HostHarmonyVAE:
    """A Harmony-VAE that the host moves to its device when it decodes.

    Args:
        name: of its file.
        network: with its weights.
    """

    def __init__(self, name: str, network: HarmonyVAE) -> None:
        self.name, self.device = name, management.vae_device()
        self.dtype = management.vae_dtype(self.device, [torch.bfloat16, torch.float32])
        network = network.to(self.dtype).eval().requires_grad_(False)
        self.patcher = ModelPatcher(network, self.device, management.vae_offload_device())
        self.scale = 2 ** (len(network.decoder.up) - 1)  # pixels of a side for one of the latent's

    def decode(self, latent: Tensor, image: Tensor, mask: Tensor) -> Tensor:
        """Pictures of latents, each by itself, with the details of the composite.

        Where the memory does not suffice for a picture, it is decoded in tiles.

        Args:
            latent: LATENT samples [B,4,h,w].
            image: the composite [B,H,W,3] or [1,H,W,3] in 0-1, at the size at which it was encoded.
            mask: MASK of the image's size, one or one for each picture, 1 on the object.

        Returns:
            IMAGE [B,8h,8w,3] in 0-1; other VAEs than Stable Diffusion's enlarge by `scale`.

        Raises:
            InputError: when the latent is of another kind, or sizes or numbers do not fit.
        """
        latent, condition, plane = _checked(latent, image, mask, self.scale)
        rows = zip(latent.split(1), condition.split(1), plane.split(1), strict=True)
        return torch.cat([self._picture(*row) for row in rows])

    @torch.no_grad()
    def _picture(self, latent: Tensor, condition: Tensor, mask: Tensor) -> Tensor:
        values = [part.to(self.dtype) for part in (latent, condition, mask)]
        try:
            self.load(int(MEMORY * mask.numel() * management.dtype_size(self.dtype)))
            return _as_image(self.patcher.model(*(part.to(self.device) for part in values)))
        except Exception as error:
            management.raise_non_oom(error)
        # The error is gone here, and the memory of its tensors with it.
        logger.warning("The memory does not suffice for the whole picture: Harmony-VAE decodes it in tiles.")
        management.soft_empty_cache()
        return self.tiled(*values)

    @torch.no_grad()
    def tiled(self, latent: Tensor, condition: Tensor, mask: Tensor) -> Tensor:
        """One picture [1,8h,8w,3] in tiles.

        Args:
            latent: [1,4,h,w].
            condition: [1,3,8h,8w] in [-1,1].
            mask: [1,1,8h,8w], 0 or 1.
        """
        self.load(0)
        return _as_image(decode_in_tiles(self.patcher.model, latent, condition, mask, report=progress(1)))

    def load(self, needed: int) -> None:
        """Bring the weights to the device, and make room for so many bytes beside them."""
        management.load_models_gpu([self.patcher], memory_required=needed, force_full_load=True)


def _checked(latent: Tensor, image: Tensor, mask: Tensor, scale: int) -> tuple[Tensor, Tensor, Tensor]:
    """Latent [B,4,h,w], composite [B,3,scale*h,scale*w] in [-1,1], binary mask [B,1,scale*h,scale*w]."""
    if latent.ndim != 4 or latent.shape[1] != LATENT:
        raise InputError(
            "latent",
            f"got shape {tuple(latent.shape)}, expected latents [B,{LATENT},h,w] of a Stable Diffusion 1.5 model.",
        )
    batch, grid = len(latent), (latent.shape[-2], latent.shape[-1])
    if len(image) not in (1, batch):
        raise InputError("image", f"got {len(image)} pictures for {batch} latents. Give one picture, or one for each.")
    condition = latent_frame(image[..., :3], grid, scale).movedim(-1, 1).to(latent).contiguous() * 2 - 1
    plane = foreground(latent_frame(check_mask(mask, image), grid, scale))[:, None].to(latent)
    return latent, condition.expand(batch, -1, -1, -1), plane.expand(batch, -1, -1, -1)


def _as_image(pixels: Tensor) -> Tensor:
    """[1,3,H,W] in [-1,1] as IMAGE [1,H,W,3] in 0-1."""
    out = pixels.to(management.intermediate_device(), torch.float32)
    return out.add(1).div(2).clamp(0, 1).movedim(1, -1)
