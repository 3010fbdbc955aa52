"""Mount points under indexed folders: which disks files lie on, and whether these are still mounted."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Literal

MountState = Literal["present", "absent", "another"]


def mounts_above(folders: Iterable[bytes]) -> dict[bytes, str]:
    """The mount points at or above any of the folders, without "/", and the identities of their file systems."""
    devices: dict[bytes, int | None] = {}
    found: dict[bytes, str] = {}
    for folder in folders:
        while folder not in devices:
            devices[folder] = device_of(folder)
            above = os.path.dirname(folder)
            if above == folder:
                break
            folder = above
    for folder, device in devices.items():
        above = os.path.dirname(folder)
        if above != folder and device is not None and device != devices[above]:
            found[folder] = identity_of(folder)
    return found


def mount_state(mount: bytes, identity: str) -> MountState:
    """Whether the file system with that identity is mounted at ``mount`` now, none is, or another one."""
    device = device_of(mount)
    if device is None or device == device_of(os.path.dirname(mount)):
        return "absent"
    return "present" if identity_of(mount) == identity else "another"


def nearest_mount(path: bytes, mounts: Mapping[bytes, str]) -> bytes | None:
    """The innermost of the mount points that ``path`` lies under."""
    while mounts:
        if path in mounts:
            return path
        above = os.path.dirname(path)
        if above == path:
            break
        path = above
    return None


def device_of(folder: bytes) -> int | None:
    """The number of the device that a folder lies on; None if there is no such folder."""
    try:
        return os.stat(folder).st_dev
    except OSError:
        return None


def identity_of(folder: bytes) -> str:
    """The identity of a folder's file system: its own id, which survives a restart, or else its device number."""
    statvfs = getattr(os, "statvfs", None)  # not on Windows
    try:
        if statvfs is not None and (own := statvfs(folder).f_fsid):
            return f"fs {own:x}"
    except OSError:
        pass
    return f"device {device_of(folder)}"


def is_gone(path: bytes) -> bool:
    """Whether a path does not exist any more; False if it cannot be looked at."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def behind_dangling_link(path: bytes) -> bool:
    """Whether a path leads through a symbolic link whose target is missing, such as a disk that is not mounted."""
    above = os.path.dirname(path)
    while above != path:
        if os.path.lexists(above):
            return os.path.islink(above) and not os.path.exists(above)
        path, above = above, os.path.dirname(above)
    return False
