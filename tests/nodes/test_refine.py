"""Refinement in the real host: its training style beside the optimizing one, and importance."""

import pytest
import torch
from graphs import add, edit_graph, interrupted, refusal, saved_latent


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


def evenly_weighed(graph):
    """The graph with an importance of 1 everywhere, which the working view cuts."""
    add(graph, "rest", "InvertMask", mask=["mask", 0])
    add(graph, "even", "MaskComposite", destination=["mask", 0], source=["rest", 0], x=0, y=0, operation="add")
    graph["view"]["inputs"]["regions"] = ["even", 0]
    graph["refine"]["inputs"]["importance"] = ["view", 2]
    return graph


@pytest.mark.parametrize("style", [lambda graph: graph, trained])
def test_an_even_importance_changes_nothing(edited, style):
    assert torch.equal(edited(style), edited(lambda graph: evenly_weighed(style(graph))))


@pytest.mark.parametrize("style", [lambda graph: graph, trained])
def test_importance_that_leaves_no_background_is_told_by_its_name(server, composite_name, mask_name, style):
    graph = style(edit_graph(composite_name, mask_name))
    add(graph, "inside", "ThresholdMask", mask=["view", 1], value=0.5)
    graph["refine"]["inputs"]["importance"] = ["inside", 0]
    message = refusal(server, graph)
    assert ", input importance: it is 0 everywhere outside the mask" in message
