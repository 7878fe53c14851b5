import pytest
from photo_sets import photo_set  # noqa: F401

from diff_harmonization.cli.batch.items import find_items
from diff_harmonization.cli.batch.location import Location
from diff_harmonization.cli.batch.work import Job
from diff_harmonization.cli.methods import Settings


@pytest.fixture
def job(photo_set, tmp_path):  # noqa: F811
    return Job(Location(str(photo_set)), Location(str(tmp_path / "out")), Settings("routed"))


@pytest.fixture
def items(job):
    return find_items(job.source.names())
