"""Closed-form stand-ins for the model and the text encoder."""

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate, scaled_dot_product_attention

from diff_harmonization.attention.control import AttentionLayer
from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.methods.zero_shot.embedding_loss import PairLoss
from diff_harmonization.methods.zero_shot.text_rows import text_row
from diff_harmonization.methods.zero_shot.types import Prompt, Trajectory

HEADS, WIDTH, WINDOW, EMBEDDING, CONTEXT = 2, 8, 12, 4, 6


class GaussianDenoiser:
    """The exact noise prediction for data distributed as N(mean, std²): eps = sigma (x - mean) / (std² + sigma²)."""

    def __init__(self, mean=0.3, std=0.5):
        self.mean, self.std, self.calls = mean, std, []

    def __call__(self, latent, sigma, context, control=None):
        self.calls.append((latent, sigma))
        return sigma * (latent - self.mean) / (self.std**2 + sigma**2)


class MixtureDenoiser:
    """The exact noise prediction for data at -mean or mean, each with spread std: not linear in x."""

    def __init__(self, mean=0.5, std=0.5):
        self.mean, self.std = mean, std

    def __call__(self, latent, sigma, context, control=None):
        variance = self.std**2 + sigma**2
        return sigma * (latent - self.mean * (self.mean * latent / variance).tanh()) / variance


class TinyDenoiser(nn.Module):
    """Self- and cross-attention at a quarter, an eighth and half of the latent's side, consulting `control`."""

    BLOCKS = (("input", 4), ("middle", 8), ("output", 4), ("output", 2))

    def __init__(self, channels=3):
        super().__init__()
        torch.manual_seed(0)
        self.enter, self.leave = nn.Linear(channels, WIDTH), nn.Linear(WIDTH, channels)
        self.noise = nn.Linear(1, WIDTH)
        sizes = {"self": WIDTH, "cross": CONTEXT}
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    kind: nn.ModuleDict(
                        {"q": nn.Linear(WIDTH, WIDTH), "k": nn.Linear(n, WIDTH), "v": nn.Linear(n, WIDTH)}
                    )
                    for kind, n in sizes.items()
                }
            )
            for _ in self.BLOCKS
        )
        for parameter in self.parameters():
            parameter.data = torch.randn_like(parameter) * (0.7 if parameter.ndim == 2 else 0.1)
        self.double().requires_grad_(False)
        self.rows, self.visited = [], 0

    @staticmethod
    def attend(q, k, v):
        q, k, v = (x.unflatten(-1, (HEADS, -1)).transpose(1, 2) for x in (q, k, v))
        return scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

    def forward(self, latent, sigma, context, control=None):
        self.rows.append(len(latent))
        sigma = torch.as_tensor(sigma, dtype=latent.dtype)
        x = self.enter((latent / (1 + sigma**2).sqrt()).movedim(1, -1)).movedim(-1, 1)
        self.visited = 0
        for index, ((place, factor), layers) in enumerate(zip(self.BLOCKS, self.layers, strict=True)):
            small = avg_pool2d(x, factor, ceil_mode=True)
            tokens = small.flatten(2).transpose(1, 2) + self.noise(sigma.log1p().reshape(1, 1, 1))
            for kind in ("self", "cross"):
                layer = AttentionLayer(kind, place, index, HEADS, layers[kind]["k"] if kind == "cross" else None)
                memory = tokens if kind == "self" else context
                q, k, v = layers[kind]["q"](tokens), layers[kind]["k"](memory), layers[kind]["v"](memory)
                self.visited += 1
                attended = self.attend(q, k, v) if control is None else control(layer, q, k, v, self.attend)
                tokens = tokens + attended
            x = x + interpolate(tokens.transpose(1, 2).unflatten(-1, small.shape[-2:]), x.shape[-2:])
        return self.leave(x.movedim(1, -1)).movedim(-1, 1).tanh()


class TinyEncoder(nn.Module):
    """A causal text encoder; a word takes one token for every four letters. Ids: 0 pads, 1 starts, 2 ends."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        make = {"generator": generator, "dtype": torch.float64}
        self.table = torch.randn(64, EMBEDDING, **make)
        self.places = 0.3 * torch.randn(WINDOW, EMBEDDING, **make)
        self.own, self.past = torch.randn(EMBEDDING, CONTEXT, **make), torch.randn(EMBEDDING, CONTEXT, **make)

    def tokenize(self, text):
        ids, words = [1], []
        for word in text.split():
            pieces = [word[i : i + 4] for i in range(0, len(word), 4)]
            words.append((word, tuple(range(len(ids), len(ids) + len(pieces)))))
            ids += [3 + sum(map(ord, piece)) % 61 for piece in pieces]
        end = min(len(ids), WINDOW - 1)
        return Prompt(text, tuple((*ids[:end], 2) + (0,) * (WINDOW - end - 1)), tuple(words), end)

    def embed(self, prompt):
        return self.table[list(prompt.ids)]

    def encode(self, prompt, embeddings=None):
        x = (self.embed(prompt) if embeddings is None else embeddings) + self.places
        past = x.cumsum(0) / torch.arange(1, WINDOW + 1, dtype=x.dtype)[:, None]
        return (x @ self.own + past @ self.past).tanh()[None]

    def encode_rows(self, prompts, embeddings):
        return [self.encode(*row) for row in zip(prompts, embeddings, strict=True)]


def stable_diffusion_sigmas(steps):
    """SD's scaled-linear betas at evenly spaced timesteps (981, ..., 1 for 50), then 0."""
    alpha_bar = (1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2).cumprod(0)
    timesteps = torch.arange(1, 1000, 1000 // steps)[:steps].flip(0)
    return torch.cat([((1 - alpha_bar) / alpha_bar).sqrt()[timesteps], torch.zeros(1, dtype=torch.float64)])


@pytest.fixture
def gaussian():
    return GaussianDenoiser()


@pytest.fixture
def mixture():
    return MixtureDenoiser()


@pytest.fixture
def denoiser():
    return TinyDenoiser()


@pytest.fixture
def encoder():
    return TinyEncoder()


@pytest.fixture
def sigmas():
    return stable_diffusion_sigmas


@pytest.fixture
def latent():
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.fixture
def trajectory(latent):
    """A path of 5 steps through arbitrary latents: what follows must not lean on a good inversion."""
    levels = stable_diffusion_sigmas(5)
    noise = torch.randn(6, *latent.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    return Trajectory(latent + noise * levels[:, None, None, None, None], levels)


@pytest.fixture
def mask():
    mask = torch.zeros(1, 64, 64, dtype=torch.float64)
    mask[..., 8:40, 16:48] = 1
    return mask


@pytest.fixture
def description():
    return ImagingDescription("dog", ("summertime", "dim"), ("icy", "blue", "dusk"))


@pytest.fixture
def rows(encoder, description):
    return tuple(text_row(encoder, description, side) for side in ("foreground", "background"))


@pytest.fixture
def loss(denoiser, encoder, trajectory, rows, mask):
    return PairLoss(denoiser, encoder, trajectory, rows, mask, regularization_weight=3.0)


@pytest.fixture
def point(rows):
    """Somewhere off the start, where the regularization has a gradient too."""
    generator = torch.Generator().manual_seed(6)
    values = [row.conditions for row in rows] + [torch.zeros(len(rows[1].tokens), dtype=torch.float64)]
    noise = [0.3 * torch.randn(x.shape, generator=generator, dtype=x.dtype) for x in values]
    return [(x + n).requires_grad_() for x, n in zip(values, noise, strict=True)]
