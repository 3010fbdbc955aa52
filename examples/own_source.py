"""A source of your own: pictures in a table of SQLite, each with a caption, indexed like a folder.

    python examples/own_source.py pictures.db pictures.mms

A source lists its parts and gives the items of one. A later run reads only the parts whose ``etag`` has changed.
"""

from __future__ import annotations

import hashlib
import sqlite3
import sys
from collections.abc import Iterator

import mmsearch

ROWS_OF_PART = 1_000


class SqliteSource:
    """The table ``pictures (id integer, jpeg blob, caption text)`` of a database, a thousand rows a part."""

    def __init__(self, path: str) -> None:
        self.path = path

    def parts(self) -> Iterator[mmsearch.SourcePart]:
        """A part for each thousand ids; its etag is a hash of their captions and of the sizes of their pictures."""
        with sqlite3.connect(self.path) as database:
            numbers = database.execute("select distinct id / ? from pictures order by 1", (ROWS_OF_PART,)).fetchall()
            for (number,) in numbers:
                query = "select id, length(jpeg), caption from pictures where id / ? = ? order by id"
                rows = database.execute(query, (ROWS_OF_PART, number)).fetchall()
                etag = hashlib.blake2b(repr(rows).encode(), digest_size=16).hexdigest()
                size = sum(length for _, length, _ in rows)
                yield mmsearch.SourcePart(self.path, size, etag, index=number)

    def items(self, part: mmsearch.SourcePart) -> Iterator[mmsearch.SourceItem]:
        """The pictures of a part, in order of their ids. They are asked for by several threads, one at a time."""
        with sqlite3.connect(self.path, check_same_thread=False) as database:
            rows = database.execute(
                "select id, jpeg, caption from pictures where id / ? = ? order by id", (ROWS_OF_PART, part.index)
            )
            for row_id, jpeg, caption in rows:
                yield mmsearch.SourceItem.of_bytes(
                    f"{self.path}#{row_id}.jpg", jpeg, captions=(caption,), facts={"row_id": row_id}
                )


def main(database: str, collection: str) -> None:
    """Index the pictures of a database into a collection, new or old."""
    if mmsearch.Collection.exists(collection):
        opened = mmsearch.Collection.open(collection)
    else:
        opened = mmsearch.Collection.create(collection)
    with opened:
        report = opened.index(SqliteSource(database))
        print(f"{report.indexed} indexed, {report.unchanged} unchanged, {len(report.skipped)} skipped")


if __name__ == "__main__":
    main(*sys.argv[1:])
