"""Every node's `execute` says what it takes, and takes what its schema says."""

import asyncio
import inspect

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
