"""Disks below indexed folders: where files lay on another disk than the folder above, and whether it is still there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Literal

State = Literal["there", "absent", "another"]


def mounts_above(folders: Iterable[bytes]) -> dict[bytes, str]:
    """The mount points that any of the folders lies on, with the identity of their file systems; "/" does not count."""
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


def mount_state(mount: bytes, identity: str) -> State:
    """Whether the file system that was mounted at ``mount`` is there now, is not, or is another one."""
    device = device_of(mount)
    if device is None or device == device_of(os.path.dirname(mount)):
        return "absent"
    return "there" if identity_of(mount) == identity else "another"


def nearest(path: bytes, mounts: Mapping[bytes, str]) -> bytes | None:
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
    """The number of the device that a folder lies on; None where there is no such folder."""
    try:
        return os.stat(folder).st_dev
    except OSError:
        return None


def identity_of(folder: bytes) -> str:
    """What tells the file system of a folder from others: its own id, which outlives a restart, else its device."""
    statvfs = getattr(os, "statvfs", None)  # not on Windows
    try:
        if statvfs is not None and (own := statvfs(folder).f_fsid):
            return f"fs {own:x}"
    except OSError:
        pass
    return f"device {device_of(folder)}"


def is_gone(path: bytes) -> bool:
    """Whether there is no such name any more; of a name that may not be looked at nothing is known."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def behind_dangling_link(path: bytes) -> bool:
    """Whether a path leads through a link to what is not there, as to a disk that is not mounted."""
    above = os.path.dirname(path)
    while above != path:
        if os.path.lexists(above):
            return os.path.islink(above) and not os.path.exists(above)
        path, above = above, os.path.dirname(above)
    return False
