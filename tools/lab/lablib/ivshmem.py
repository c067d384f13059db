# SPDX-License-Identifier: GPL-2.0-or-later
"""The server that QEMU's ivshmem-doorbell device wants, without a process of its own.

A device here is its server's only client, so all that it is ever told is known beforehand: that is
in its socket before QEMU starts. The protocol is in QEMU's docs/specs/ivshmem-spec.txt.
"""

import os
import socket
import struct

from .common import LabError

MAX_VECTORS = 256  # the doorbell register has 8 bits for them
PROTOCOL = 0
MEMORY = -1  # says that the shared memory comes with this message
MEMORY_SIZE = 1 << 20
ROOM = 1 << 20  # for messages that QEMU has not read yet; the kernel may give less


def chardev(number):
    """The name that the device knows its socket by."""
    return f"ivshmem{number}"


def connect(number, vectors):
    """The two ends of a device's socket: one for the lab to keep, one for QEMU.

    The device is given the id number + 1: an id of 0 looks like none.
    """
    ours, theirs = socket.socketpair()
    try:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
        ours.setblocking(False)
        send(ours, PROTOCOL)
        send(ours, number + 1)
        send(ours, MEMORY, shared_memory())
        for _ in range(vectors):
            send(ours, number + 1, os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))
    except OSError as error:
        raise LabError(f"an ivshmem device with {vectors} vectors: {error.strerror}") from None
    return ours, theirs


def shared_memory():
    descriptor = os.memfd_create("ivshmem")
    os.ftruncate(descriptor, MEMORY_SIZE)
    return descriptor


def send(channel, value, descriptor=None):
    """One message: a number, and a descriptor or none, which it takes away from this process."""
    data = struct.pack("<q", value)
    if descriptor is None:
        channel.sendall(data)
        return
    try:
        socket.send_fds(channel, [data], [descriptor])
    finally:
        os.close(descriptor)
