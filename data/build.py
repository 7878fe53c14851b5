"""The work on a data set of composites: what a worker does with each real picture, here and on Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from ..host.headless import prepare_host
from .cluster import Cluster, Row
from .construction import Source, build_one
from .output import in_a_line


@dataclass(frozen=True)
class Build:
    """A data set: all that a worker has to know, on whatever machine."""

    out: Path
    subset: str  # name of the subset in it
    seed: int
    candidates: int  # of each composite
    threads: int = 1  # of the processor, for each worker


def build_all(build: Build, sources: Sequence[Source], cluster: Cluster | None = None) -> Iterator[tuple[Source, str]]:
    """Make what is not there yet.

    Args:
        build: the data set.
        sources: its real pictures.
        cluster: where; None: in this process.

    Yields:
        Each source when it is done, and what is wrong with it; empty where nothing is.
    """
    make, rows = partial(_builder, build), [_row(place, source) for place, source in enumerate(sources)]
    done = map(make(), rows) if cluster is None else cluster.map(make, rows, build.threads)
    for row in done:
        yield sources[row["place"]], row["error"]


def _row(place: int, source: Source) -> Row:
    """A source as plain values."""
    files = {"picture": str(source.picture), "mask": str(source.mask)}
    return files | {"place": place, "number": source.number, "composites": source.composites}


def _builder(build: Build) -> Callable[[Row], Row]:
    """Loads the embedded networks once, then makes what belongs to each row."""
    prepare_host()
    from ..mini.diffharmony.composites import embedded_classifier, embedded_inverse

    torch.set_num_threads(build.threads)
    inverse, classifier = embedded_inverse(), embedded_classifier()

    def work(row: Row) -> Row:
        source = Source(Path(row["picture"]), Path(row["mask"]), row["number"], row["composites"])
        try:
            build_one(source, build.out, build.subset, build.seed, build.candidates, inverse, classifier)
        except Exception as error:  # whatever is wrong with one picture must not stop the others
            return {"place": row["place"], "error": in_a_line(error)}
        return {"place": row["place"], "error": ""}

    return work
