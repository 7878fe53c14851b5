"""A server that works for long, and for two clients at once."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from graphs import diffharmony_graph, one_box_graph, routed_graph, saved_picture
from PIL import Image

from diff_harmonization.cli.client import Client
from diff_harmonization.cli.server import HostServer, device_options

PROMPTS, SETTLED = 200, 40  # prompts, and after how many the memory counts
GROWTH = 32  # MB that the server may gain from then on; it goes up and down by 20
SIDE = 256


@pytest.fixture(scope="module")
def small(example, tmp_path_factory):
    """Files of two composites of 256 pixels, whose colors differ, and of their mask."""
    folder = tmp_path_factory.mktemp("small")
    with Image.open(example[0]) as composite, Image.open(example[1]) as mask:
        first = composite.convert("RGB").resize((SIDE, SIDE))
        mask.resize((SIDE, SIDE)).save(folder / "small_mask.png")
    first.save(folder / "small_0.png")
    first.point(lambda value: value * 0.7).save(folder / "small_1.png")
    return [folder / "small_0.png", folder / "small_1.png", folder / "small_mask.png"]


def digest(client, outputs):
    """Of the pixels alone: the file holds the prompt, too."""
    return hashlib.sha256(saved_picture(client, outputs, "save").tobytes()).hexdigest()


def test_200_prompts_in_a_row(host_path, new_base, small):
    base, results, held = new_base(), set(), []
    host = HostServer(host_path, base, base / "server.log", *device_options())
    with host as client:
        process = psutil.Process(host.process.pid)
        composite, _, mask = map(client.upload, small)
        for number in range(PROMPTS):
            graph = routed_graph(composite, mask)
            graph["mask"]["inputs"]["channel"] = ("red", "green", "blue")[number % 3]  # the same, and computed anew
            results.add(digest(client, client.run(graph)))
            held.append(process.memory_info().rss / 2**20)
    settled, last = max(held[SETTLED // 2 : SETTLED]), min(held[-SETTLED // 2 :])
    assert len(results) == 1
    assert last - settled < GROWTH, f"{settled:.0f} MB after {SETTLED} prompts, {last:.0f} MB after {PROMPTS}"


def test_two_clients_at_once_get_their_own(server, small):
    """Each waits for its own prompts; both ways and both pictures go in turns through one queue."""
    *composites, mask = map(server.upload, small)
    makes = routed_graph, one_box_graph, diffharmony_graph
    alone = [[digest(server, server.run(make(composite, mask))) for make in makes] for composite in composites]
    assert all(one != other for one, other in zip(*alone, strict=True))

    def work(composite):
        client, heard, found = Client(server.url), set(), []
        for turn in range(2):
            for make in makes:
                graph = make(composite, mask)
                graph["mask"]["inputs"]["channel"] = ("green", "blue")[turn]  # the same mask, computed anew
                queued = client.run(graph, on_message=lambda kind, data: heard.add(data.get("prompt_id")))
                found.append(digest(client, queued))
        return found, heard - {None}

    with ThreadPoolExecutor(2) as both:
        (first, heard), (second, others) = both.map(work, composites)
    assert first == 2 * alone[0] and second == 2 * alone[1]
    assert len(heard) == len(others) == 6 and not heard & others
