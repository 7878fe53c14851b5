"""The training style of refinement in the real host, beside the optimizing one."""

import pytest
import torch
from graphs import edit_graph, interrupted, refusal, saved_latent


def trained(graph, **inputs):
    """The graph with the training style in the place of the optimizing one."""
    links = {name: graph["refine"]["inputs"][name] for name in ("model", "clip", "trajectory", "description", "mask")}
    settings = {"epochs": 3, "batch_size": 4, "learning_rate": 0.01, "regularization_weight": 1000.0, "seed": 0}
    decay = {"weight_decay": 0.01, "weight_learning_rate": 0.1}
    graph["refine"] = {"class_type": "RefineEmbeddingTraining", "inputs": links | settings | decay | inputs}
    return graph


@pytest.fixture
def edited(server, composite_name, mask_name):
    return lambda change: saved_latent(server, server.run(change(edit_graph(composite_name, mask_name))))


def test_it_shapes_the_edit_in_its_own_way(edited):
    optimized = edited(lambda graph: graph)
    words = edited(lambda graph: trained(graph, epochs=0))
    seeds = [edited(lambda graph, seed=seed: trained(graph, seed=seed)) for seed in (0, 1)]
    for latent in seeds:
        assert latent.isfinite().all()
        assert (latent - words).abs().max() > 1e-3 and (latent - optimized).abs().max() > 1e-3
    assert not torch.equal(*seeds)


def test_a_seed_repeats_bit_for_bit(server, composite_copy, mask_name):
    first, again = (
        saved_latent(server, server.run(trained(edit_graph(composite_copy(), mask_name), seed=5))) for _ in range(2)
    )
    assert torch.equal(first, again)


def test_cancelling_leaves_the_host_clean(server, composite_copy, mask_name):
    def edit():
        return saved_latent(server, server.run(trained(edit_graph(composite_copy(), mask_name))))

    before = edit()
    (reached, total), error = interrupted(
        server, trained(edit_graph(composite_copy(), mask_name), epochs=500), "refine"
    )
    assert error.details["node_id"] == "refine" and reached < total == 2000
    assert torch.equal(edit(), before)


def test_errors_name_the_node(server, composite_name, mask_name):
    graph = trained(edit_graph(composite_name, mask_name))
    graph["refine"]["inputs"]["mask"] = ["mask", 0]
    assert "RefineEmbeddingTraining, input mask: got" in refusal(server, graph)
