"""One segment of a lexical index: an SQLite database with one FTS5 table, which never changes once it is written.

The table keeps for each word in which rows it stands and where, and no texts: those are in the shards. Decision 35 says
why it is FTS5.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import CollectionDamagedError
from mmsearch.indexes.lexical.words import indexed_text

LEXICAL_FORMAT = 1
"""Goes up when words are cut or folded in another way; a segment of another format is built again."""

_CREATE = "CREATE VIRTUAL TABLE words USING fts5(name, text, content='', columnsize=0, tokenize={tokenizer!r})"
_TOKENIZER = "unicode61 remove_diacritics 0"  # what it gets is cut and folded by `words`

Document = tuple[int, Sequence[str], str]
"""A row: its id, the words of its file's name (empty for all but the first row of a file), and its text."""


def _connect(name: str) -> sqlite3.Connection:
    return sqlite3.connect(name, uri=True, check_same_thread=False, isolation_level=None)


class LexicalSegment:
    """Which rows hold a word. Made by `build` or `open`; thread-safe."""

    def __init__(self, connection: sqlite3.Connection, name: str, rows: int) -> None:
        self._connection = connection
        self._name = name
        self._guard = threading.Lock()
        self.rows = rows

    @classmethod
    def build(cls, documents: Iterable[Document]) -> LexicalSegment:
        """A segment in memory.

        Args:
            documents: ids ascend. Rows without any word are left out.
        """
        connection = _connect(":memory:")
        connection.execute("PRAGMA page_size = 8192")
        connection.execute(_CREATE.format(tokenizer=_TOKENIZER))
        connection.execute("BEGIN")
        rows = 0

        def indexed() -> Iterable[tuple[int, str, str]]:
            nonlocal rows
            for row_id, name, text in documents:
                name_text, words = " ".join(name), indexed_text(text)
                if name_text or words:
                    rows += 1
                    yield row_id, name_text, words

        connection.executemany("INSERT INTO words(rowid, name, text) VALUES (?, ?, ?)", indexed())
        connection.execute("INSERT INTO words(words) VALUES ('optimize')")
        connection.execute(f"PRAGMA user_version = {LEXICAL_FORMAT}")
        connection.execute("COMMIT")
        return cls(connection, "a lexical segment in memory", rows)

    def to_bytes(self) -> bytes:
        """The segment's file."""
        return self._connection.serialize()

    @classmethod
    def open(cls, path: Path, rows: int) -> LexicalSegment:
        """Open a segment's file, without reading it.

        Args:
            path: the file.
            rows: how many rows it has.

        Raises:
            FileNotFoundError: it is gone; a newer manifest may have replaced it.
            CollectionDamagedError: it is no segment.
        """
        if not path.exists():
            raise FileNotFoundError(2, "No such file or directory", str(path))
        segment = cls(_connect(f"file:{quote(os.fsencode(path.absolute()))}?mode=ro&immutable=1"), str(path), rows)
        if segment._ask("PRAGMA user_version") != [(LEXICAL_FORMAT,)]:
            raise CollectionDamagedError(f"{path} is damaged: it is no lexical segment of format {LEXICAL_FORMAT}")
        return segment

    def check(self) -> None:
        """Read the segment through.

        Raises:
            CollectionDamagedError: something is wrong with it.
        """
        if self._ask("PRAGMA integrity_check") != [("ok",)]:
            raise CollectionDamagedError("it is damaged: its pages do not fit together")

    def ids(self, expression: str, most: int | None = None) -> NDArray[np.int64]:
        """The ids of rows that an FTS5 expression matches, ascending; ``most`` of them, default all."""
        limit = "" if most is None else f" LIMIT {most}"
        found = self._ask(f"SELECT rowid FROM words WHERE words MATCH ?{limit}", (expression,))
        return np.fromiter((row_id for (row_id,) in found), np.int64, len(found))

    def count(self, expression: str) -> int:
        """How many rows an FTS5 expression matches."""
        ((count,),) = self._ask("SELECT count(*) FROM words WHERE words MATCH ?", (expression,))
        return int(count)

    def _ask(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            with self._guard:
                return self._connection.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise CollectionDamagedError(f"{self._name} is damaged: {error}") from error


def phrase_expression(words: Sequence[str], *, prefix: bool = False, column: str | None = None) -> str:
    """The FTS5 expression for words that stand one after another.

    Args:
        words: folded, as `words_of` gives them; at least one.
        prefix: the last word is the beginning of one.
        column: ``name`` or ``text``; default both.
    """
    quoted = '"' + " ".join(words) + '"' + (" *" if prefix else "")  # words have no quotes: they are letters and digits
    return f"{column} : {quoted}" if column else quoted
