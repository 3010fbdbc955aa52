"""Keeping searches: each in a file of the collection, under a name."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mmsearch import CollectionDamagedError, HintKind, LineTerms, Moment, NoSuchSearchError, Term, UsageError
from mmsearch.library.saved.search import SavedSearch
from mmsearch.saved_files import checked_name, damaged, read_saved, saved_lock, saved_path, saved_paths, write_saved
from mmsearch.types import Level, Modality, SearchMode, Sort, Space

if TYPE_CHECKING:
    from mmsearch.collection import Collection

CollectionOrFolder: TypeAlias = "Collection | str | os.PathLike[str]"


def save_search(
    collection: Collection,
    name: str,
    terms: str | LineTerms,
    *,
    k: int = 10,
    min_level: Level | None = None,
    to: Modality | Sequence[Modality] | None = None,
    under: str | os.PathLike[str] | None = None,
    after: str | dt.date | None = None,
    before: str | dt.date | None = None,
    where: str | None = None,
    near: str | Sequence[float] | None = None,
    place: str | None = None,
    camera: str | None = None,
    sort: Sort | None = None,
    include_self: bool = False,
    all_spans: bool = False,
    exact: bool = False,
    mode: SearchMode | None = None,
    space: str | Space | None = None,
    replace_old: bool = False,
) -> SavedSearch:
    """Keep a search under a name, in the collection's folder ``saved``. It is asked once, so that errors show now.

    Args:
        collection: the collection that it is asked of.
        name: up to 50 letters, digits, ``-`` and ``_``; names differ in more than case.
        terms: a line of words, of which dates such as ``last week`` are read anew at each search, or what
            `read_line_terms` makes of several terms, files and marks.
        k: the number of hits.
        min_level: as in `Collection.search`, and so are the other options.
        to: modalities that may answer.
        under: only files in this folder.
        after: only what was taken or changed from this date on.
        before: only what was taken or changed before this date.
        where: a condition on the columns of a shard.
        near: only what was made near a position.
        place: only what was made in this town, region or country.
        camera: only what was made with this camera.
        sort: the order of hits.
        include_self: let the files that the query is asked by answer too.
        all_spans: make each moment of a film or sound a hit.
        exact: compare every row.
        mode: ``hybrid``, ``lexical`` or ``semantic``.
        space: the key of a space, or its model's name.
        replace_old: write over a search that is saved under the name. What was seen of it is forgotten, and folders of
            links stay.

    Raises:
        UsageError: there is a search of that name, no search can have it, a term is a picture, vector or bytes, or a
            bad option.
        MMSearchError: what `Collection.ask` raises.
    """
    given = {
        "min_level": min_level,
        "to": [to] if isinstance(to, str) else list(to or ()),
        "under": None if under is None else os.path.abspath(os.path.expanduser(under)),
        "after": _date(after),
        "before": _date(before),
        "where": where,
        "near": near if near is None or isinstance(near, str) else ",".join(f"{x:g}" for x in near),
        "place": place,
        "camera": camera,
        "sort": sort,
        "include_self": include_self,
        "all_spans": all_spans,
        "exact": exact,
        "mode": mode,
        "space": space.key if isinstance(space, Space) else space,
    }
    options = {name: value for name, value in given.items() if value}
    line = LineTerms((Term(terms),), (True,)) if isinstance(terms, str) else replace(terms, notices=())
    path, spelled = saved_path(collection.root, name), checked_name(name)
    if path.exists() and not replace_old:
        raise UsageError(f"there is a search saved as @{name} already", hint=HintKind.OVERWRITE)
    read = line.read(known=collection.names)
    collection.ask(read.query, k, **read.options_with(options))
    search = SavedSearch(
        root=collection.root,
        name=spelled,
        terms=LineTerms.from_json(line.to_json()),
        k=k,
        options=options,
        rows={number: _place_of(collection, number) for number in read.query.row_ids},
        made_at=now(),
    )
    with saved_lock(collection.root):
        with suppress(FileNotFoundError, CollectionDamagedError):
            search = replace(search, folders=_load(collection.root, path).folders)
        write_saved(path, search.to_json())
    return search


def saved_search(collection: CollectionOrFolder, name: str) -> SavedSearch:
    """The search of a name.

    Args:
        collection: an open one, or its folder.
        name: of the search, with or without ``@``.

    Raises:
        NoSuchSearchError: there is none; the text says which there are.
        CollectionDamagedError: its file is damaged.
    """
    root = folder_of(collection)
    try:
        return _load(root, saved_path(root, name.removeprefix("@")))
    except (FileNotFoundError, UsageError):
        names = [path.stem for path in saved_paths(root)]
        known = f"; there are: {', '.join(f'@{name}' for name in names)}" if names else ", and none at all"
        raise NoSuchSearchError(f"no search is saved as @{name.removeprefix('@')}{known}") from None


def saved_searches(collection: CollectionOrFolder) -> list[SavedSearch | CollectionDamagedError]:
    """All saved searches in order of name; in the place of one whose file is damaged, the error that says so.

    Args:
        collection: an open one, or its folder.
    """
    root = folder_of(collection)
    found: list[SavedSearch | CollectionDamagedError] = []
    for path in saved_paths(root):
        try:
            found.append(_load(root, path))
        except FileNotFoundError:
            continue  # deleted meanwhile
        except CollectionDamagedError as error:
            found.append(error)
    return found


def rename_search(collection: CollectionOrFolder, name: str, new_name: str) -> SavedSearch:
    """Give a saved search another name.

    Args:
        collection: an open one, or its folder.
        name: the present name.
        new_name: the name to come.

    Raises:
        NoSuchSearchError: there is none of the name.
        UsageError: there is one of the new name already, or no search can have it.
    """
    root = folder_of(collection)
    new_name = new_name.removeprefix("@")
    with saved_lock(root):
        search = saved_search(root, name)
        old, new = saved_path(root, search.name), saved_path(root, new_name)
        if new.exists() and new != old:
            raise UsageError(f"there is a search saved as @{new_name} already")
        search = replace(search, name=checked_name(new_name))
        write_saved(new, search.to_json())
        if new != old:
            old.unlink()
    return search


def delete_search(collection: CollectionOrFolder, name: str) -> None:
    """Delete a saved search. Folders of links to its hits stay as they are.

    Args:
        collection: an open one, or its folder.
        name: of the search.

    Raises:
        NoSuchSearchError: there is none.
    """
    root = folder_of(collection)
    with saved_lock(root):
        with suppress(CollectionDamagedError):
            saved_search(root, name)
        saved_path(root, name.removeprefix("@")).unlink()


def change_search(search: SavedSearch, change: Callable[[SavedSearch], SavedSearch]) -> SavedSearch:
    """Change what is kept of a search, under the lock; a search without a name is changed in memory only."""
    if not search.name:
        return change(search)
    with saved_lock(search.root):
        path = saved_path(search.root, search.name)
        try:
            changed = change(_load(search.root, path))
        except FileNotFoundError:  # deleted meanwhile
            return change(search)
        write_saved(path, changed.to_json())
    return changed


def folder_of(collection: CollectionOrFolder) -> Path:
    """The folder of a collection that is open, or given by its folder."""
    path = collection if isinstance(collection, str | os.PathLike) else collection.root
    return Path(path).expanduser().absolute()


def now() -> str:
    """The time in UTC, to the second."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _load(root: Path, path: Path) -> SavedSearch:
    data = read_saved(path)
    try:
        return SavedSearch.from_json(root, data)
    except (KeyError, TypeError, ValueError, AttributeError, UsageError) as error:
        raise damaged(path) from error


def _place_of(collection: Collection, number: int) -> Path | Moment:
    """The file of a row, or the moment of it."""
    record = collection.get(number)
    if record.span is not None and record.span.unit == "s":
        return Moment(Path(record.path), record.span.start, record.span.end)
    return Path(record.path)


def _date(date: str | dt.date | None) -> str | None:
    return date.isoformat() if isinstance(date, dt.date) else date
