"""Folders of links to the hits of a saved search, which are kept in step: an album for every other program."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mmsearch.durable import explained_write_errors, replace_atomically
from mmsearch.errors import CollectionDamagedError, HintKind, UsageError
from mmsearch.library.saved.keep import change_search, saved_search, saved_searches
from mmsearch.library.saved.look import LEAST_LEVEL, look
from mmsearch.library.saved.search import LinkedFolder, SavedSearch
from mmsearch.types import Level

if TYPE_CHECKING:
    from mmsearch.collection import Collection
    from mmsearch.hits import Hit

LIST_NAME = ".mmsearch-links.json"
IGNORE_NAME = ".mmsearchignore"
_FORMAT = 1
_IGNORE = b"# Links to files that are indexed elsewhere.\n*\n"
_DIGITS = 3
_MOST_BYTES = 240
"""Of a name; most file systems take 255."""
MOST_LINKS = 1_000

LinkKind = Literal["link", "hard link", "copy"]


@dataclass(frozen=True, slots=True)
class Linked:
    """What was done in a folder of links.

    Attributes:
        folder: of the links.
        name: of the saved search.
        total: links that are there now.
        added: links that were made.
        removed: links that were removed.
        problem: why nothing was done, if so.
        unlinked: hits that are items of archives or buckets: there is no file to link to.
    """

    folder: Path
    name: str
    total: int = 0
    added: int = 0
    removed: int = 0
    problem: str | None = None
    unlinked: int = 0

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return {
            "folder": os.fspath(self.folder),
            "search": self.name,
            "total": self.total,
            "added": self.added,
            "removed": self.removed,
            "problem": self.problem,
            "unlinked": self.unlinked,
        }


@dataclass(frozen=True, slots=True)
class _Made:
    """A link that was made here. ``facts``: of a copy its size and time, of a hard link its device and number."""

    target: str
    kind: LinkKind
    facts: tuple[int, int] | None = None

    def to_json(self) -> dict[str, Any]:
        return {"target": self.target, "kind": self.kind, "facts": self.facts}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> _Made:
        facts = data["facts"]
        return cls(str(data["target"]), data["kind"], None if facts is None else (int(facts[0]), int(facts[1])))


def link_search(
    collection: Collection,
    name: str,
    folder: str | os.PathLike[str],
    *,
    k: int = MOST_LINKS,
    min_level: Level | None = None,
) -> Linked:
    """Fill a folder with links to the hits of a saved search, in order of rank, and remember it for `update_links`.

    Links are symbolic, or hard links or copies where the file system has none. In the folder, only links that were made
    here are ever removed. A file ``.mmsearchignore`` in it has later runs of indexing pass the links over.

    Args:
        collection: an open one.
        name: of the search.
        folder: a new or an empty one, or one of links to this search.
        k: the most links.
        min_level: the least level of a hit; default that of the search, else ``likely``. Where no levels are known,
            the search's own number of hits is linked.

    Raises:
        NoSuchSearchError: there is no search of the name.
        UsageError: the folder holds other files, or the links of another search, or is part of the collection.
        MMSearchError: what `look` raises, or the folder cannot be written to.
    """
    search = saved_search(collection, name)
    path = Path(os.path.abspath(os.path.expanduser(os.fspath(folder))))
    if all(one.path != path for one in search.folders) or not (path / LIST_NAME).exists():
        _check(collection.root, search, path)
    linked = LinkedFolder(path, k, min_level)
    done = _update(collection, search, linked)

    def with_folder(kept: SavedSearch) -> SavedSearch:
        others = (one for one in kept.folders if one.path != path)
        return replace(kept, folders=(*others, linked))

    change_search(search, with_folder)
    return done


def update_links(collection: Collection, name: str | None = None) -> list[Linked]:
    """Bring folders of links up to date: new hits are linked, and links to what is no hit any more are removed.

    Args:
        collection: an open one.
        name: of the search; None: all searches, but those whose files are damaged.

    Raises:
        NoSuchSearchError: there is no search of the name.
    """
    if name is not None:
        searches = [saved_search(collection, name)]
    else:
        searches = [one for one in saved_searches(collection) if not isinstance(one, CollectionDamagedError)]
    done: list[Linked] = []
    for search in searches:
        for linked in search.folders:
            try:
                if not (linked.path / LIST_NAME).is_file():
                    done.append(Linked(linked.path, search.name, problem="it is gone, or its list of links is"))
                else:
                    done.append(_update(collection, search, linked))
            except OSError as error:
                done.append(Linked(linked.path, search.name, problem=error.strerror or str(error)))
    return done


def unlink_search(collection: Collection, name: str, folder: str | os.PathLike[str]) -> Linked:
    """Remove the links that were made in a folder, and forget the folder. If nothing else is in it, it is removed.

    Args:
        collection: an open one.
        name: of the search.
        folder: the folder.

    Raises:
        NoSuchSearchError: there is no search of the name.
        UsageError: the folder is none of its folders.
    """
    search = saved_search(collection, name)
    path = Path(os.path.abspath(os.path.expanduser(os.fspath(folder))))
    if all(one.path != path for one in search.folders):
        raise UsageError(f"{path} is no folder of links to {search.shown}")
    made = _read_list(path) if (path / LIST_NAME).is_file() else {}
    with explained_write_errors(path):
        removed = sum(_remove(path / name, link) for name, link in made.items())
        with suppress(OSError):
            if (path / IGNORE_NAME).read_bytes() == _IGNORE:
                (path / IGNORE_NAME).unlink()
        (path / LIST_NAME).unlink(missing_ok=True)
        with suppress(OSError):
            path.rmdir()
    change_search(search, lambda kept: replace(kept, folders=tuple(f for f in kept.folders if f.path != path)))
    return Linked(path, search.name, removed=removed)


def _check(root: Path, search: SavedSearch, path: Path) -> None:
    """Raise if a folder cannot be one of links to a search."""
    if path == root or root in path.parents:
        raise UsageError(f"{path} lies in the collection; name a folder elsewhere")
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file; name a folder")
    if not path.is_dir():
        return
    if (path / LIST_NAME).exists():
        owner = _read_document(path)
        if (owner["collection"], owner["search"]) != (os.fspath(root), search.name):
            raise UsageError(f"{path} holds links to @{owner['search']} of {owner['collection']}")
    elif any(name != IGNORE_NAME and not name.startswith(f".{LIST_NAME}") for name in os.listdir(path)):
        raise UsageError(f"{path} holds other files; name a new or an empty folder")


def _update(collection: Collection, search: SavedSearch, linked: LinkedFolder) -> Linked:
    level = {"min_level": linked.min_level} if linked.min_level else {}
    found = look(collection, search, k=linked.k, options=level, least=LEAST_LEVEL)
    folder = linked.path
    with explained_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        listed = _read_list(folder) if (folder / LIST_NAME).exists() else {}
        there = {name: made for name, made in listed.items() if _is_ours(folder / name, made)}
        wanted = _names(found.answer.hits, linked.k, folder, there)
        stays = {name: made for name, made in there.items() if wanted.get(name) == made.target}
        coming = {name: _Made(target, "link") for name, target in wanted.items() if name not in stays}
        removed = sum(_remove(folder / name, made) for name, made in there.items() if name not in stays)
        with suppress(FileExistsError), open(folder / IGNORE_NAME, "xb") as file:
            file.write(_IGNORE)
        if coming or len(stays) < len(listed) or not (folder / LIST_NAME).exists():
            # Before they are made: whatever is killed, no link is there that the list does not name.
            _write_list(collection.root, search, folder, {**stays, **coming})
        made = {name: _make(folder / name, link.target) for name, link in coming.items()}
        if made != coming:
            _write_list(collection.root, search, folder, {**stays, **made})
    unlinked = len({hit.path for hit in found.answer.hits if hit.is_item})
    return Linked(folder, search.name, len(stays) + len(made), len(made), removed, unlinked=unlinked)


def _names(hits: Iterable[Hit], most: int, folder: Path, there: Mapping[str, _Made]) -> dict[str, str]:
    """The files to link, by the names of their links: each once, with its rank before its own name."""
    paths = dict.fromkeys(hit.path for hit in hits if hit.state not in ("gone", "none") and not hit.is_item)
    digits = max(_DIGITS, len(str(most)))
    named: dict[str, str] = {}
    for rank, path in enumerate(paths, 1):
        stem, ending = os.path.splitext(os.path.basename(path))
        number = 1
        while True:
            more = "" if number == 1 else f" ({number})"
            name = f"{rank:0{digits}} {_cut(stem, len(os.fsencode(ending)))}{more}{ending}"
            if name in there or not os.path.lexists(folder / name):
                break
            number += 1  # a file of the user's own has the name
        named[name] = path
    return named


def _cut(stem: str, rest: int) -> str:
    """A name short enough for a file system, cut between characters."""
    while len(os.fsencode(stem)) + rest > _MOST_BYTES and stem:
        stem = stem[:-1]
    return stem


def _make(path: Path, target: str) -> _Made:
    """Link a file: symbolically, or else as the file system can."""
    try:
        os.symlink(target, path)
        return _Made(target, "link")
    except FileExistsError:
        raise
    except OSError:
        pass
    try:
        os.link(target, path)
        return _Made(target, "hard link", _identity(path))
    except OSError:
        shutil.copy2(target, path)
        return _Made(target, "copy", _size_and_time(path))


def _remove(path: Path, made: _Made) -> bool:
    """Remove a link, if it still is the one that was made here."""
    if not _is_ours(path, made):
        return False
    path.unlink()
    return True


def _is_ours(path: Path, made: _Made) -> bool:
    try:
        if made.kind == "link":
            return path.is_symlink() and os.readlink(path) == made.target
        if path.is_symlink():
            return False
        return made.facts == (_identity(path) if made.kind == "hard link" else _size_and_time(path))
    except OSError:
        return False


def _identity(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_dev, facts.st_ino


def _size_and_time(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


def _read_document(folder: Path) -> dict[str, Any]:
    path = folder / LIST_NAME
    try:
        data = json.loads(path.read_bytes())
        if data["format"] == _FORMAT and isinstance(data["links"], dict):
            return {"collection": str(data["collection"]), "search": str(data["search"]), "links": data["links"]}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise UsageError(
        f"{path} is damaged, or of another version: delete the folder's links and this file, and link anew"
    )


def _read_list(folder: Path) -> dict[str, _Made]:
    try:
        return {name: _Made.from_json(made) for name, made in _read_document(folder)["links"].items()}
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UsageError(f"{folder / LIST_NAME} is damaged", hint=HintKind.OVERWRITE) from error


def _write_list(root: Path, search: SavedSearch, folder: Path, links: Mapping[str, _Made]) -> None:
    data = {
        "format": _FORMAT,
        "collection": os.fspath(root),
        "search": search.name,
        "links": {name: made.to_json() for name, made in links.items()},
    }
    replace_atomically(folder / LIST_NAME, json.dumps(data, indent=1).encode())
