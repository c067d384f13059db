# SPDX-License-Identifier: GPL-2.0-or-later
"""A newc cpio archive: the format that the kernel takes as its initial file system."""

import stat
from pathlib import PurePosixPath


class Archive:
    """Files by absolute guest path; directories above them come by themselves."""

    def __init__(self):
        self.entries = {}

    def directory(self, path, mode=0o755):
        self.entries[path] = (stat.S_IFDIR | mode, b"", (0, 0))

    def file(self, path, data, mode=0o644):
        self.entries[path] = (stat.S_IFREG | mode, data, (0, 0))

    def symlink(self, path, target):
        self.entries[path] = (stat.S_IFLNK | 0o777, target.encode(), (0, 0))

    def device(self, path, major, minor):
        self.entries[path] = (stat.S_IFCHR | 0o600, b"", (major, minor))

    def write(self, stream):
        """Write all entries; the same contents always give the same bytes."""
        for path in list(self.entries):
            for parent in PurePosixPath(path).parents:
                if str(parent) != "/" and str(parent) not in self.entries:
                    self.directory(str(parent))
        for inode, path in enumerate(sorted(self.entries), start=1):
            mode, data, device = self.entries[path]
            write_entry(stream, path.lstrip("/"), (inode, mode, device), data)
        write_entry(stream, "TRAILER!!!", (0, 0, (0, 0)), b"")


def write_entry(stream, name, attributes, data):
    """A header (Documentation/driver-api/early-userspace/buffer-format.rst), name and contents."""
    inode, mode, device = attributes
    encoded = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    stream.write(header + encoded + padding(len(header) + len(encoded)))
    stream.write(data + padding(len(data)))


def padding(length):
    return b"\0" * (-length % 4)
