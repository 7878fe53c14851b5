"""A batch from its folder to its report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial

from ...core.files import PART
from ...data.cluster import Cluster, Row
from .items import Item
from .manifest import Manifest, Record
from .work import Job, Worker

Engine = Callable[[Job, Sequence[Item]], Iterator[Record]]  # does the work, wherever


@dataclass(frozen=True)
class Done:
    """What a run came to."""

    done: int  # results that are there now
    failed: int
    worked: int  # pictures of this run


def one_by_one(job: Job, items: Sequence[Item]) -> Iterator[Record]:
    """The work in this process."""
    return map(Worker(job), items)


def on_cluster(cluster: Cluster) -> Engine:
    """The work on Ray; the manifest stays with this process."""

    def engine(job: Job, items: Sequence[Item]) -> Iterator[Record]:
        rows = [asdict(item) for item in items]
        for row in cluster.map(partial(_picture_worker, job), rows, job.settings.threads):
            yield Record(**row)

    return engine


def _picture_worker(job: Job) -> Callable[[Row], Row]:
    """Loads the models once, then works on a picture in each row."""
    worker = Worker(job)
    return lambda row: asdict(worker(Item(**row)))


def run_batch(
    job: Job,
    manifest: Manifest,
    items: Sequence[Item],
    engine: Engine = one_by_one,
    retry: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Done:
    """Harmonize what is not done yet.

    Args:
        job: the batch.
        manifest: what earlier runs did.
        items: all pictures.
        engine: does the work.
        retry: also what failed earlier.
        report: hears how many of this run's pictures are done.
    """
    lie = job.output.names()
    for name in lie:
        if name.endswith(PART):  # of a run that was killed
            job.output.delete(name)
    manifest.take_up(items, job.mark(), lie.keys(), retry)
    todo, worked = manifest.waiting(), 0
    report(0, len(todo))
    receipts = {item.name: job.receipt(item) for item in todo}
    for record in engine(job, todo) if todo else ():
        manifest.record(record)
        job.output.delete(receipts[record.name])
        worked += 1
        report(worked, len(todo))
    counts = manifest.counts()
    return Done(counts["done"], counts["failed"], worked)
