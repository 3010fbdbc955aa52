"""Which file system a folder lies on, and whether it tells of what changes in it."""

from __future__ import annotations

import os
from collections.abc import Mapping

# Nobody tells of what other machines change there, and of some not even of what this one does.
_TELL_NOTHING = frozenset(
    {
        *("nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "afpfs", "webdav", "davfs"),
        *("9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "drvfs", "ceph", "glusterfs", "lustre", "gpfs", "ocfs2"),
        *("gfs", "gfs2", "beegfs", "orangefs", "moosefs", "s3fs", "iso9660", "udf", "macfuse", "osxfuse"),
    }
)
_LOCAL_FUSE = ("fuse.gocryptfs", "fuse.cryfs", "fuse.encfs", "fuse.mergerfs", "fuseblk", "fuse.bindfs", "fuse.lxcfs")
_MOUNTS = "/proc/self/mountinfo"


def mounted_file_systems() -> dict[str, str]:
    """The type of the file system at each mount point."""
    import psutil

    try:
        found = psutil.disk_partitions(all=True)
    except OSError:
        return {}
    return {part.mountpoint: _REMOTE if "remote" in part.opts.split(",") else part.fstype for part in found}


_REMOTE = "smb"
"""What stands for a drive of another machine on Windows, where the type is that of its disk."""


def mount_table() -> bytes:
    """What tells whether something was mounted or unmounted; empty where the system has no such table."""
    try:
        with open(_MOUNTS, "rb") as file:
            return file.read()
    except OSError:
        return b""


def type_of_folder(folder: str, mounted: Mapping[str, str]) -> str:
    """The type of the file system that a folder lies on; empty if it is not known."""
    folder = os.path.realpath(folder)
    while folder not in mounted:
        above = os.path.dirname(folder)
        if above == folder:
            return ""
        folder = above
    return mounted[folder].lower()


def tells_of_changes(file_system: str) -> bool:
    """Whether the system tells of changes in a file system of this type; one that is not known is taken to."""
    if file_system in _LOCAL_FUSE:
        return True
    return file_system not in _TELL_NOTHING and not file_system.startswith("fuse")


def mounts_near(folder: str, mounted: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """The mount points above and below a folder, with their types."""
    real = os.path.realpath(folder)

    def under(path: str, top: str) -> bool:
        return path == top or path.startswith(top.rstrip(os.sep) + os.sep)

    return frozenset((mount, kind) for mount, kind in mounted.items() if under(mount, real) or under(real, mount))
