"""Which disks tell of changes, and which have to be looked at."""

from __future__ import annotations

import os

import pytest

from mmsearch.library.watching.file_systems import (
    mounted_file_systems,
    mounts_near,
    tells_of_changes,
    type_of_folder,
)

MOUNTED = {"/": "ext4", "/mnt/nas": "nfs4", "/mnt/nas/usb": "exfat", "/home/me/Cloud": "fuse.rclone"}


@pytest.mark.parametrize(
    ("folder", "kind", "tells"),
    [
        ("/home/me/pics", "ext4", True),
        ("/mnt/nas", "nfs4", False),
        ("/mnt/nas/a/b", "nfs4", False),
        ("/mnt/nasal", "ext4", True),
        ("/mnt/nas/usb/a", "exfat", True),
        ("/home/me/Cloud/x", "fuse.rclone", False),
    ],
)
def test_the_innermost_mount_counts(folder, kind, tells):
    assert type_of_folder(folder, MOUNTED) == kind
    assert tells_of_changes(kind) == tells


@pytest.mark.parametrize("kind", ["", "btrfs", "apfs", "ntfs", "overlay", "tmpfs", "fuse.mergerfs", "fuseblk", "vfat"])
def test_others_are_taken_to_tell(kind):
    assert tells_of_changes(kind)


def test_a_link_counts_as_what_it_leads_to(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert type_of_folder(str(tmp_path / "link"), {os.fspath(tmp_path / "real"): "CIFS"}) == "cifs"
    assert type_of_folder("/a", {}) == ""


def test_mounts_above_and_below_a_folder_are_near():
    assert mounts_near("/mnt", MOUNTED) == {("/", "ext4"), ("/mnt/nas", "nfs4"), ("/mnt/nas/usb", "exfat")}
    assert mounts_near("/srv", MOUNTED) == {("/", "ext4")}


def test_this_machine_has_file_systems():
    assert mounted_file_systems()
