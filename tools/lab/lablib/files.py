# SPDX-License-Identifier: GPL-2.0-or-later
"""The files that a command leaves in $UDRV_LAB_OUT, on their way to the host."""

import io
import tarfile
from pathlib import PurePosixPath

from .common import EXIT_DIED, LabError


def unpack_files(data, directory):
    """Unpack a guest's archive: regular files and directories, nowhere but below `directory`."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                unpack_member(archive, member, directory)
    except tarfile.TarError as error:
        raise LabError(f"the guest's files are damaged: {error}", EXIT_DIED) from None
    except OSError as error:
        raise LabError(f"--out {directory}: {error.strerror}") from None


def unpack_member(archive, member, directory):
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise LabError(f"the guest's file {member.name!r} would leave {directory}", EXIT_DIED)
    path = directory / name
    if member.isdir():
        path.mkdir(exist_ok=True)
    elif member.isreg():
        path.write_bytes(archive.extractfile(member).read())
