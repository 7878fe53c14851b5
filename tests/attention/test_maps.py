"""Recording cross-attention maps."""

import pytest
import torch

from diff_harmonization.attention.control import AttentionLayer
from diff_harmonization.attention.maps import CrossAttentionMaps, attention_map, map_grid, record_maps, record_queries
from diff_harmonization.core.errors import InputError

HEADS, WIDTH, GRID = 2, 8, (3, 4)
LAYERS = [
    AttentionLayer("self", "input", 0, HEADS),
    AttentionLayer("cross", "input", 0, HEADS, lambda context: context),
    AttentionLayer("cross", "middle", 1, HEADS, lambda context: context),
    AttentionLayer("cross", "output", 2, HEADS, lambda context: context),
    AttentionLayer("cross", "output", 3, HEADS, lambda context: context),
]
QUERIES = [12, 12, 12, 12, 48]


class Stack:
    """A denoiser that is nothing but attention layers; the latent's rows pick the queries."""

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        self.queries = [torch.randn(2, n, WIDTH, generator=generator, dtype=torch.float64) for n in QUERIES]
        self.visited = []

    def __call__(self, latent, sigma, context, control=None):
        self.visited = []
        for layer, q in zip(LAYERS, self.queries, strict=True):
            self.visited.append(layer)
            k = q if layer.kind == "self" else context
            if control is not None:
                control(layer, q * (1 + layer.index), k, k, lambda q, k, v: q)
        return latent


@pytest.fixture
def context():
    return torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def expected_maps(stack, context):
    """Softmax by hand, head by head, over the two matching layers."""
    maps = []
    for layer, q in ((LAYERS[1], stack.queries[1]), (LAYERS[3], 3 * stack.queries[3])):
        size = WIDTH // HEADS
        for head in range(layer.heads):
            part = slice(head * size, (head + 1) * size)
            scores = torch.einsum("bqd,bkd->bqk", q[..., part], context[..., part]) / size**0.5
            maps.append(scores.exp() / scores.exp().sum(-1, keepdim=True))
    return torch.stack(maps).mean(0).transpose(1, 2).reshape(2, 5, *GRID)


def test_averages_heads_and_layers(context):
    stack = Stack()
    maps, last_layer = record_maps(stack, torch.zeros(2, 1, 12, 16), 1.0, context, GRID)
    torch.testing.assert_close(maps, expected_maps(stack, context))
    torch.testing.assert_close(maps.sum(1), torch.ones(2, *GRID, dtype=torch.float64))
    assert last_layer == 2


def test_stopping_early_changes_nothing_but_the_work(context):
    stack, latent = Stack(), torch.zeros(2, 1, 12, 16)
    context.requires_grad_()
    whole = CrossAttentionMaps(GRID)
    stack(latent, 1.0, context, whole)
    full, last_layer = whole.maps(), whole.layers
    assert stack.visited == LAYERS
    (full_gradient,) = torch.autograd.grad(full[:, 2].square().sum(), context)

    early, again = record_maps(stack, latent, 1.0, context, GRID, last_layer)
    assert stack.visited == LAYERS[:4]
    (early_gradient,) = torch.autograd.grad(early[:, 2].square().sum(), context)
    assert torch.equal(early, full) and torch.equal(early_gradient, full_gradient) and again == last_layer
    assert full_gradient.abs().max() > 0


def test_the_whole_network_runs_without_gradients_alone(context):
    """To learn the last layer that matters, on one row; what autograd keeps is the same from the first call on."""
    stack, latent = Stack(), torch.zeros(2, 1, 12, 16)
    context.requires_grad_()
    seen = []

    def denoise(latent, sigma, context, control):
        try:
            return stack(latent, sigma, context, control)
        finally:
            seen.append((len(latent), torch.is_grad_enabled(), len(stack.visited)))

    _, last_layer = record_maps(denoise, latent, 1.0, context, GRID)
    record_maps(denoise, latent, 1.0, context, GRID, last_layer)
    assert seen == [(1, False, 5), (2, True, 4), (2, True, 4)] and last_layer == 2
    with torch.no_grad():
        record_maps(denoise, latent, 1.0, context, GRID)
    assert seen[3:] == [(2, False, 5)]


def test_no_matching_layer_is_an_error(context):
    with pytest.raises(ValueError, match=r"`denoise`: .*5x5 = 25 queries \(theirs: 12, 48\).*SD1\.5, SD2 or SDXL"):
        record_maps(Stack(), torch.zeros(2, 1, 20, 20), 1.0, context, (5, 5))


def test_attends_as_before(context):
    control = CrossAttentionMaps(GRID)
    q = torch.randn(2, 12, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert control(LAYERS[1], q, context, context, lambda q, k, v: q + 1).equal(q + 1)


def test_low_precision_is_recorded_in_float32():
    q = torch.full((1, 4, WIDTH), 60.0, dtype=torch.float16)
    maps = attention_map(q, q, HEADS)
    assert maps.dtype == torch.float32
    torch.testing.assert_close(maps, torch.full((1, 4, 4), 0.25))


@pytest.mark.parametrize(("side", "grid"), [(64, 16), (65, 17), (66, 17), (68, 17), (69, 18), (1, 1)])
def test_odd_sides_round_up_twice(side, grid):
    halved_twice = ((side + 1) // 2 + 1) // 2
    assert map_grid(side, 64) == (grid, 16) and grid == halved_twice


def test_queries_give_the_maps_of_any_context(context):
    """Exactly, where the queries do not depend on the context."""
    stack, latent = Stack(), torch.zeros(2, 1, 12, 16)
    queries, last_layer = record_queries(stack, latent, 1.0, context, GRID)
    for other in (context, context.flip(1) * 2):
        torch.testing.assert_close(queries.maps(other), expected_maps(stack, other))
    record_queries(stack, latent, 1.0, context, GRID, last_layer)
    assert stack.visited[-1] == LAYERS[3], "nothing above the last map runs"


def test_layers_that_cannot_tell_their_keys_are_refused(context, monkeypatch):
    monkeypatch.setitem(globals(), "LAYERS", [AttentionLayer(x.kind, x.place, x.index, HEADS) for x in LAYERS])
    queries, _ = record_queries(Stack(), torch.zeros(2, 1, 12, 16), 1.0, context, GRID)
    with pytest.raises(InputError, match="keys"):
        queries.maps(context)


def test_queries_on_no_grid_are_refused(context):
    with pytest.raises(InputError, match="5x5 = 25 queries"):
        record_queries(Stack(), torch.zeros(2, 1, 12, 16), 1.0, context, (5, 5))
