"""Every node's `execute` says what it takes, and takes what its schema says."""

import asyncio
import inspect
import subprocess
import sys

import pytest

NOTHING = inspect.Parameter.empty


@pytest.fixture(scope="module")
def nodes():
    # Imported here: while tests are collected, the host's own module `nodes` is hidden.
    from diff_harmonization.nodes.extension import extension

    async def load():
        await extension().on_load()
        return await extension().get_node_list()

    return asyncio.run(load())


def test_every_parameter_is_typed_and_named(nodes):
    for node in nodes:
        signature = inspect.signature(node.execute)
        assert signature.return_annotation is not NOTHING, node
        for name, parameter in signature.parameters.items():
            assert parameter.annotation is not NOTHING, (node, name)
            assert parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD, (node, name)


def test_the_parameters_are_the_schemas_inputs(nodes):
    assert len(nodes) > 20
    for node in nodes:
        schema = node.define_schema()
        assert schema.node_id == node.__name__
        assert set(inspect.signature(node.execute).parameters) == {each.id for each in schema.inputs}, node


def test_optional_inputs_have_the_schemas_default(nodes):
    """The host leaves out an optional input that nobody connected or wrote."""
    for node in nodes:
        parameters = inspect.signature(node.execute).parameters
        for each in node.define_schema().inputs:
            default, said = parameters[each.id].default, getattr(each, "default", None)
            assert (default is NOTHING) != each.optional, (node, each.id)
            assert not each.optional or said is None or default == said, (node, each.id)


def test_the_hosts_start_waits_for_nothing_heavy(host_path):
    """What takes longer to load than all nodes is loaded by the one that needs it."""
    code = f"""
import sys
sys.path.insert(0, {str(host_path)!r})
from comfy.cli_args import args
args.cpu = True
import comfy.samplers, comfy.sd, comfy_api.latest, latent_preview, nodes
before = set(sys.modules)
import diff_harmonization.nodes.extension
print(*{{name.split(".")[0] for name in set(sys.modules) - before}})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    heavy = {"kornia", "skimage", "matplotlib", "colour", "google", "transformers", "timm", "scipy", "cv2", "av", "ray"}
    assert not heavy & set(done.stdout.split())
