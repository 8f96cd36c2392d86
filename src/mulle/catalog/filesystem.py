"""SQLite's locks and shared memory do not work on network file systems: refuse them before any harm is done."""

from __future__ import annotations

import os
from pathlib import Path

from mulle.errors import CatalogError

_NETWORK = frozenset({
    "afs", "beegfs", "ceph", "cifs", "davfs", "fuse.ceph", "fuse.davfs2", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs",
    "fuse.sshfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "smb2", "smb3", "smbfs",
})  # fmt: skip
_MOUNTS = Path("/proc/self/mountinfo")


def refuse_network(folder: Path, mounts: Path = _MOUNTS) -> None:
    """Raise a CatalogError when the folder lies on a network file system (Linux; elsewhere nothing is known)."""
    kind = file_system(folder, mounts)
    if kind in _NETWORK:
        raise CatalogError(
            f"the workspace folder {folder} is on a network file system ({kind})",
            cause="SQLite cannot keep a database safe there",
            cure="set [workspace] path in mulle.toml to a folder on a local disk, or keep the catalog in PostgreSQL",
        )


def file_system(folder: Path, mounts: Path = _MOUNTS) -> str:
    """The type of the file system that a folder is on; empty when unknown."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    target = os.path.realpath(folder)
    best, kind = -1, ""
    for line in lines:
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4].encode("latin-1", "replace").decode("unicode_escape")
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:  # a later mount on the same point covers the earlier one
            best, kind = len(point), right.split(" ")[0]
    return kind
