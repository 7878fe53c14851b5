import pytest

from diff_harmonization.tools.help import schemas


@pytest.fixture(scope="package")
def info(server):
    return server.object_info()


@pytest.fixture(scope="package")
def ours(info):
    """The server's own words of the pack's nodes, by id."""
    return {name: said for name, said in info.items() if said["python_module"] == schemas.MODULE}
