"""The work on a Ray cluster: the same function in an actor for each worker, and Ray Data hands out the pictures.

Names of files travel, pictures do not. Only this process writes the manifest.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .items import Item
from .manifest import Record
from .work import Job, Worker

LARGEST_BLOCK = 64  # pictures that a worker takes at once
BLOCKS = 8  # at least so many for each worker, so that none waits long for the others
STORE = 100 << 20  # bytes of a local cluster's object store: no picture goes through it


class RayWorker:
    """A worker as Ray Data calls it, with rows for values."""

    def __init__(self, job: Job) -> None:
        self.worker = Worker(job)
        self.who = f"{socket.gethostname()} {os.getpid()}"

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return asdict(self.worker(Item(**row))) | {"who": self.who}


@dataclass(frozen=True)
class Cluster:
    """Where a batch runs: an engine for `run_batch`."""

    address: str  # "local" starts a cluster on this machine
    workers: int | None = None  # None: as many as fit
    gpus: float = 0.0  # share of a GPU that each worker takes

    def __call__(self, job: Job, items: Sequence[Item]) -> Iterator[Record]:
        """The records as they come.

        Raises:
            ModuleNotFoundError: without Ray.
            ConnectionError: when there is no cluster at the address.
        """
        ray = _ray()
        here = {"object_store_memory": STORE, "include_dashboard": False} if self.address == "local" else {}
        environment = {name: os.environ[name] for name in ("COMFYUI_PATH", "PYTHONPATH") if name in os.environ}
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        ray.init(
            self.address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": environment},
            **here,
        )
        try:
            yield from self._records(job, items)
        finally:
            ray.shutdown()

    def _records(self, job: Job, items: Sequence[Item]) -> Iterator[Record]:
        import ray

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        count = self.workers or self._fitting(job.settings.threads)
        size = max(1, min(LARGEST_BLOCK, len(items) // (BLOCKS * count)))
        rows = ray.data.from_items([asdict(item) for item in items], override_num_blocks=-(-len(items) // size))
        done = rows.map(
            RayWorker,
            fn_constructor_args=(job,),
            compute=ray.data.ActorPoolStrategy(size=count, max_tasks_in_flight_per_actor=2),
            num_cpus=job.settings.threads,
            num_gpus=self.gpus or None,
        )
        for row in done.iter_rows():
            row.pop("who")
            yield Record(**row)

    def _fitting(self, threads: int) -> int:
        """As many workers as the cluster's processors and GPUs hold."""
        import ray

        found = ray.cluster_resources()
        by_gpus = found.get("GPU", 0) / self.gpus if self.gpus else float("inf")
        return max(1, int(min(found.get("CPU", 1) / threads, by_gpus)))


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Ray is not installed here: run `python -m pip install 'diff-harmonization[ray]'`, or leave out --ray."
        ) from error
    return ray
