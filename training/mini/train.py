"""Train the embedded model: `python -m diff_harmonization.training.mini.train --photos FOLDER --work FOLDER`.

Resumable: run it again with the same folder and it goes on from the last checkpoint. Needs the host on the path.
"""

from __future__ import annotations

import copy
import math
import random
import time
from pathlib import Path
from typing import Annotated, Any

import comfy.options
import torch

comfy.options.enable_args_parsing(False)  # the host would otherwise read this command's arguments

from comfy.cli_args import args as host_options  # noqa: E402

host_options.cpu = not torch.cuda.is_available()

import comfy.ops  # noqa: E402
import typer  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from ...data.photos import read_photos  # noqa: E402
from ...description.statistics.norms import load_norms  # noqa: E402
from ...mini.text import CONFIG, KNOWN, MiniTextEncoder, MiniTokenizer  # noqa: E402
from ...mini.unet import SIGMA_DATA, MiniConfig, MiniLatent, MiniUNet  # noqa: E402
from .samples import Crops, Sampler, cut_crops  # noqa: E402

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# A CPU without AVX-512 emulates bf16, an order of magnitude slower than float32.
BF16 = DEVICE.type == "cuda" or "AVX512" in torch.backends.cpu.get_cpu_capability()
FOREGROUND_WEIGHT = 3.0  # of the loss inside the object's mask, where the words act


class Vocabulary:
    """The tokens of the known words: ids of CLIP's table <-> rows of the small trained one."""

    def __init__(self) -> None:
        self.tokenizer = MiniTokenizer()
        ids = {token for word in sorted(KNOWN) for token in self.ids(word)} | set(self.ids(""))
        self.token_ids = sorted(ids)
        self.rows = {token: row for row, token in enumerate(self.token_ids)}

    def ids(self, text: str) -> list[int]:
        return [pair[0] for pair in self.tokenizer.tokenize_with_weights(text)["h"][0]]

    def encode(self, captions: list[str]) -> Tensor:
        return torch.tensor([[self.rows[token] for token in self.ids(text)] for text in captions], device=DEVICE)


class Network(nn.Module):
    """The text encoder with a table of the known tokens only, and the UNet: what training sees."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.text: Any = MiniTextEncoder(device=DEVICE, dtype=torch.float32).transformer
        del self.text.text_projection
        self.text.set_input_embeddings(nn.Embedding(tokens, CONFIG["hidden_size"], device=DEVICE))
        options = dict(MiniConfig.unet_config, **MiniConfig.unet_extra_config, dtype=torch.float32)
        self.unet = MiniUNet(**copy.deepcopy(options), device=DEVICE, operations=comfy.ops.disable_weight_init)
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

    def loss(
        self, images: Tensor, masks: Tensor, rows: Tensor, generator: torch.Generator, late_share: float = 0.5
    ) -> Tensor:
        """Loss on the inner output, noise levels log-normal about SIGMA_DATA mixed with t of density proportional
        to t: the noisier, the more the words decide."""
        clean = (images * 2 - 1) * MiniLatent.scale_factor
        sigmas = self.unet.timestep_sigmas
        late = (torch.rand(len(images), generator=generator).sqrt() * len(sigmas)).long().clamp_max(len(sigmas) - 1)
        aimed = (torch.randn(len(images), generator=generator) * 1.2).exp() * SIGMA_DATA
        nearest = (sigmas.cpu().log()[None] - aimed.log()[:, None]).abs().argmin(1)
        timesteps = torch.where(torch.rand(len(images), generator=generator) < late_share, late, nearest).to(DEVICE)
        sigma = self.unet.sigma(timesteps)
        noise = torch.randn(clean.shape, generator=generator).to(DEVICE)
        noisy, total = clean + sigma * noise, (sigma**2 + SIGMA_DATA**2).sqrt()
        # c_skip = data^2 / total^2 and c_out = sigma data / total give the inner network this target:
        target = (clean - noisy * SIGMA_DATA**2 / total**2) / (sigma * SIGMA_DATA / total)
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=BF16):
            inner = self.unet.inner(noisy / total, timesteps, self.context(rows))
        weight = 1 + (FOREGROUND_WEIGHT - 1) * masks
        return (weight * (inner.float() - target).square()).sum() / (weight.sum() * images.shape[1])


def initialize(network: nn.Module) -> None:
    """The host's layers come uninitialised; zero the last layer of every residual branch, as is usual."""
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


