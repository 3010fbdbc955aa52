"""Which module writes to which kind of destination."""

from __future__ import annotations

from collections.abc import Callable

from mmsearch.errors import UsageError
from mmsearch.exchange.exporting.destination import Destination, Plan
from mmsearch.exchange.packages import explained

Open = Callable[[str, Plan, str], Destination]


def open_destination(to: str, place: str, plan: Plan, table: str) -> Destination:
    """Open a destination, or make it.

    Raises:
        UsageError: there is no such kind of destination, or the place cannot be one of it.
        MMSearchError: a package is not installed, or a service refuses.
    """
    if to not in _KINDS:
        raise UsageError(f"no destination {to!r}; there are: {', '.join(_KINDS)}")
    if not place:
        raise UsageError("the destination has no name")
    with explained(place):
        return _KINDS[to](place, plan, table)


def _lance(place: str, plan: Plan, table: str) -> Destination:
    from mmsearch.exchange.exporting.lance import LanceDestination

    return LanceDestination(place, plan, table)


def _qdrant(place: str, plan: Plan, table: str) -> Destination:
    from mmsearch.exchange.exporting.qdrant import QdrantDestination

    return QdrantDestination(place, plan, table)


def _milvus(place: str, plan: Plan, table: str) -> Destination:
    from mmsearch.exchange.exporting.milvus import MilvusDestination

    return MilvusDestination(place, plan, table)


def _pgvector(place: str, plan: Plan, table: str) -> Destination:
    from mmsearch.exchange.exporting.pgvector import open_pgvector

    return open_pgvector(place, plan, table)


def _npy(place: str, plan: Plan, table: str) -> Destination:
    from mmsearch.exchange.exporting.npy import NpyDestination

    return NpyDestination(place, plan)


def _parquet(place: str, plan: Plan, table: str) -> Destination:
    from mmsearch.exchange.exporting.parquet import ParquetDestination

    return ParquetDestination(place, plan)


def _faiss(place: str, plan: Plan, table: str) -> Destination:
    from mmsearch.exchange.exporting.faiss import FaissDestination

    return FaissDestination(place, plan)


_KINDS: dict[str, Open] = {
    "lance": _lance,
    "qdrant": _qdrant,
    "milvus": _milvus,
    "pgvector": _pgvector,
    "npy": _npy,
    "parquet": _parquet,
    "faiss": _faiss,
}
KINDS = tuple(_KINDS)
