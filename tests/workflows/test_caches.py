"""The host's other caches: shipped workflows give the same results as with its default one."""

import pytest
import torch
from graphs import example, keep_bits, rising_scores, saved_latent, shipped  # noqa: F401

from diff_harmonization.cli.server import HostServer, device_options

SHORT = {"size": 64, "steps": 2, "steps_per_timestep": 0, "view_size": 64, "k": 2, "max_passes": 3}


def routed(graph):
    return keep_bits(graph, result=["apply", 0])


def one_node(graph):
    graph["apply"]["inputs"] |= SHORT
    return keep_bits(graph, result=["apply", 0], passes=["apply", 2])


def loop(graph):
    del graph["maps"], graph["save_maps"]
    graph["invert"]["inputs"]["steps"], graph["refine"]["inputs"]["steps_per_timestep"] = 2, 0
    graph["end"]["inputs"] |= {"k": 2, "max_passes": 3}
    return rising_scores(keep_bits(graph, result=["apply", 0], passes=["end", 1]))


WORKFLOWS = {"harmonize_routed": routed, "harmonize_one_node": one_node, "harmonize_loop": loop}


def pictures(client, example, name, times):  # noqa: F811
    """Of each run of a workflow, its pictures in full precision."""
    graph = WORKFLOWS[name](shipped(name))
    for key, path in zip(("composite", "mask"), example, strict=True):
        graph[key]["inputs"]["image"] = client.upload(path)
    found = [client.run(graph) for _ in range(times)]
    keys = [key for key in graph if key.endswith("_bits")]
    return [{key: saved_latent(client, outputs, key) for key in keys} for outputs in found]


@pytest.fixture(scope="module")
def usual(server, example):  # noqa: F811
    return {name: pictures(server, example, name, 1)[0] for name in WORKFLOWS}


@pytest.mark.parametrize("options", [("--cache-lru", "10"), ("--cache-none",)], ids=" ".join)
def test_results_do_not_depend_on_the_hosts_cache(host_path, new_base, usual, example, options):  # noqa: F811
    base = new_base()
    with HostServer(host_path, base, base / "server.log", *device_options(), *options) as client:
        for name in WORKFLOWS:
            for run in pictures(client, example, name, 2):
                assert run.keys() == usual[name].keys() >= {"result_bits"}
                assert all(torch.equal(run[key], expected) for key, expected in usual[name].items()), name
