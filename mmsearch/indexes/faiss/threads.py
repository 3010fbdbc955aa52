"""How many threads FAISS may use. Imports FAISS only when it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bounded_threads(count: int | None) -> Iterator[None]:
    """Bound FAISS's threads, which are a setting of the calling thread, for a while; None leaves them."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count or before)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
