"""The files of a collection as a list, the newest first, page by page: what one sees before anything is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mmsearch import Collection
from mmsearch.serve.facets import file_columns
from mmsearch.serve.paging import key_of, make_cursor, read_cursor
from mmsearch.serve.search_request import MOST_HITS, filters_asked, wrong
from mmsearch.serve.served import Served, in_thread, served_of

if TYPE_CHECKING:
    import pyarrow as pa


async def items(request: Request) -> Response:
    """A page of the files that the filters of the address let through: a row of each."""
    served = served_of(request)
    given = request.query_params
    k = given.get("k", "50")
    if not k.isdecimal() or not 1 <= int(k) <= MOST_HITS:
        raise wrong(f"k is from 1 to {MOST_HITS}; the cursor of an answer asks for the next page")
    options = filters_asked(served.collection, given)
    key = key_of({"items": served.name, **options})
    start = read_cursor(given.get("cursor"), key)
    return JSONResponse(await in_thread(request, _page, served, options, key, start, int(k)))


def _page(served: Served, options: Mapping[str, Any], key: str, start: int, k: int) -> dict[str, Any]:
    generation = served.generation
    kept = served.newest
    if kept is None or kept[0] != (key, generation):
        kept = served.newest = (key, generation), newest_first(served.collection, options)
    ids = kept[1]
    stop = min(start + k, len(ids))
    return {
        "collection": served.name,
        "generation": generation,
        "total": len(ids),
        "cursor": make_cursor(key, stop) if stop < len(ids) else None,
        "items": [served.collection.shown(int(row_id)).to_json() for row_id in ids[start:stop]],
    }


def newest_first(collection: Collection, options: Mapping[str, Any]) -> NDArray[np.int64]:
    """The first row of each file, by its id, int64 ``[n]``; ``options`` are keywords of `Collection.items`.

    A file is as new as it was taken, or if that is not known, changed.
    """
    import pyarrow as pa

    tables = [_columns(batch) for batch in collection.items(**options)]
    if not tables:
        return np.empty(0, np.int64)
    rows = pa.concat_tables(tables).combine_chunks()
    ids, rank, when = (rows[name].to_numpy() for name in ("id", "rank", "when"))
    when = when.astype(np.int64)
    codes = rows["path"].combine_chunks().dictionary_encode().indices.to_numpy()
    by_file = np.lexsort((ids, -rank, codes))
    first = by_file[np.diff(codes[by_file], prepend=-1) != 0]
    newest = np.lexsort((-ids[first], -when[first]))
    return np.asarray(ids[first][newest], np.int64)


def _columns(batch: pa.RecordBatch) -> pa.Table:
    import pyarrow as pa

    table = pa.table(batch)
    return pa.table({"id": table["id"], **file_columns(table)})


routes = [Route("/api/items", items)]
