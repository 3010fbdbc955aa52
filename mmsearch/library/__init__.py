"""Order in a collection: duplicates, labels, groups, saved searches, folders that are watched.

All of it works on a `Collection` through its public calls. Each function takes the collection first.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmsearch.library.duplicates.find import find_duplicates
    from mmsearch.library.duplicates.results import DuplicateFile, DuplicateGroup, Duplicates
    from mmsearch.library.groups.find import find_group, find_groups, group_paths
    from mmsearch.library.groups.results import Group, Groups
    from mmsearch.library.groups.sheets import write_contact_sheets
    from mmsearch.library.saved.keep import delete_search, rename_search, save_search, saved_search, saved_searches
    from mmsearch.library.saved.links import Linked, link_search, unlink_search, update_links
    from mmsearch.library.saved.look import Looked, follow, look, note_look
    from mmsearch.library.saved.search import LastLook, LinkedFolder, SavedSearch
    from mmsearch.library.tagging.tag import drop_tags, tag, tags
    from mmsearch.library.tagging.tagged import TagCount, Tagged
    from mmsearch.library.watching.events import WatchEvent
    from mmsearch.library.watching.watch import watch_folders

_MODULES = {
    "mmsearch.library.duplicates.find": ("find_duplicates",),
    "mmsearch.library.duplicates.results": ("DuplicateFile", "DuplicateGroup", "Duplicates"),
    "mmsearch.library.groups.find": ("find_group", "find_groups", "group_paths"),
    "mmsearch.library.groups.results": ("Group", "Groups"),
    "mmsearch.library.groups.sheets": ("write_contact_sheets",),
    "mmsearch.library.saved.keep": (
        "delete_search",
        "rename_search",
        "save_search",
        "saved_search",
        "saved_searches",
    ),
    "mmsearch.library.saved.links": ("Linked", "link_search", "unlink_search", "update_links"),
    "mmsearch.library.saved.look": ("Looked", "follow", "look", "note_look"),
    "mmsearch.library.saved.search": ("LastLook", "LinkedFolder", "SavedSearch"),
    "mmsearch.library.tagging.tag": ("drop_tags", "tag", "tags"),
    "mmsearch.library.tagging.tagged": ("TagCount", "Tagged"),
    "mmsearch.library.watching.events": ("WatchEvent",),
    "mmsearch.library.watching.watch": ("watch_folders",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "DuplicateFile",
    "DuplicateGroup",
    "Duplicates",
    "Group",
    "Groups",
    "LastLook",
    "Linked",
    "LinkedFolder",
    "Looked",
    "SavedSearch",
    "TagCount",
    "Tagged",
    "WatchEvent",
    "delete_search",
    "drop_tags",
    "find_duplicates",
    "find_group",
    "find_groups",
    "follow",
    "group_paths",
    "link_search",
    "look",
    "note_look",
    "rename_search",
    "save_search",
    "saved_search",
    "saved_searches",
    "tag",
    "tags",
    "unlink_search",
    "update_links",
    "watch_folders",
    "write_contact_sheets",
]


if not TYPE_CHECKING:  # or a type checker would take any name for one that is there

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first used (PEP 562)."""
        if name not in _MODULE_OF:
            raise AttributeError(f"module 'mmsearch.library' has no attribute {name!r}")
        value = getattr(importlib.import_module(_MODULE_OF[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """The public names, also those that are not imported yet."""
    return sorted(__all__)
