"""Files that a scan did not find: deleted, or on a folder or disk that is missing for the moment?"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mmsearch.errors import Hint, HintKind
from mmsearch.retrieval.ingest.mounts import MountState, mount_state, mounts_above, nearest_mount
from mmsearch.retrieval.ingest.stored_files import StoredFile
from mmsearch.retrieval.paths import lies_under
from mmsearch.types import FileNote, counted, printable

_REASONS: dict[MountState, str] = {"absent": "is not mounted", "another": "is another disk than before"}


@dataclass(slots=True)
class AbsentFolder:
    """A folder or disk that seems to be missing for the moment, and the stored files under it, which are kept."""

    folder: bytes
    reason: str
    files: dict[bytes, StoredFile] = field(default_factory=dict)

    def note(self) -> FileNote:
        """The note for the report."""
        folder = os.fsdecode(self.folder)
        files = counted(len(self.files), "item")
        return FileNote(
            folder,
            f"{printable(folder)} {self.reason}: {files} kept (an unmounted disk?)",
            hint=Hint(HintKind.FORGET_MISSING),
        )


class AbsenceChecker:
    """Tells deleted files from files whose folder or disk is missing.

    Args:
        paths: the paths that were scanned.
        seen: folders that the scan found files in, and all else that it saw.
        files: the files that it found.
        mounts: the mount points that files lay on when they were indexed, with the identities of their file systems;
            None: no run has noted them yet, and what is mounted now counts.
    """

    def __init__(
        self,
        paths: Sequence[bytes],
        seen: Iterable[bytes],
        files: Container[bytes],
        mounts: Mapping[bytes, str] | None,
    ) -> None:
        self._paths = paths
        self._files = files
        self._mounts = dict(mounts or {})
        self._mounts_are_noted = mounts is not None
        self._seen_or_above: set[bytes] = set()
        for path in seen:
            while path not in self._seen_or_above:
                self._seen_or_above.add(path)
                path = os.path.dirname(path)
        self._states: dict[bytes, MountState] = {}
        self._new_mounts: dict[bytes, bytes | None] = {}

    def is_on_absent_disk(self, path: bytes) -> bool:
        """Whether the disk that a file lay on is not mounted now."""
        mount = nearest_mount(path, self._mounts)
        return mount is not None and self._state(mount) != "present"

    def absent_folder(self, path: bytes) -> AbsentFolder | None:
        """The folder whose absence explains that a file was not found, without files; None: the file was deleted."""
        mount = nearest_mount(path, self._mounts)
        if mount is not None and (state := self._state(mount)) != "present":
            return AbsentFolder(mount, _REASONS[state])
        new_mount = self._new_mount_over(os.path.dirname(path)) if self._mounts_are_noted else None
        if new_mount is not None:
            return AbsentFolder(new_mount, _REASONS["another"])
        return self._empty_folder(path)

    def _state(self, mount: bytes) -> MountState:
        if mount not in self._states:
            self._states[mount] = mount_state(mount, self._mounts[mount])
        return self._states[mount]

    def _new_mount_over(self, folder: bytes) -> bytes | None:
        """A disk that was mounted over a folder since the files in it were indexed."""
        if folder not in self._new_mounts:
            new = [mount for mount in mounts_above([folder]) if mount not in self._mounts]
            self._new_mounts[folder] = max(new, key=len, default=None)
        return self._new_mounts[folder]

    def _empty_folder(self, path: bytes) -> AbsentFolder | None:
        """The outermost folder above a file, from the scanned path down, in which the scan saw nothing."""
        root = max((top for top in self._paths if lies_under(path, top)), key=len, default=path)
        folders = [path] if path == root else []
        folder = path
        while folder != root:
            folder = os.path.dirname(folder)
            folders.append(folder)
        for folder in reversed(folders):
            if folder not in self._seen_or_above and folder not in self._files:
                return AbsentFolder(folder, "is suddenly empty" if os.path.isdir(folder) else "is missing")
        return None
