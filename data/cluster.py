"""Work on a Ray cluster: the same function in an actor for each worker, and Ray Data hands out the rows.

Names of files travel, pictures do not.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Annotated, Any

import typer

LARGEST_BLOCK = 64  # rows that a worker takes at once
BLOCKS = 8  # at least so many for each worker, so that none waits long for the others
STORE = 100 << 20  # bytes of a local cluster's object store: no picture goes through it

Row = dict[str, Any]
MakeWorker = Callable[[], Callable[[Row], Row]]

RayOption = Annotated[
    str, typer.Option(help="Work on Ray: 'local' for all processors of this machine, or a cluster's address.")
]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="With --ray: so many workers. By default as many as fit.")
]
GpusOption = Annotated[float, typer.Option(min=0, help="With --ray: GPUs for each worker, such as 0.25.")]


class RayWorker:
    """A worker as Ray Data calls it."""

    def __init__(self, make: MakeWorker) -> None:
        self.work = make()

    def __call__(self, row: Row) -> Row:
        return self.work(row)


@dataclass(frozen=True)
class Cluster:
    """Where work is done."""

    address: str  # "local" starts a cluster on this machine
    workers: int | None = None  # None: as many as fit
    gpus: float = 0.0  # share of a GPU that each worker takes

    def map(self, make: MakeWorker, rows: Sequence[Row], threads: int = 1) -> Iterator[Row]:
        """What workers make of rows, in the order in which they are done.

        Args:
            make: makes a worker, in the worker's own process: a function from row to row. It must survive that a row
                comes again, when another worker was lost with it.
            rows: of plain values.
            threads: processors that each worker takes.

        Raises:
            ModuleNotFoundError: without Ray.
            ConnectionError: when there is no cluster at the address.
            RuntimeError: when no worker can be made, or all are lost.
        """
        ray = _ray()
        _require_cluster(self.address)
        here = {"object_store_memory": STORE, "include_dashboard": False} if self.address == "local" else {}
        environment = {name: os.environ[name] for name in ("COMFYUI_PATH", "PYTHONPATH") if name in os.environ}
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # else pages of traceback: Ray keeps them in its logs
        ray.init(
            self.address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": environment},
            **here,
        )
        # Ray tells of a lost worker on standard output, where `--json` promises one object.
        with redirect_stdout(sys.stderr):
            try:
                yield from self._mapped(make, rows, threads)
            except ray.exceptions.RayError as error:
                reason = str(error).strip().splitlines()[-1]
                raise RuntimeError(f"The workers on Ray failed: {reason}") from None
            finally:
                ray.shutdown()

    def _mapped(self, make: MakeWorker, rows: Sequence[Row], threads: int) -> Iterator[Row]:
        import ray

        ray.data.DataContext.get_current().enable_progress_bars = False
        count = self.workers or self._fitting(threads)
        size = max(1, min(LARGEST_BLOCK, len(rows) // (BLOCKS * count)))
        source = ray.data.from_items(list(rows), override_num_blocks=-(-len(rows) // size))
        done = source.map(
            RayWorker,  # pyright: ignore[reportArgumentType]  (Ray takes a class as well, its hints do not)
            fn_constructor_args=(make,),
            compute=ray.data.ActorPoolStrategy(size=count, max_tasks_in_flight_per_actor=2),
            num_cpus=threads,
            num_gpus=self.gpus or None,
        )
        yield from done.iter_rows()

    def _fitting(self, threads: int) -> int:
        """As many workers as the cluster's processors and GPUs hold."""
        import ray

        found = ray.cluster_resources()
        by_gpus = found.get("GPU", 0) / self.gpus if self.gpus else float("inf")
        return max(1, int(min(found.get("CPU", 1) / threads, by_gpus)))


def _require_cluster(address: str) -> None:
    """Raises ConnectionError where nobody answers. Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not port.isdigit():  # a word that Ray knows, such as "local"
        return
    try:
        socket.create_connection((host.removeprefix("ray://"), int(port)), timeout=10).close()
    except OSError as error:
        raise ConnectionError(
            f"There is no Ray cluster at {address} ({error}): start one with `ray start --head`, or use --ray local."
        ) from None


def _ray() -> Any:
    # Ray gives its own processes half a minute to start, which a busy machine does not keep.
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "300")
    try:
        import ray
        import ray.data
        import ray.exceptions
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Ray is not installed here: run `python -m pip install 'diff-harmonization[ray]'`, or leave out --ray."
        ) from error
    return ray