def export(network: Network, vocabulary: Vocabulary, path: Path) -> None:
    """Write the weights as fp16 safetensors, with the ids of the token table's rows."""
    tensors = {name: value.half().contiguous().cpu() for name, value in network.state_dict().items()}
    tensors["token_ids"] = torch.tensor(vocabulary.token_ids, dtype=torch.int32)
    save_file(tensors, path)


def load_crops(photos: Path, work: Path, per_photo: int) -> Crops:
    cache = work / f"crops-{per_photo}.pt"
    if not cache.is_file():
        temporary = cache.with_suffix(".tmp")
        torch.save(vars(cut_crops(read_photos(photos, "train"), per_photo, random.Random(0))), temporary)
        temporary.replace(cache)
    return Crops(**torch.load(cache, weights_only=True))


def cosine_schedule(step: int, steps: int, warmup: int = 200) -> float:
    """Learning rate factor: linear warm-up, then a cosine to a hundredth."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))


def main(
    photos: Annotated[Path, typer.Option(help="Folder with images/, masks/ and index.csv.")],
    work: Annotated[Path, typer.Option(help="Checkpoints and exported weights go here.")],
    steps: int = 6000,
    batch: int = 24,
    learning_rate: float = 4e-4,
    per_photo: int = 6,
    late_share: Annotated[
        float, typer.Option(help="Share of noise levels drawn towards the noisy end, where words matter most.")
    ] = 0.85,
    initial: Annotated[
        Path | None, typer.Option(help="Exported weights to start from, when there is no checkpoint yet.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="Stop after this long; run again to go on.")] = 1e9,
) -> None:
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    vocabulary = Vocabulary()
    network = Network(len(vocabulary.token_ids)).to(DEVICE)
    if initial is not None:
        weights = load_file(initial)
        if weights.pop("token_ids").tolist() != vocabulary.token_ids:
            raise ValueError(f"{initial} was trained on other words than this vocabulary; start afresh.")
        network.load_state_dict(weights)
    average = copy.deepcopy(network).requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, betas=(0.9, 0.99), weight_decay=0.01)
    checkpoint, start = work / "checkpoint.pt", 0
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True, map_location=DEVICE)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["step"]
    sampler = Sampler(load_crops(photos, work, per_photo), load_norms(), seed=1)
    typer.echo(
        f"{sum(p.numel() for p in network.parameters()) / 1e6:.1f}M parameters, {len(sampler.crops.objects)} crops"
    )

    def save(step: int) -> None:
        state = {"network": network, "average": average, "optimizer": optimizer}
        temporary = checkpoint.with_suffix(".tmp")
        torch.save({name: value.state_dict() for name, value in state.items()} | {"step": step}, temporary)
        temporary.replace(checkpoint)
        export(average, vocabulary, work / "mini.safetensors")

    began, losses = time.monotonic(), []
    for step in range(start, steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * cosine_schedule(step, steps)
        images, masks, captions = sampler.batch(step, batch)
        dice = torch.Generator().manual_seed(step)
        loss = network.loss(images.to(DEVICE), masks.to(DEVICE), vocabulary.encode(captions), dice, late_share)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        decay = min(0.9995, (step + 1) / (step + 10))
        with torch.no_grad():
            for smooth, parameter in zip(average.parameters(), network.parameters(), strict=True):
                smooth.lerp_(parameter, 1 - decay)
        losses.append(loss.item())
        done = step + 1
        if done % 100 == 0:
            pace = (time.monotonic() - began) / (done - start)
            typer.echo(f"step {done} loss {sum(losses[-100:]) / len(losses[-100:]):.4f} {pace:.2f} s/step")
        expired = time.monotonic() - began > minutes * 60
        if done % 500 == 0 or done == steps or expired:
            save(done)
        if expired:
            break


if __name__ == "__main__":
    typer.run(main)
