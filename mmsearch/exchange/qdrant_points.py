"""Collections of Qdrant: on a server or in a folder of its client, and in a folder of Qdrant Edge.

The one module that imports their packages. Neither reports anything to its makers; the client asks a server for its
version only where it is told to, and is not.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import MMSearchError, UsageError
from mmsearch.exchange.packages import TIMEOUT_S, check_installed, is_address, one_line, without_secrets

CLIENT_FILE, EDGE_FILE = "meta.json", "edge_config.json"
SNAPSHOT = ".snapshot"
_KEY_VARIABLE = "QDRANT_API_KEY"
_LISTED = 10_000

PointId = int | str


class Points(NamedTuple):
    """Some points of a collection."""

    ids: list[PointId]
    vectors: NDArray[np.float32]
    payloads: list[dict[str, Any]]


class QdrantPoints(Protocol):
    """A collection of points with one vector each, or with several of which one is meant."""

    def dim(self) -> int | None:
        """The dimension of the vectors; None where there is no such collection yet."""
        ...

    def create(self, dim: int, dtype: str) -> None:
        """Make the collection, for inner products."""
        ...

    def count(self) -> int:
        """How many points there are."""
        ...

    def ids(self) -> list[PointId]:
        """The ids of all points."""
        ...

    def upsert(self, points: Points) -> None:
        """Add points, or replace those of the same ids."""
        ...

    def scroll(self, rows: int) -> Iterator[Points]:
        """All points, so many at a time, in order of id."""
        ...

    def get(self, ids: Sequence[int]) -> Points:
        """Points by id; those that are not there are left out."""
        ...

    def close(self) -> None:
        """Write what waits, and let go."""
        ...


def open_points(place: str, name: str | None, vector: str | None = None) -> QdrantPoints:
    """Open a collection at the address of a server, or in a folder of the client or of Qdrant Edge.

    Args:
        place: an address, or a folder; a new one is one of Qdrant Edge.
        name: of the collection; None for the only one. A folder of Qdrant Edge holds one that has no name.
        vector: the name of the vector that is meant, where points have several.

    Raises:
        UsageError: the folder is none of Qdrant's, or there is no collection of that name.
        MMSearchError: a package is not installed, or the server does not answer.
    """
    if is_address(place):
        check_installed("qdrant", "qdrant_client")
        return _ClientPoints({"url": place, "api_key": os.environ.get(_KEY_VARIABLE)}, place, name, vector)
    folder = Path(place).expanduser().absolute()
    if (folder / CLIENT_FILE).exists():
        check_installed("qdrant", "qdrant_client")
        return _ClientPoints({"path": str(folder)}, place, name, vector)
    check_installed("qdrant", "qdrant_edge")
    if folder.is_file():
        return _EdgeSnapshot(folder, place, vector)
    if folder.is_dir() and os.listdir(folder) and not (folder / EDGE_FILE).exists():
        raise UsageError(f"{place} is no folder of Qdrant; name a new folder, or the address of a server")
    return _EdgePoints(folder, place, vector)


class _ClientPoints:
    """A collection that qdrant-client reaches."""

    def __init__(self, where: dict[str, Any], place: str, name: str | None, vector: str | None) -> None:
        from qdrant_client import QdrantClient

        options: dict[str, Any] = {"timeout": TIMEOUT_S, "check_compatibility": False} if "url" in where else {}
        self._place = without_secrets(place)
        self._client: Any = QdrantClient(**where, **options)
        names = [one.name for one in self._ask(self._client.get_collections).collections]
        if name is None:
            if len(names) != 1:
                raise UsageError(f"{self._place}: which collection? there are: {', '.join(sorted(names)) or 'none'}")
            name = names[0]
        self.name = name
        self.exists = name in names
        self.vector = vector
        if self.exists:
            params = self._ask(self._client.get_collection, name).config.params.vectors
            self.vector, self._dim = _one_vector(params, vector, self._place)

    def dim(self) -> int | None:
        """See `QdrantPoints.dim`."""
        return self._dim if self.exists else None

    def create(self, dim: int, dtype: str) -> None:
        """See `QdrantPoints.create`."""
        from qdrant_client import models

        params = models.VectorParams(size=dim, distance=models.Distance.DOT, datatype=models.Datatype(dtype))
        self._ask(self._client.create_collection, self.name, vectors_config=params)
        self.exists, self._dim, self.vector = True, dim, None

    def count(self) -> int:
        """See `QdrantPoints.count`."""
        return int(self._ask(self._client.count, self.name, exact=True).count)

    def ids(self) -> list[PointId]:
        """See `QdrantPoints.ids`."""
        return [point.id for page in self._pages(_LISTED, with_payload=False, with_vectors=False) for point in page]

    def upsert(self, points: Points) -> None:
        """See `QdrantPoints.upsert`."""
        from qdrant_client import models

        batch = models.Batch(ids=list(points.ids), vectors=points.vectors.tolist(), payloads=points.payloads)
        self._ask(self._client.upsert, self.name, batch, wait=True)

    def scroll(self, rows: int) -> Iterator[Points]:
        """See `QdrantPoints.scroll`."""
        for page in self._pages(rows, with_payload=True, with_vectors=[self.vector] if self.vector else True):
            yield _points(page, self.vector, self._place)

    def get(self, ids: Sequence[int]) -> Points:
        """See `QdrantPoints.get`."""
        found = self._ask(self._client.retrieve, self.name, ids=list(ids), with_payload=True, with_vectors=True)
        return _points(found, self.vector, self._place)

    def close(self) -> None:
        """See `QdrantPoints.close`."""
        self._client.close()

    def _pages(self, rows: int, **what: Any) -> Iterator[list[Any]]:
        offset = None
        while True:
            page, offset = self._ask(self._client.scroll, self.name, limit=rows, offset=offset, **what)
            if page:
                yield page
            if offset is None:
                return

    def _ask(self, call: Any, *args: Any, **options: Any) -> Any:
        """Ask the server; what it refuses is one line."""
        try:
            return call(*args, **options)
        except MMSearchError:
            raise
        except Exception as error:
            raise MMSearchError(f"Qdrant at {self._place}: {one_line(error)}") from error


class _EdgePoints:
    """A shard of Qdrant Edge: one collection in a folder."""

    def __init__(self, folder: Path, place: str, vector: str | None) -> None:
        import qdrant_edge

        self._edge, self._folder, self._place, self._wanted = qdrant_edge, folder, place, vector
        self._shard: Any = None
        self._dim: int | None = None
        self.vector: str | None = vector
        if (folder / EDGE_FILE).exists():
            try:
                self._shard = qdrant_edge.EdgeShard.load(str(folder))
            except Exception as error:
                why = "another program has it open" if "WouldBlock" in str(error) else one_line(error)
                raise MMSearchError(f"{place}: {why}") from error
            self._find_vector()

    def dim(self) -> int | None:
        """See `QdrantPoints.dim`."""
        return self._dim

    def create(self, dim: int, dtype: str) -> None:
        """See `QdrantPoints.create`."""
        edge = self._edge
        kind = edge.VectorStorageDatatype.Float16 if dtype == "float16" else edge.VectorStorageDatatype.Float32
        params = edge.EdgeVectorParams(size=dim, distance=edge.Distance.Dot, datatype=kind)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._shard = edge.EdgeShard.create(str(self._folder), edge.EdgeConfig(vectors=params))
        self._dim, self.vector = dim, None

    def count(self) -> int:
        """See `QdrantPoints.count`."""
        return int(self._shard.count(self._edge.CountRequest(exact=True)))

    def ids(self) -> list[PointId]:
        """See `QdrantPoints.ids`."""
        return [_plain_id(p.id) for page in self._pages(_LISTED, False, False) for p in page]

    def upsert(self, points: Points) -> None:
        """See `QdrantPoints.upsert`."""
        lines = zip(points.ids, points.vectors.tolist(), points.payloads, strict=True)
        made = [self._edge.Point(point, vector, payload) for point, vector, payload in lines]
        self._shard.update(self._edge.UpdateOperation.upsert_points(made))

    def scroll(self, rows: int) -> Iterator[Points]:
        """See `QdrantPoints.scroll`."""
        for page in self._pages(rows, True, True):
            yield _points(page, self.vector, self._place)

    def get(self, ids: Sequence[int]) -> Points:
        """See `QdrantPoints.get`."""
        return _points(self._shard.retrieve(list(ids), with_payload=True, with_vector=True), self.vector, self._place)

    def close(self) -> None:
        """See `QdrantPoints.close`."""
        if self._shard is not None:
            self._shard.flush()
            self._shard.close()
            self._shard = None

    def _pages(self, rows: int, payload: bool, vectors: bool) -> Iterator[list[Any]]:
        offset = None
        while True:
            request = self._edge.ScrollRequest(offset=offset, limit=rows, with_payload=payload, with_vector=vectors)
            page, offset = self._shard.scroll(request)
            if page:
                yield page
            if offset is None:
                return

    def _find_vector(self) -> None:
        import json

        params = json.loads((self._folder / EDGE_FILE).read_text())["vectors"]
        names = {name: int(one["size"]) for name, one in params.items()}
        self.vector, self._dim = _named_vector(names, self._wanted, self._place)


class _EdgeSnapshot(_EdgePoints):
    """A snapshot of one shard, unpacked into a temporary folder for as long as it is read."""

    def __init__(self, file: Path, place: str, vector: str | None) -> None:
        import qdrant_edge

        self._scratch = tempfile.TemporaryDirectory(prefix="mmsearch-snapshot-")
        folder = Path(self._scratch.name, "shard")
        try:
            qdrant_edge.EdgeShard.unpack_snapshot(str(file), str(folder))
        except Exception as error:
            raise UsageError(f"{place} cannot be read as a snapshot of a shard: {one_line(error)}") from error
        if not (folder / EDGE_FILE).exists():
            raise UsageError(
                f"{place} is a snapshot of a whole collection, which only a server can restore: restore it there, and "
                "import from its address"
            )
        super().__init__(folder, place, vector)

    def close(self) -> None:
        """Let go, and delete what was unpacked."""
        super().close()
        self._scratch.cleanup()


def _one_vector(params: Any, wanted: str | None, place: str) -> tuple[str | None, int]:
    """The vector that is meant, by name, and its dimension; None for the one that has no name."""
    if isinstance(params, dict):
        return _named_vector({name: int(one.size) for name, one in params.items()}, wanted, place)
    return _named_vector({"": int(params.size)} if params is not None else {}, wanted, place)


def _named_vector(dims: dict[str, int], wanted: str | None, place: str) -> tuple[str | None, int]:
    if wanted is None and len(dims) == 1:
        wanted = next(iter(dims))
    if wanted not in dims:
        named = ", ".join(sorted(filter(None, dims))) or "one without a name"
        raise UsageError(f"{place}: which vector? its points have {named}" if dims else f"{place} has no dense vector")
    return wanted or None, dims[wanted]


def _points(records: Sequence[Any], vector: str | None, place: str) -> Points:
    lines = []
    for record in records:
        value = record.vector
        if isinstance(value, dict):
            value = value.get(vector or "")
        if value is None or (len(value) and isinstance(value[0], list)):
            kind = "no vector" if value is None else "several vectors"
            raise UsageError(f"{place}: point {record.id} has {kind} where one is expected")
        lines.append(value)
    ids = [_plain_id(record.id) for record in records]
    return Points(ids, np.array(lines, np.float32), [dict(record.payload or {}) for record in records])


def _plain_id(value: Any) -> PointId:
    return value if isinstance(value, int) else str(value)
