"""A collection that a running server answers for, asked through its socket. Imports neither numpy nor the server."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mmsearch import Answer, KnownPlace, MMSearchError, Moment, Progress, Query, __version__
from mmsearch.serve import wire
from mmsearch.types import printable

if TYPE_CHECKING:
    from typing import Self

_ANSWER_S = 600.0
_HELLO_S = 5.0
_LONGEST_NAME = 100  # bytes; the limits are 108 on Linux and 104 on macOS


class ServerGoneError(MMSearchError):
    """A server ended before it answered; the query can be asked without it."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A running server.

    Attributes:
        process: its id.
        address: where a browser finds it, such as ``http://127.0.0.1:8765/``; with its token, if it has one.
        collections: the folders that it serves, by name.
        version: of mmsearch.
    """

    process: int
    address: str
    collections: dict[str, str]
    version: str

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return {
            "process": self.process,
            "address": self.address,
            "collections": self.collections,
            "version": self.version,
        }


class NamesOfServer:
    """The names that a collection knows, as its server tells them.

    Args:
        call: asks the server.
    """

    def __init__(self, call: Callable[[Mapping[str, Any]], Any]) -> None:
        self._call = call

    def has_places(self) -> bool:
        """Whether of any file it is known where it was made."""
        return bool(self._call({"call": "names", "ask": "has_places"}))

    def place(self, name: str) -> KnownPlace | None:
        """The place of a name.

        Args:
            name: in any spelling.
        """
        found = self._call({"call": "names", "ask": "place", "name": name})
        return None if found is None else KnownPlace(**found)

    def own_place(self, name: str) -> KnownPlace | None:
        """The place of a name, if files of the collection were made there.

        Args:
            name: in any spelling.
        """
        found = self._call({"call": "names", "ask": "own_place", "name": name})
        return None if found is None else KnownPlace(**found)

    def cameras(self) -> Sequence[str]:
        """The cameras with which files were made."""
        return list(self._call({"call": "names", "ask": "cameras"}))


class RunningCollection:
    """A collection on this machine that a server answers for, with models loaded and indexes open.

    Its answers are those of `Collection.ask` and `Collection.ask_many`. `find` makes one.

    Attributes:
        server: the server.
    """

    def __init__(self, connection: socket.socket, folder: Path) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._folder = folder
        connection.settimeout(_HELLO_S)
        self.server = ServerInfo(**self._call({"call": "hello"}))
        connection.settimeout(_ANSWER_S)

    @classmethod
    def find(cls, path: str | os.PathLike[str]) -> Self | None:
        """Connect to the server of a collection; None if there is none, or one of another version.

        Args:
            path: the collection's folder.
        """
        folder = Path(path).expanduser().absolute()
        connection = _connect(folder)
        if connection is None:
            return None
        try:
            found = cls(connection, folder)
        except (MMSearchError, OSError, ValueError, TypeError, KeyError):  # not ours, or of another version
            connection.close()
            return None
        if found.server.version != __version__:
            found.close()
            return None
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the server goes on."""
        self._lines.close()
        self._connection.close()

    def stop(self) -> None:
        """Ask the server to end. It finishes what it is doing; this waits until it has."""
        self._call({"call": "stop"})
        with suppress(OSError):
            while self._lines.readline():
                pass

    @staticmethod
    def can_ask(query: Query, options: Mapping[str, Any]) -> bool:
        """Whether a server gives the same answer: a query without pictures and vectors, no relative folder.

        Args:
            query: the query.
            options: keywords of `Collection.ask`.
        """
        under = options.get("under")
        return (under is None or os.path.isabs(os.path.expanduser(under))) and query.to_json() is not None

    @property
    def names(self) -> NamesOfServer:
        """The names that the collection knows; see `Collection.names`."""
        return NamesOfServer(self._call)

    def ask(
        self, query: Query, k: int = 10, *, watch: Callable[[Progress], None] | None = None, **options: Any
    ) -> Answer:
        """The answer to a query; see `Collection.ask`.

        Raises:
            ServerGoneError: the server ended.
            MMSearchError: what `Collection.ask` raises.
        """
        (answer,) = self.ask_many([query], k, watch=watch, **options)
        if isinstance(answer, MMSearchError):
            raise answer
        return answer

    def ask_many(
        self,
        queries: Iterable[Query],
        k: int = 10,
        *,
        watch: Callable[[Progress], None] | None = None,
        **options: Any,
    ) -> list[Answer | MMSearchError]:
        """The answers to several queries; see `Collection.ask_many`.

        Raises:
            ServerGoneError: the server ended.
            MMSearchError: what `Collection.ask_many` raises.
        """
        asked = list(queries)
        call = {
            "call": "ask",
            "queries": [query.to_json() for query in asked],
            "k": k,
            "options": wire.options_to_json(options),
        }
        found = self._call(call, watch)
        return [_own(answer, query) for answer, query in zip(found, asked, strict=True)]

    def _call(self, call: Mapping[str, Any], watch: Callable[[Progress], None] | None = None) -> Any:
        """What the server answers to a call."""
        try:
            self._connection.sendall(json.dumps(call).encode() + b"\n")
            while line := self._lines.readline(wire.MOST_BYTES):
                reply = json.loads(line)
                if "progress" in reply:
                    if watch is not None:
                        watch(wire.progress_from_json(reply["progress"]))
                elif "error" in reply:
                    raise wire.error_from_json(reply["error"])
                else:
                    return reply["result"]
        except (OSError, json.JSONDecodeError) as error:
            raise ServerGoneError(f"the server of {self._folder} does not answer") from error
        raise ServerGoneError(f"the server of {self._folder} has ended")


def _own(data: Mapping[str, Any], query: Query) -> Answer | MMSearchError:
    """An answer or error in which files are called as the query calls them; the server knows their whole paths."""
    names = _names(query)
    if "error" in data:
        error = wire.error_from_json(data["error"])
        message = str(error)
        for whole, name in names.items():
            message = message.replace(whole, name)
        return type(error)(message, hint=error.hint)
    answer = wire.answer_from_json(data)
    notices = tuple(
        replace(notice, values={**notice.values, "file": names[notice.values["file"]]})
        if notice.values.get("file") in names
        else notice
        for notice in answer.notices
    )
    return replace(answer, query=query.describe(), notices=notices)


def _names(query: Query) -> dict[str, str]:
    """How the query calls its files, by their whole paths."""
    values = [*(term.value for term in query.terms), *query.marks]
    paths = [value.path if isinstance(value, Moment) else value for value in values]
    return {printable(os.path.abspath(path)): printable(str(path)) for path in paths if isinstance(path, Path)}


def _connect(folder: Path) -> socket.socket | None:
    """A connection to the socket in a collection's folder; None if nobody of this user listens there."""
    if not hasattr(socket, "AF_UNIX"):  # Windows
        return None
    path = folder / wire.SOCKET_NAME
    try:
        facts = os.lstat(path)
    except OSError:
        return None
    if not stat.S_ISSOCK(facts.st_mode) or facts.st_uid != os.getuid():
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_path(path) as name:
            connection.connect(name)
    except OSError:
        connection.close()
        return None
    return connection


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name for a socket that is short enough for the system, which takes some 100 bytes.

    A longer one goes through the folder's descriptor, where the system has names for these (Linux).
    """
    if len(os.fsencode(path)) <= _LONGEST_NAME:
        yield os.fspath(path)
        return
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)
