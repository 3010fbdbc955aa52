"""How many threads FAISS uses, and work that is shared among threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from mmsearch.machine import usable_cpus

Part = TypeVar("Part")
Result = TypeVar("Result")


class faiss_threads:
    """Let FAISS use at most ``count`` threads inside the block; None changes nothing. Applies to the calling thread.

    A class, because a generator takes ten times as long, and every query enters several such blocks.
    """

    __slots__ = ("_before", "_count")

    def __init__(self, count: int | None) -> None:
        self._count = count

    def __enter__(self) -> None:
        import faiss

        self._before = faiss.omp_get_max_threads()
        if self._count:
            faiss.omp_set_num_threads(self._count)

    def __exit__(self, *_: object) -> None:
        import faiss

        faiss.omp_set_num_threads(self._before)


def in_threads(work: Callable[[Part], Result], parts: Iterable[Part], threads: int | None) -> list[Result]:
    """The results of ``work`` on each part, in order; None for one thread for each processor."""
    threads = usable_cpus() if threads is None else threads
    if threads < 2:
        return [work(part) for part in parts]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, parts))
