# SPDX-License-Identifier: GPL-2.0-or-later
"""Saved states: a guest that booted once and is restored in a fraction of a second.

A state is saved when the guest asks for its job, without devices under test. Those are plugged
in behind root ports after it was restored.
"""

import hashlib
import os
import shlex

from .common import CACHE, locked, say, scratch
from .machine import qemu
from .session import Session

KEPT = 6  # states that stay in the cache, of about 150 MB each
BANDWIDTH = 1 << 40  # bytes a second: no limit


def restore(session, machine, path):
    """Bring a guest that was started for it to where it waits for its job, and plug its devices in."""
    prepare_monitor(session)
    session.monitor("migrate-incoming", uri=f"exec:cat {shlex.quote(str(path))}")
    session.wait_migration()
    for device in machine.placed_devices():
        session.human_monitor(f"device_add {device}")
    session.monitor("cont")


def get_state(machine, directory, deadline):
    """The file with the state for a machine, saved now if there is none."""
    path = CACHE / "state" / f"{key(machine)}.state"
    with locked("state"):
        if path.exists():
            os.utime(path)
        else:
            say(f"saving the state of Linux {machine.kernel.release} after its boot, once")
            save(machine, directory, deadline, path)
            prune(path.parent)
    return path


def key(machine):
    """Names everything that a state depends on."""
    digest = hashlib.sha256("\0".join(machine.base_arguments()).encode())
    for path in (qemu(), machine.kernel.vmlinux):
        status = os.stat(path)
        digest.update(f"\0{status.st_size}\0{status.st_mtime_ns}".encode())
    return digest.hexdigest()[:32]


def save(machine, directory, deadline, path):
    """Boot a guest up to its wait for a job, stop it and write its state."""
    with Session(machine, directory, deadline) as session, scratch(path) as temporary:
        session.wait_ready()
        prepare_monitor(session)
        session.monitor("stop")
        session.monitor("migrate", uri=f"exec:cat >{shlex.quote(str(temporary))}")
        session.wait_migration()
        temporary.rename(path)


def prepare_monitor(session):
    session.open_monitor()
    session.monitor("migrate-set-capabilities",
                    capabilities=[{"capability": "events", "state": True}])
    session.monitor("migrate-set-parameters", **{"max-bandwidth": BANDWIDTH})


def prune(directory):
    for old in sorted(directory.glob("*.state"), key=lambda p: p.stat().st_mtime)[:-KEPT]:
        old.unlink()
