"""Files that were not seen: deleted, or away for a while with their folder or disk?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mmsearch.errors import Hint, HintKind
from mmsearch.retrieval.ingest.mounts import State, mount_state, mounts_above, nearest
from mmsearch.retrieval.ingest.scan import lies_under
from mmsearch.retrieval.ingest.stored_files import StoredFile
from mmsearch.types import FileNote, counted, printable

_REASONS: dict[State, str] = {"absent": "is not mounted", "another": "is another disk than before"}


class Why(NamedTuple):
    """The folder that keeps a file's rows, and what is the matter with it."""

    folder: bytes
    reason: str


@dataclass(slots=True)
class AbsentFiles:
    """A folder whose files are kept although they were not seen."""

    folder: bytes
    reason: str
    files: dict[bytes, StoredFile] = field(default_factory=dict)

    def note(self) -> FileNote:
        """What is said of them."""
        folder = os.fsdecode(self.folder)
        files = counted(len(self.files), "item")
        return FileNote(
            folder,
            f"{printable(folder)} {self.reason}: {files} kept (an unmounted disk?)",
            hint=Hint(HintKind.FORGET_MISSING),
        )


class Absences:
    """Why files may be absent: what a scan of ``paths`` saw in which folders, and on which disks files lay before.

    ``mounts`` is None where no run has noted the disks yet; what is mounted now then counts as what was.
    """

    def __init__(self, paths: Sequence[bytes], seen: Iterable[bytes], mounts: Mapping[bytes, str] | None) -> None:
        self._paths = paths
        self._mounts = dict(mounts or {})
        self._noted = mounts is not None
        self._held: set[bytes] = set()
        for path in seen:
            while path not in self._held:
                self._held.add(path)
                path = os.path.dirname(path)
        self._states: dict[bytes, State] = {}
        self._new_mounts: dict[bytes, bytes | None] = {}

    def on_absent_disk(self, path: bytes) -> bool:
        """Whether the disk that a file lay on is not there now."""
        mount = nearest(path, self._mounts)
        return mount is not None and self._state(mount) != "there"

    def why_kept(self, path: bytes) -> Why | None:
        """Why a file that is gone is not taken for deleted; None where it is."""
        mount = nearest(path, self._mounts)
        if mount is not None and (state := self._state(mount)) != "there":
            return Why(mount, _REASONS[state])
        new = self._covering(os.path.dirname(path)) if self._noted else None
        if new is not None:
            return Why(new, _REASONS["another"])
        return self._empty_folder(path)

    def _state(self, mount: bytes) -> State:
        if mount not in self._states:
            self._states[mount] = mount_state(mount, self._mounts[mount])
        return self._states[mount]

    def _covering(self, folder: bytes) -> bytes | None:
        """A disk that was mounted over the folder of a file since the file was indexed."""
        if folder not in self._new_mounts:
            new = [mount for mount in mounts_above([folder]) if mount not in self._mounts]
            self._new_mounts[folder] = max(new, key=len, default=None)
        return self._new_mounts[folder]

    def _empty_folder(self, path: bytes) -> Why | None:
        """The outermost folder, from the named path down, in which nothing was seen any more."""
        root = max((top for top in self._paths if lies_under(path, top)), key=len, default=path)
        folders = [path] if path == root else []
        folder = path
        while folder != root:
            folder = os.path.dirname(folder)
            folders.append(folder)
        for folder in reversed(folders):
            if folder not in self._held:
                return Why(folder, "is suddenly empty" if os.path.isdir(folder) else "is missing")
        return None
