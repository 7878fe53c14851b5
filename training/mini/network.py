"""What the embedded model's training sees: the host's UNet and text encoder, with a table of the known tokens only."""

from __future__ import annotations

import copy
from typing import Any

import comfy.ops
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...mini.text import CONFIG, KNOWN, MiniTextEncoder, MiniTokenizer
from ...mini.unet import SIGMA_DATA, MiniConfig, MiniLatent, MiniUNet
from .looks import look_loss

FOREGROUND_WEIGHT = 3.0  # of the loss inside the object's mask, where the words act
LOOK_WEIGHT = 0.5  # of the object's look, five numbers, beside the pixels


class CaptionTokenizer(MiniTokenizer):
    """Captions keep every known word, so that the model can learn it."""

    spelled_out = {}


class Vocabulary:
    """The tokens of the known words: ids of CLIP's table <-> rows of the small trained one."""

    def __init__(self) -> None:
        self.tokenizer = CaptionTokenizer()
        ids = {token for word in sorted(KNOWN) for token in self.ids(word)} | set(self.ids(""))
        self.token_ids = sorted(ids)
        self.rows = {token: row for row, token in enumerate(self.token_ids)}

    def ids(self, text: str) -> list[int]:
        return [pair[0] for pair in self.tokenizer.tokenize_with_weights(text)["h"][0]]

    def encode(self, captions: list[str]) -> Tensor:
        """Rows of the table, [B,77]."""
        return torch.tensor([[self.rows[token] for token in self.ids(text)] for text in captions])


class Network(nn.Module):
    """The text encoder with a table of `tokens` tokens, and the UNet; drawn anew."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.text: Any = MiniTextEncoder(dtype=torch.float32).transformer
        del self.text.text_projection
        self.text.set_input_embeddings(nn.Embedding(tokens, CONFIG["hidden_size"]))
        options = dict(MiniConfig.unet_config, **MiniConfig.unet_extra_config, dtype=torch.float32)
        self.unet = MiniUNet(**copy.deepcopy(options), operations=comfy.ops.disable_weight_init)
        initialize(self)

    def context(self, rows: Tensor) -> Tensor:
        """The encoder's forward without the host's in-place additions, which autograd refuses."""
        model = self.text.text_model
        x = model.embeddings.token_embedding(rows) + model.embeddings.position_embedding.weight
        heads = CONFIG["num_attention_heads"]
        for layer in model.encoder.layers:
            attention, normed = layer.self_attn, layer.layer_norm1(x)
            q, k, v = (
                projection(normed).unflatten(-1, (heads, -1)).transpose(1, 2)
                for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
            )
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + attention.out_proj(mixed.transpose(1, 2).flatten(-2))
            x = x + layer.mlp(layer.layer_norm2(x))
        return model.final_layer_norm(x)

    def losses(
        self,
        images: Tensor,
        shown: Tensor,
        masks: Tensor,
        rows: Tensor,
        generator: torch.Generator,
        late_share: float = 0.5,
    ) -> dict[str, Tensor]:
        """Mean square error of the inner network's output, at random noise levels, and how far the looks are off.

        Args:
            images: [B,3,64,64] in 0-1, what the captions describe and the network shall make.
            shown: the same, what lies under the noise. Where the noise is weaker than SIGMA_DATA it comes nearer to
                the images, so that the error stays bounded.
            masks: [B,1,64,64], 1 on the object, where an error counts FOREGROUND_WEIGHT times.
            rows: of the captions' tokens, [B,77].
            generator: of levels and noise, on the CPU.
            late_share: share of the levels whose timestep t has a density proportional to t, since the words decide
                more the noisier the picture is; the others are log-normal about SIGMA_DATA.
        """
        clean, other = ((x * 2 - 1) * MiniLatent.scale_factor for x in (images, shown))
        timesteps = self.draw_timesteps(len(images), generator, late_share).to(images.device)
        sigma = self.unet.sigma(timesteps)
        noise = torch.randn(clean.shape, generator=generator).to(images.device)
        noisy = torch.lerp(clean, other, (sigma / SIGMA_DATA).clamp_max(1)) + sigma * noise
        total = (sigma**2 + SIGMA_DATA**2).sqrt()
        # The prediction is c_skip noisy + c_out inner, with c_skip = data^2 / total^2 and c_out = sigma data / total.
        skipped, reach = noisy * SIGMA_DATA**2 / total**2, sigma * SIGMA_DATA / total
        with torch.autocast(images.device.type, torch.bfloat16, enabled=has_fast_bf16(images.device)):
            inner = self.unet.inner(noisy / total, timesteps, self.context(rows))
        weight = 1 + (FOREGROUND_WEIGHT - 1) * masks
        error = inner.float() - (clean - skipped) / reach
        pixels = (weight * error.square()).sum() / (weight.sum() * images.shape[1])
        made = skipped + inner.float() * reach
        looks = look_loss((made / MiniLatent.scale_factor + 1) / 2, images, masks, sigma.flatten())
        return {"pixel loss": pixels, "look loss": LOOK_WEIGHT * looks}

    def draw_timesteps(self, count: int, generator: torch.Generator, late_share: float) -> Tensor:
        """Timesteps [count] as `losses` wants them."""
        sigmas = self.unet.timestep_sigmas.cpu()
        late = (torch.rand(count, generator=generator).sqrt() * len(sigmas)).long().clamp_max(len(sigmas) - 1)
        aimed = (torch.randn(count, generator=generator) * 1.2).exp() * SIGMA_DATA
        nearest = (sigmas.log()[None] - aimed.log()[:, None]).abs().argmin(1)
        return torch.where(torch.rand(count, generator=generator) < late_share, late, nearest)


def has_fast_bf16(device: torch.device) -> bool:
    """A CPU without AVX-512 emulates bf16, an order of magnitude slower than float32."""
    return device.type == "cuda" or "AVX512" in torch.backends.cpu.get_cpu_capability()


def initialize(network: nn.Module) -> None:
    """The host's layers come without values. Zero the last layer of every residual branch, as is usual."""
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, (nn.LayerNorm, nn.GroupNorm)):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.5 if module.num_embeddings != 77 else 0.1)
    for name, parameter in network.named_parameters():
        if name.endswith(("out_layers.3.weight", "proj_out.weight", "out.2.weight")):
            nn.init.zeros_(parameter)
        parameter.requires_grad_(True)
