"""The links by which the page offers public models that a template wants."""

import json

import pytest
from drawings import all_nodes
from graphs import WORKFLOWS

from diff_harmonization.tools.workflows.models import PUBLIC

NAMES = sorted(path.stem for path in WORKFLOWS.glob("*.json"))
READS_FROM = {"CheckpointLoaderSimple": "checkpoints", "ControlNetLoader": "controlnet"}  # folders of the host's models


def links(name):
    """(node, link) for every link of a template."""
    drawn = json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))
    for node in all_nodes(drawn):
        for link in node["properties"].get("models", ()):
            yield node, link


@pytest.mark.parametrize("name", NAMES)
def test_a_link_is_one_that_the_page_offers(name):
    """Over https, from a place that the page trusts, safetensors, for the folder and the name that the box reads."""
    for node, link in links(name):
        assert set(link) == {"name", "url", "directory"}
        assert link["url"].startswith("https://huggingface.co/") and link["url"].endswith(f"/{link['name']}")
        assert link["name"].endswith(".safetensors") and link["name"] in node["widgets_values"]
        assert link["directory"] == READS_FROM[node["type"]]


@pytest.mark.parametrize("name", NAMES)
def test_every_box_that_reads_a_public_file_links_it(name):
    drawn = json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))
    named = {(node["id"], str(value)) for node in all_nodes(drawn) for value in node["widgets_values"]}
    wanted = {(node, name) for node, name in named if name in PUBLIC}
    assert {(node["id"], link["name"]) for node, link in links(name)} == wanted


@pytest.mark.parametrize("name", ["harmonize_sd2", "harmonize_sdxl", "harmonize_sd15_lora_controlnet", "painterly"])
def test_a_template_for_a_checkpoint_links_one(name):
    assert "checkpoints" in {link["directory"] for _, link in links(name)}


def test_every_public_file_has_a_license_and_is_used():
    assert all(model.license for model in PUBLIC.values())
    assert {link["name"] for name in NAMES for _, link in links(name)} == set(PUBLIC)


def test_the_host_has_the_folders(server):
    assert set(READS_FROM.values()) <= set(server.get_json("/models"))
