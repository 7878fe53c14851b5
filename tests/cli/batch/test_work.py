"""One picture's work, and the moments at which the program may end."""

import json
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diff_harmonization.cli.batch.location import Location
from diff_harmonization.cli.batch.work import ATTEMPTS, RECEIPTS, Worker
from diff_harmonization.cli.picture import read_pair
from diff_harmonization.color.lut import ColorLUT
from diff_harmonization.data.pictures import decode_picture


@pytest.fixture
def worker(job):
    return Worker(job)


def test_a_result_and_its_record(worker, items, job):
    record = worker(items[0])
    assert record.state == "done" and record.told == "strength 1" and 0 < record.before < 1 and record.seconds > 0
    picture, mask = read_pair(*(Path(job.source.path(name)) for name in (items[0].picture, items[0].mask)))
    result = decode_picture(job.output.read(items[0].result))
    outside = (mask == 0).numpy()
    assert (result.pixels[outside] == picture.pixels[outside]).all()
    assert (result.pixels[~outside] != picture.pixels[~outside]).any()
    assert worker(items[1]).input_hash != record.input_hash


def test_the_same_picture_gives_the_same_bytes(worker, items, job):
    hashes = {worker(items[0]).result_hash}
    job.output.delete(items[0].result)
    hashes.add(Worker(job)(items[0]).result_hash)
    assert len(hashes) == 1


def test_a_lut_lies_beside_the_result(job, items):
    from cubes import read_cube

    Worker(replace(job, cube=True))(items[0])
    assert isinstance(read_cube(job.output.path("t0.cube")), ColorLUT)


def test_a_bad_picture_is_a_record(worker, items, tmp_path):
    for item in (replace(items[0], picture="images/none.jpg"), replace(items[0], mask="")):
        record = worker(item)
        assert record.state == "failed" and record.error and "\n" not in record.error
    Image.new("L", (5, 5), 255).save(tmp_path / "small.png")
    other = replace(items[0], mask=str(tmp_path / "small.png"))  # an absolute name stands for itself
    assert worker(other).error == "the mask is 5x5, expected 72x72 like the picture"
    assert worker(replace(items[0], caption="nonsense 7,")).error.startswith("`caption`: got 'nonsense 7,'")


def test_what_the_pack_warns_of_is_told_of_its_picture(worker, items, tmp_path, capfd):
    nearly_all = Image.new("L", (72, 72), 255)
    nearly_all.paste(0, (0, 0, 72, 2))
    nearly_all.save(tmp_path / "all.png")
    told = worker(replace(items[0], mask=str(tmp_path / "all.png"))).told
    assert told.startswith("strength 1\nNote: The mask covers 97% of the picture. Is it inverted?")
    assert told.count("inverted") == 1 and worker(items[1]).told == "strength 1"
    assert "inverted" not in "".join(capfd.readouterr())


class Ends(SystemExit):
    """The program ends."""


class Fragile(Location):
    """A folder whose program ends at a certain write, before or after it."""

    def __init__(self, url, at, after):
        super().__init__(url)
        object.__setattr__(self, "at", at)
        object.__setattr__(self, "after", after)
        object.__setattr__(self, "counter", count())

    def write(self, name, data):
        now = next(self.counter) == self.at
        if now and not self.after:
            raise Ends
        super().write(name, data)
        if now:
            raise Ends


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(3))
def test_whenever_the_program_ends_nothing_is_torn_or_done_twice(worker, items, job, at, after):
    item = items[0]
    worker.job = replace(job, output=Fragile(job.output.url, at, after))
    with pytest.raises(Ends):
        worker(item)
    there = job.output.exists(item.result)
    assert there == (at == 2 and after)
    inner, calls = worker.method, []
    worker.job, worker.method = job, lambda *arguments: calls.append(1) or inner(*arguments)
    record = worker(item)
    assert record.state == "done"
    assert len(calls) == (0 if there else 1)
    assert np.array_equal(decode_picture(job.output.read(item.result)).pixels.shape, (72, 72, 3))
    assert json.loads(job.output.read(job.receipt(item)))["record"]["result_hash"] == record.result_hash


def test_a_receipt_of_another_state_does_not_count(worker, items, job):
    first = worker(items[0])
    again = worker(items[0])
    assert again == first  # to the second: nothing was done
    for other in (replace(items[0], stamp="new"), replace(items[0], caption="car bright, car dull")):
        assert worker(other).seconds != first.seconds
    job.output.write(items[0].result, b"torn")
    assert worker(items[0]).result_hash == first.result_hash and job.output.read(items[0].result) != b"torn"


def test_a_picture_at_which_the_program_ends_again_and_again_is_given_up(worker, items, job):
    def end(*arguments):
        raise Ends

    inner, worker.method = worker.method, end
    for _ in range(ATTEMPTS):
        with pytest.raises(Ends):
            worker(items[0])
    worker.method = inner
    assert worker(items[0]).error.startswith(f"The program ended {ATTEMPTS} times at this picture")
    assert worker(replace(items[0], stamp="mended")).state == "done"


def test_an_interrupt_is_no_attempt(worker, items):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    inner, worker.method = worker.method, interrupt
    for _ in range(2 * ATTEMPTS):
        with pytest.raises(KeyboardInterrupt):
            worker(items[0])
    worker.method = inner
    assert worker(items[0]).state == "done"


def test_receipts_lie_apart(worker, items, job):
    worker(items[0])
    assert set(job.output.names()) == {"t0.png", f"{RECEIPTS}/t0.png.json"}
