"""A server for collections: a page to look at, an HTTP interface for apps. `create_app` is an ASGI app to mount."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from mmsearch import Collection

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = ["create_app", "serve_stdio"]

Collections: TypeAlias = (
    "Sequence[Collection | str | os.PathLike[str]] | Mapping[str, Collection | str | os.PathLike[str]]"
)

_TEXTS_KEPT = 10_000
"""Vectors of texts that are kept for each collection: 10 MB of 256 dimensions."""


def create_app(
    collections: Collections,
    *,
    hosts: Sequence[str] | None = (),
    token: str | None = None,
    local: bool = False,
) -> Starlette:
    """An ASGI app that serves collections.

    Args:
        collections: open ones, or their folders. They are named by their folders without the ending, or as a mapping
            says.
        hosts: names by which the server may be asked, besides ``localhost`` and loopback addresses; None for any name,
            if the app around this one checks it.
        token: what clients must show; None where only this machine reaches the server.
        local: show files in the file manager of this machine when a page asks for it.
    """
    from mmsearch.serve.app import make_app
    from mmsearch.serve.guards import Access

    return make_app(_named(collections), Access(hosts if hosts is None else tuple(hosts), token), local=local)


def serve_stdio(collections: Collections) -> None:
    """Offer collections to an agent as tools, over standard input and output, until it closes them. They are read only.

    Args:
        collections: as for `create_app`.
    """
    from mmsearch.serve.mcp_server import run_stdio

    run_stdio(_named(collections))


def _named(collections: Collections) -> dict[str, Collection]:
    """Open collections, by their names."""
    named: dict[str, Collection] = {}
    items = list(collections.items()) if isinstance(collections, Mapping) else [("", one) for one in collections]
    for given, one in items:
        opened = one if isinstance(one, Collection) else Collection.open(one, texts_kept=_TEXTS_KEPT)
        named[given or _free_name(opened.root.stem, named)] = opened
    return named


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    """The name, with a number behind it if it is taken."""
    numbered = (name if i == 1 else f"{name}-{i}" for i in range(1, len(taken) + 2))
    return next(one for one in numbered if one not in taken)
