# SPDX-License-Identifier: GPL-2.0-or-later
"""Paths, errors and small helpers that every part of the lab shares."""

import contextlib
import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CACHE = ROOT / "build" / "lab"
GUEST = ROOT / "tools" / "lab" / "guest"

# What `run` returns when the command in the guest is not what decided.
EXIT_USAGE = 2
EXIT_NO_KERNEL = 77  # a kernel that build-kernel makes is not there: to ctest, a skipped test
EXIT_LAB = 121  # the lab could not be prepared
EXIT_QEMU = 122  # QEMU did not start
EXIT_DIED = 123  # the guest ended without a verdict
EXIT_DEADLINE = 124
EXIT_LOG = 125  # the guest's kernel log shows a failure


class LabError(Exception):
    """A failure with a one-line explanation; `status` is the exit status of the tool."""

    def __init__(self, message, status=EXIT_LAB):
        super().__init__(message)
        self.status = status


class Deadline:
    """A point in time that every wait of a run respects."""

    def __init__(self, seconds, hint=""):
        self.seconds = seconds
        self.hint = hint
        self.end = time.monotonic() + seconds

    def left(self, limit=None):
        """Seconds left, at most `limit`; raises when there are none."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise LabError(f"not done within {self.seconds:g} s: killed{self.hint}", EXIT_DEADLINE)
        return left if limit is None else min(left, limit)


def say(message):
    """One line for the person who started the lab; stdout belongs to the guest's command."""
    print(f"lab: {message}", file=sys.stderr, flush=True)


def need_program(name, package, search=None):
    """The path of a program of the host, or an error that names its package."""
    path = shutil.which(name, path=search)
    if not path:
        raise LabError(f"{name} is missing: run tools/setup, or install the package {package}")
    return path


def check_output(command, cwd=None):
    """Run a command of the host and return its stdout; its stderr's end explains a failure."""
    result = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True,
                            check=False)
    if result.returncode:
        words = result.stderr.decode(errors="replace").strip().splitlines()
        reason = words[-1] if words else f"exit status {result.returncode}"
        raise LabError(f"{shlex.join(map(str, command))}: {reason}")
    return result.stdout


@contextlib.contextmanager
def locked(name, directory=CACHE):
    """Let one process at a time fill the part of the cache called `name`."""
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / f"{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def scratch(final):
    """A temporary sibling of the path `final`, removed at the end unless it was renamed away."""
    final.parent.mkdir(parents=True, exist_ok=True)
    path = final.with_name(f".{final.name}.{os.getpid()}")
    try:
        yield path
    finally:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
