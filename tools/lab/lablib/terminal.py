# SPDX-License-Identifier: GPL-2.0-or-later
"""The terminal that `run` was started on, while it belongs to the guest's command."""

import contextlib
import os
import signal
import termios
import threading
import tty

STDIN, STDOUT = 0, 1
END = b"\x1d"  # Ctrl-]: all other keys are the guest's


def wanted(command):
    """A shell without a word of what it should do, started by a person."""
    return command == ["sh"] and os.isatty(STDIN) and os.isatty(STDOUT)


@contextlib.contextmanager
def lent(channel):
    """What is typed goes into the channel, key by key; afterwards the terminal is as it was."""
    before = termios.tcgetattr(STDIN)
    try:
        tty.setraw(STDIN)
        threading.Thread(target=pass_keys, args=(channel,), daemon=True).start()
        yield
    finally:
        with contextlib.suppress(termios.error):  # it may be gone
            termios.tcsetattr(STDIN, termios.TCSADRAIN, before)


def pass_keys(channel):
    """A thread of its own: a guest that takes no keys must not keep its output from being shown."""
    with contextlib.suppress(OSError):  # the terminal or the guest is gone
        while keys := os.read(STDIN, 1 << 10):
            if END in keys:
                os.kill(os.getpid(), signal.SIGINT)
                return
            channel.sendall(keys)


def settings():
    """For the guest's side of it: a line of shell, and variables."""
    columns, rows = os.get_terminal_size(STDIN)
    size = f"stty rows {rows} cols {columns}" if rows and columns else ":"
    return size, {"TERM": os.environ.get("TERM", "vt100")}
