"""A server for collections: a page to look at, an HTTP interface for apps, answers for agents and the command line.

`create_app` is an ASGI app to mount, `serve` runs it. Importing this imports neither the server nor numpy.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from mmsearch.errors import MMSearchError, UsageError

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from mmsearch import Collection
    from mmsearch.serve.running import RunningCollection as RunningCollection
    from mmsearch.serve.running import ServerGoneError as ServerGoneError
    from mmsearch.serve.running import ServerInfo as ServerInfo

__all__ = ["LATE_AFTER_S", "RunningCollection", "ServerGoneError", "ServerInfo", "create_app", "serve", "serve_stdio"]

Collections: TypeAlias = (
    "Sequence[Collection | str | os.PathLike[str]] | Mapping[str, Collection | str | os.PathLike[str]]"
)

LATE_AFTER_S = 5.0
"""How long a front waits for a reader, unless it is told otherwise."""

_TEXTS_KEPT = 10_000
"""Vectors of texts that are kept for each collection: 10 MB of 256 dimensions."""


def create_app(
    collections: Collections,
    *,
    hosts: Sequence[str] | None = (),
    token: str | None = None,
    local: bool = False,
    mcp: bool = False,
    device: str = "auto",
    precision: str = "auto",
    part: str | None = None,
    readers: Sequence[str] = (),
    late_after: float = LATE_AFTER_S,
) -> Starlette:
    """An ASGI app that serves collections.

    Args:
        collections: open ones, or their folders. They are named by their folders without the ending, or as a mapping
            says.
        hosts: names by which the server may be asked, besides ``localhost`` and loopback addresses; None for any name,
            if the app around this one checks it.
        token: what clients must show; None where only this machine reaches the server.
        local: show files in the file manager of this machine when a page asks for it.
        mcp: serve agents at ``/mcp``, too; needs the extra ``mcp``.
        device: what models run on, of collections that are given as folders; see `Collection.open`.
        precision: of these models.
        part: hold this part of the only collection alone, such as ``3/8``, and answer to a front.
        readers: be the front: addresses of readers, one for each part of the only collection, which look up its rows.
            They are shown ``$MMSEARCH_READER_TOKEN``, or what the file ``$MMSEARCH_READER_TOKEN_FILE`` holds.
        late_after: seconds after which a front answers without a reader.

    Raises:
        MMSearchError: an extra is not installed, a collection cannot be opened, or readers do not fit together.
    """
    _check_installed("serve", "starlette", "uvicorn", "python_multipart", "prometheus_client")
    if mcp:
        _check_installed("mcp", "mcp")
    from mmsearch.serve.app import make_app
    from mmsearch.serve.guards import Access

    access = Access(hosts if hosts is None else tuple(hosts), token)
    if part is not None:
        from mmsearch.serve.reader_app import make_reader_app

        if readers or mcp:
            raise UsageError("a reader of a part asks no other readers and serves no agents: its front does")
        return make_reader_app(_only_one(collections), part, access)
    if readers:
        from mmsearch.serve.reading import front_of

        name, path = _only_one(collections)
        front, pool = front_of(path, readers, late_after, device=device, precision=precision, texts_kept=_TEXTS_KEPT)
        return make_app({name or front.root.stem: front}, access, local=local, mcp=mcp, readers=pool)
    return make_app(_named(collections, device, precision), access, local=local, mcp=mcp)


def serve(
    collections: Collections,
    *,
    host: str | None = None,
    port: int | None = None,
    names: Sequence[str] = (),
    mcp: bool = False,
    device: str = "auto",
    precision: str = "auto",
    part: str | None = None,
    readers: Sequence[str] = (),
    late_after: float = LATE_AFTER_S,
    started: Callable[[ServerInfo], None] = lambda info: None,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Serve collections until SIGINT or SIGTERM. What is running then is finished.

    Args:
        collections: as in `create_app`.
        host: the address to listen at; default this machine's loopback addresses. Any other needs a token: it is made,
            or taken from ``$MMSEARCH_TOKEN``, and is part of the address that ``started`` is told.
        port: default the first that is free from 8765 on.
        names: further names of hosts by which it may be asked, such as that of a proxy in front. They need a token.
        mcp: serve agents at ``/mcp``, too.
        device: what models run on, of collections that are given as folders; see `Collection.open`.
        precision: of these models.
        part: as in `create_app`, and the next two.
        readers: of a front.
        late_after: seconds.
        started: is called when the server listens.
        say: is called with remarks.

    Raises:
        MMSearchError: an extra is not installed, a collection cannot be opened, or the port is taken.
    """
    _check_installed("serve", "starlette", "uvicorn", "python_multipart", "prometheus_client")
    from functools import partial

    from mmsearch.serve.run import run_server

    make_app = partial(
        create_app,
        collections,
        mcp=mcp,
        device=device,
        precision=precision,
        part=part,
        readers=readers,
        late_after=late_after,
    )
    run_server(make_app, host=host, port=port, names=[name.lower() for name in names], started=started, say=say)


def serve_stdio(collections: Collections, *, device: str = "auto", precision: str = "auto") -> None:
    """Offer collections to an agent as tools, over standard input and output, until it closes them. They are read only.

    Args:
        collections: as in `create_app`.
        device: what models run on, of collections that are given as folders; see `Collection.open`.
        precision: of these models.

    Raises:
        MMSearchError: the extra ``mcp`` is not installed, or a collection cannot be opened.
    """
    _check_installed("mcp", "mcp")
    named = _named(collections, device, precision)
    from mmsearch.serve.mcp_server import run_stdio

    run_stdio(named)


def _check_installed(extra: str, *modules: str) -> None:
    """Raise an error that says how to install what is missing."""
    from importlib.util import find_spec

    if any(find_spec(name) is None for name in modules):
        raise MMSearchError(f'this needs an extra: pip install "mmsearch[{extra}]"')


def _only_one(collections: Collections) -> tuple[str, str | os.PathLike[str]]:
    """The name (or nothing) and the folder of the one collection that is served in parts.

    Raises:
        UsageError: there are several.
    """
    from mmsearch import Collection

    items = list(collections.items()) if isinstance(collections, Mapping) else [("", one) for one in collections]
    if len(items) != 1:
        raise UsageError("a reader, and a front of readers, serve one collection each")
    ((name, one),) = items
    return name, one.root if isinstance(one, Collection) else one


def _named(collections: Collections, device: str, precision: str) -> dict[str, Collection]:
    """Open collections, by their names."""
    from mmsearch import Collection

    named: dict[str, Collection] = {}
    items = list(collections.items()) if isinstance(collections, Mapping) else [("", one) for one in collections]
    for given, one in items:
        if isinstance(one, Collection):
            opened = one
        else:
            opened = Collection.open(one, device=device, precision=precision, texts_kept=_TEXTS_KEPT)
        named[given or _free_name(opened.root.stem, named)] = opened
    return named


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    """The name, with a number behind it if it is taken."""
    numbered = (name if i == 1 else f"{name}-{i}" for i in range(1, len(taken) + 2))
    return next(one for one in numbered if one not in taken)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """The client of a running server, imported when it is first used."""
        if name not in __all__:
            raise AttributeError(f"module 'mmsearch.serve' has no attribute {name!r}")
        from mmsearch.serve import running

        return getattr(running, name)
