import pytest
import torch
from photo_sets import photo_set  # noqa: F401

from diff_harmonization.cli.batch.items import find_items
from diff_harmonization.cli.batch.location import Location
from diff_harmonization.cli.batch.work import Job
from diff_harmonization.cli.methods import Settings


@pytest.fixture(autouse=True)
def threads():
    """A method sets the number of threads for its process; other tests have their own."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def job(photo_set, tmp_path):  # noqa: F811
    return Job(Location(str(photo_set)), Location(str(tmp_path / "out")), Settings("routed"))


@pytest.fixture
def items(job):
    return find_items(job.source.names())
